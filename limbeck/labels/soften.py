"""The teacher's answers to all pairs, in bulk: one table shard after the other, each model call paid once."""

from collections.abc import Callable
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from limbeck.progress import Advance, track
from limbeck.records import PROBABILITIES, conform, empty
from limbeck.relevance import Grader, to_columns

CHUNK = 2_048  # pairs per call of the grader: enough for it to sort by length


def shards(
    pairs: pa.Table,
    texts: pa.Table,
    grader: Grader,
    grader_digest: str,
    previous: pa.Table | None,
    rows_per_shard: int,
) -> dict[str, Callable[[], pa.Table]]:
    """What makes each shard of the `soft_labels` table, by its key; for `Workspace.write_table`.

    A pair whose Pin has no text is left out. An answer in `previous` by the same grader to the same query and text
    (`digest` of `texts`: pin_id, text, digest) is taken from there; all others are asked for, in chunks.
    """
    rows = _recall(_with_digest(pairs, texts), previous, grader_digest)
    unknown = pc.is_null(rows.column(PROBABILITIES[0])).to_numpy()
    begins = range(0, len(rows), rows_per_shard)
    return {
        f"{i:05d}": partial(
            _shard, rows.slice(begin, rows_per_shard), grader, grader_digest, int(unknown[begin:].sum())
        )
        for i, begin in enumerate(begins)
    }


def _with_digest(pairs: pa.Table, texts: pa.Table) -> pa.Table:
    """query, pin_id and digest of the pairs whose Pin says something."""
    texts = texts.filter(pc.not_equal(pc.utf8_trim_whitespace(texts.column("text")), ""))
    place = pc.index_in(pairs.column("pin_id"), texts.column("pin_id"))
    rows = pairs.select(["query", "pin_id"])
    return rows.append_column("digest", texts.column("digest").take(place)).filter(pc.is_valid(place))


def _recall(rows: pa.Table, previous: pa.Table | None, grader_digest: str) -> pa.Table:
    """`rows` with the probabilities that are known, null where none are, in the order of Pins.

    All queries of a Pin follow each other: a grader that reads the Pin first can read it once for all of them.
    """
    known = empty("soft_labels") if previous is None else previous
    known = known.filter(pc.equal(known.column("grader"), grader_digest)).drop_columns(["grader"])
    rows = rows.join(known, ["query", "pin_id", "digest"], join_type="left outer")
    return rows.sort_by([("pin_id", "ascending"), ("query", "ascending")]).combine_chunks()


def _shard(rows: pa.Table, grader: Grader, grader_digest: str, left: int) -> pa.Table:
    """One shard; `left` counts the pairs still to be asked for in this one and those after it."""
    known = pc.is_valid(rows.column(PROBABILITIES[0]))
    old, new = rows.filter(known), rows.filter(pc.invert(known))
    with track("soft labels", left, "pairs") as advance:
        advance(0)  # starts the clock of the rate
        answers = [_ask(new.slice(at, CHUNK), grader, advance) for at in range(0, len(new), CHUNK)]
    merged = pa.concat_tables([old, *answers]).sort_by([("pin_id", "ascending"), ("query", "ascending")])
    return conform(merged.append_column("grader", pa.repeat(grader_digest, len(merged))), "soft_labels")


def _ask(rows: pa.Table, grader: Grader, advance: Advance) -> pa.Table:
    pairs = rows.select(["query", "pin_id"])
    columns = to_columns(grader.grade(pairs))
    advance(len(rows))
    return pa.table({**{n: rows.column(n) for n in rows.column_names}, **columns}).select(rows.column_names)
