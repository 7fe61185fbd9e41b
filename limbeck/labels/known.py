"""What earlier runs were told, committed or not: found again by Pin, a few shards at a time, never all in memory."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from limbeck.records import KEYS, PROBABILITIES
from limbeck.workspace import Workspace

TABLE = "soft_labels"
ORDER = [("pin_id", "ascending"), ("query", "ascending")]  # a grader may read a Pin once for all of its queries
_ASKED = [*KEYS[TABLE], "digest"]


class Known:
    """The answers of one grader in all whole shards of `soft_labels`, also in those of runs that were killed."""

    def __init__(self, ws: Workspace, grader_digest: str) -> None:
        self._ws, self._grader = ws, grader_digest
        self._spans = {path: span for path in ws.salvageable(TABLE) if (span := self._span(path))}

    def recall(self, rows: pa.Table) -> pa.Table:
        """`rows` (query, pin_id and digest of a text, in `ORDER`) with p1…p5, null where they are not known."""
        if not len(rows):
            first = last = ""
        else:
            first, last = rows.column("pin_id")[0].as_py(), rows.column("pin_id")[-1].as_py()
        return rows.join(self._between(first, last), _ASKED, join_type="left outer").sort_by(ORDER)

    def _span(self, path: Path) -> tuple[str, str] | None:
        """The first and the last Pin that a shard is about; None where there is nothing in it, or it is damaged."""
        ends = pc.min_max(self._ws.salvaged(TABLE, [path]).column("pin_id")).as_py()
        return (ends["min"], ends["max"]) if ends["min"] is not None else None

    def _between(self, first: str, last: str) -> pa.Table:
        """Every answer about Pins from `first` to `last`, once: query, pin_id, digest, p1…p5."""
        near = [path for path, (low, high) in self._spans.items() if low <= last and first <= high]
        found = self._ws.salvaged(TABLE, near)
        found = found.filter(pc.equal(found.column("grader"), self._grader))
        once = found.group_by(_ASKED, use_threads=False).aggregate([(p, "first") for p in PROBABILITIES])
        return once.select([*_ASKED, *(f"{p}_first" for p in PROBABILITIES)]).rename_columns([*_ASKED, *PROBABILITIES])
