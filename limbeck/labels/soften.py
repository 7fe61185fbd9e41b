"""The teacher's answers to all pairs, in bulk: one table shard after the other, each model call paid once.

Memory does not grow with what is done. Of each pair that waits, its query, Pin and digest are held; of what is known,
whether it is known.
"""

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from limbeck.labels.known import ORDER, Known
from limbeck.progress import Advance, track
from limbeck.records import conform, schema
from limbeck.relevance import Grader, to_columns

ASKED = ["query", "pin_id"]
FIRST = 64  # pairs of a shard's first call of the grader: those of a run's first shard tell how fast it is
CHUNK = 2_048  # pairs per further call: enough for it to sort by length
ROWS_PER_LOOK = 16_384


@dataclass(frozen=True)
class Work:
    """All pairs of a run, in the order of Pins, and which of them nobody has answered yet."""

    rows: pa.Table  # query, pin_id, and digest of the Pin's text
    unknown: np.ndarray  # bool (n,)
    known: Known

    @classmethod
    def of(cls, pairs: pa.Table, texts: pa.Table, known: Known) -> "Work":
        """The pairs whose Pin is among `texts` (pin_id, digest)."""
        place = pc.index_in(pairs.column("pin_id"), texts.column("pin_id"))
        rows = pairs.select(["query", "pin_id"]).append_column("digest", texts.column("digest").take(place))
        rows = rows.filter(pc.is_valid(place)).sort_by(ORDER).combine_chunks()
        parts = (known.recall(rows.slice(at, ROWS_PER_LOOK)) for at in range(0, len(rows), ROWS_PER_LOOK))
        unknown = [pc.is_null(part.column("p1")).to_numpy() for part in parts]
        return cls(rows, np.concatenate([np.zeros(0, bool), *unknown]), known)

    def part(self, begin: int, rows: int) -> tuple[pa.Table, pa.Table]:
        """So many pairs from `begin` on: those to be asked, and those known, with p1…p5."""
        those, unknown = self.rows.slice(begin, rows), pa.array(self.unknown[begin : begin + rows])
        return those.filter(unknown), self.known.recall(those.filter(pc.invert(unknown)))


def telling(texts: Iterable[pa.Table], pairs: pa.Table) -> pa.Table:
    """Those of the composed texts whose Pin is in `pairs`, and that say something."""
    pins, found = pairs.column("pin_id").unique(), [schema("composed").empty_table()]
    for part in texts:
        asked = part.filter(pc.is_in(part.column("pin_id"), pins))
        found.append(asked.filter(pc.not_equal(pc.utf8_trim_whitespace(asked.column("text")), "")))
    return pa.concat_tables(found)


def first(work: Work, rows_per_shard: int) -> pa.Table:
    """The pairs of the very first call of the grader; none where all are known."""
    begin = int(work.unknown.argmax()) // rows_per_shard * rows_per_shard if work.unknown.any() else len(work.rows)
    new, _ = work.part(begin, rows_per_shard)
    return new.select(ASKED).slice(0, FIRST)


def shards(work: Work, grader: Grader, grader_digest: str, rows_per_shard: int) -> dict[str, Callable[[], pa.Table]]:
    """What makes each shard of the `soft_labels` table, by its key; for `Workspace.write_table`."""
    begins = range(0, len(work.rows), rows_per_shard)
    return {f"{i:05d}": partial(_shard, work, b, rows_per_shard, grader, grader_digest) for i, b in enumerate(begins)}


def _shard(work: Work, begin: int, rows_per_shard: int, grader: Grader, grader_digest: str) -> pa.Table:
    new, old = work.part(begin, rows_per_shard)
    ends = sorted({0, *range(FIRST, len(new), CHUNK), len(new)})
    with track("soft labels", int(work.unknown[begin:].sum()), "pairs") as advance:
        advance(0)  # starts the clock of the rate
        answers = [_ask(new.slice(a, b - a), grader, advance) for a, b in itertools.pairwise(ends)]
    merged = pa.concat_tables([old, *answers]).sort_by(ORDER)
    return conform(merged.append_column("grader", pa.repeat(grader_digest, len(merged))), "soft_labels")


def _ask(rows: pa.Table, grader: Grader, advance: Advance) -> pa.Table:
    columns = to_columns(grader.grade(rows.select(ASKED)))
    advance(len(rows))
    return pa.table({name: rows.column(name) for name in rows.column_names} | columns)
