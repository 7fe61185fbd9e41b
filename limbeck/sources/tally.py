"""Counts what is in a table while its rows pass by, batch by batch: 8 bytes a row stay, and each distinct id once."""

from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from limbeck.records import KEYS, REFERENCES, schema
from limbeck.sources.findings import TableFindings
from limbeck.sources.mapped import Part, keys

_PAIR = ["query", "pin_id"]
_LABEL = [*_PAIR, "rater_id", "level"]


class Tally:
    """The counts of one table."""

    def __init__(self, table: str) -> None:
        self._table = table
        self._rows = self._read = self._repeats = 0
        self._nulls: Counter[str] = Counter()
        self._languages: Counter[str] = Counter()
        self._hashes: list[np.ndarray] = []
        self._pairs: list[np.ndarray] = []
        self._labels: list[pa.Table] = []
        tied = {c for t, c, _, _ in REFERENCES if t == table} | {c for _, _, t, c in REFERENCES if t == table}
        self.ids: dict[str, Counter[str]] = {column: Counter() for column in tied}  # how many rows have each id

    def add(self, part: Part) -> None:
        """Count the rows of one part."""
        rows = part.rows
        self._rows, self._read = self._rows + rows.num_rows, self._read + part.read
        self._repeats += part.repeats
        self._nulls.update({name: rows.column(name).null_count for name in rows.column_names})
        for column, ids in self.ids.items():
            ids.update(rows.column(column).drop_null().to_pylist())
        if "language" in rows.column_names:
            self._languages.update(rows.column("language").drop_null().to_pylist())
        if self._table not in KEYS:
            self._hashes.append(_hashes(rows, rows.column_names))
        if "level" in rows.column_names:
            self._labels.append(rows.select(_LABEL))
        elif self._table == "impressions":
            self._pairs.append(_hashes(rows, _PAIR))

    def labels(self) -> pa.Table:
        """query, pin_id, rater_id and level of every row."""
        return pa.concat_tables(self._labels) if self._labels else schema(self._table).empty_table().select(_LABEL)

    def distinct_pairs(self) -> int:
        """How many different (query, Pin) pairs a table of impressions shows."""
        return len(np.unique(np.concatenate(self._pairs))) if self._pairs else 0

    def findings(self, files: int, others: dict[str, "Tally"]) -> TableFindings:
        """What was counted, and what points into the other tables, and to nothing there."""
        hashes = np.concatenate(self._hashes) if self._hashes else np.empty(0, np.int64)
        labels = self.labels() if "level" in schema(self._table).names else None
        conflicts = [] if labels is None else _conflicts(labels)
        return TableFindings(
            files=files,
            rows=self._rows,
            left_out=self._read - self._rows - self._repeats,
            repeats=self._repeats,
            duplicates=len(hashes) - len(np.unique(hashes)),
            nulls=dict(self._nulls),
            languages=dict(sorted(self._languages.items())),
            levels={} if labels is None else _level_counts(labels),
            conflicts=len(conflicts),
            conflict_samples=conflicts[:3],
            dangling=self._dangling(others),
        )

    def _dangling(self, others: dict[str, "Tally"]) -> dict[str, int]:
        found: dict[str, int] = {}
        for table, column, other, key in REFERENCES:
            if table == self._table and other in others:
                there = others[other].ids[key]
                rows = sum(n for value, n in self.ids[column].items() if value not in there)
                found |= {f"{column} → {other}": rows} if rows else {}
        return found


def _hashes(rows: pa.Table, names: list[str]) -> np.ndarray:
    """A 64-bit number for each row: counts made with it are exact but for a chance of one in millions."""
    return np.fromiter(map(hash, keys(rows, tuple(names))), np.int64, rows.num_rows)


def _level_counts(labels: pa.Table) -> dict[int, int]:
    counts = labels.column("level").value_counts().to_pylist()
    return dict(sorted((c["values"], c["counts"]) for c in counts))


def _conflicts(labels: pa.Table) -> list[str]:
    """Each pair to which the same rater gave several levels, in words."""
    merged = labels.group_by([*_PAIR, "rater_id"]).aggregate([("level", "min"), ("level", "max")])
    merged = merged.filter(pc.not_equal(merged.column("level_min"), merged.column("level_max")))
    merged = merged.sort_by([(name, "ascending") for name in [*_PAIR, "rater_id"]])
    return [f"{r['query']!r}, {r['pin_id']}: {r['level_min']} and {r['level_max']}" for r in merged.to_pylist()]
