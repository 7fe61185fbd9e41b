"""What is wrong with the data of a workspace, as far as a run could go on with it: sentences for the report."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from limbeck.records import REFERENCES
from limbeck.relevance import LEVELS
from limbeck.settings import SOURCES
from limbeck.workspace import Workspace

FILE = "problems.json"
_THEN = {"judgments": "nobody learns from them", "heldout": "nothing is measured on them"}  # what becomes of them
READ = (
    "pins",
    "pin_texts",
    "boards",
    "saves",
    "impressions",
    "captions",
    "interests",
    "judgments",
    "heldout",
    "pictures",
)


def write(ws: Workspace, out: Path) -> None:
    """Write all that is found into the folder `out`."""
    found = [*_dangling(ws), *_texts(ws), *_pictures(ws), *_judgments(ws)]
    (out / FILE).write_text(json.dumps(found, indent=1, ensure_ascii=False), encoding="utf-8")


def read(folder: Path) -> list[str]:
    """What `write` found."""
    return list(json.loads((folder / FILE).read_text(encoding="utf-8")))


def _dangling(ws: Workspace) -> Iterator[str]:
    """Rows that point to nothing. Tables are read shard by shard."""
    for table, column, other, _ in REFERENCES:
        if other not in ("pins", "boards") or table == "links" or not (ws.has(table) and ws.has(other)):
            continue  # a page that no Pin links to, or a Pin whose page nobody describes, is nothing wrong
        known = ws.table(other, [column]).column(column)
        parts = [pq.read_table(path, columns=[column]).column(column).drop_null() for path in ws.shards(table)]
        lost = sum(len(part) - pc.sum(pc.is_in(part, known)).as_py() for part in parts if len(part))
        if lost:
            then = _THEN.get(table, "they are not used")
            yield f"{table}: {_share(lost, sum(map(len, parts)))} rows have a {column} that is not in {other}; {then}."


def _texts(ws: Workspace) -> Iterator[str]:
    """Pins that say nothing, or just what another Pin says."""
    silent, digests = 0, []
    for path in ws.shards("pin_texts"):
        rows = pq.read_table(path, columns=[*SOURCES, "digest"])
        silent += int(np.logical_and.reduce([_empty(rows.column(source)) for source in SOURCES]).sum())
        digests.append(rows.column("digest"))
    column = pa.chunked_array([chunk for part in digests for chunk in part.chunks], pa.string())
    if silent:
        yield f"pins: {_share(silent, len(column))} say nothing in any source: no words lead to them."
    repeated = len(column) - len(column.unique()) - max(silent - 1, 0)
    if repeated > 0:
        yield f"pins: {_share(repeated, len(column))} say word for word what another one says."


def _empty(column: pa.ChunkedArray) -> np.ndarray:
    """Where a column holds no text, bool (n,)."""
    length = pc.list_value_length if pa.types.is_list(column.type) else pc.binary_length
    return np.asarray(pc.equal(pc.fill_null(length(column), 0), 0))


def _pictures(ws: Workspace) -> Iterator[str]:
    """Pictures that no caption could be made of, by the reason."""
    if not ws.has("pictures"):
        return
    skipped = ws.table("pictures", ["skipped"]).column("skipped")
    for row in sorted(skipped.drop_null().value_counts().to_pylist(), key=lambda r: (-r["counts"], r["values"])):
        yield f"pictures: {_share(row['counts'], len(skipped))} have no caption: {row['values']}."


def _judgments(ws: Workspace) -> Iterator[str]:
    """Judgments that repeat or contradict others by the same rater, and levels that nobody gave."""
    for table in filter(ws.has, ("judgments", "heldout")):
        rows = ws.table(table, ["query", "pin_id", "rater_id", "level"])
        named = rows.filter(pc.is_valid(rows.column("rater_id")))
        levels = [("level", "count"), ("level", "min"), ("level", "max")]
        pairs = named.group_by(["query", "pin_id", "rater_id"]).aggregate(levels)
        torn = int(pc.sum(pc.not_equal(pairs.column("level_min"), pairs.column("level_max"))).as_py() or 0)
        again = named.num_rows - pairs.num_rows
        if torn:
            yield f"{table}: to {_share(torn, pairs.num_rows)} pairs one rater gave several levels; all of them count."
        if again:
            yield f"{table}: {_share(again, named.num_rows)} rows judge a pair that the same rater judged already."
        absent = sorted(set(LEVELS) - set(rows.column("level").to_pylist()))
        if absent and rows.num_rows:
            yield f"{table}: nobody gave level {_listed(absent)}."


def _share(count: int, of: int) -> str:
    return f"{count:,} of {of:,}"


def _listed(values: Sequence[int]) -> str:
    return " or ".join(filter(None, [", ".join(map(str, values[:-1])), str(values[-1])]))
