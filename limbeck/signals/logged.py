"""What the service wrote down of pairs when it answered with them, in place of computing it again.

A file of the feature log (`serve/feature_log.py`) has a row for each Pin of an answer. Its metadata name the features,
and say by which version of each part of them (`joined.versions`) they were made. A part holds for a pair to learn from
where the Pin still says the same and the part's version is the present one. Clicks and saves hold only where they were
counted before the day of the pair's first judgment.
"""

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from limbeck.errors import InputError
from limbeck.records import MICROSECONDS_PER_DAY, conform
from limbeck.signals.joined import Joined
from limbeck.workspace import digest_of

NAMES, VERSIONS = b"features", b"versions"  # of a file's metadata, in JSON: a list, and a version by part
ROW = pa.schema(
    [
        ("query", pa.string()),
        ("pin_id", pa.string()),
        ("searched_at", pa.timestamp("us", tz="UTC")),
        ("text", pa.string()),  # the digest of all that the Pin said; null while it was live
        ("features", pa.list_(pa.float32())),
    ]
)
VERSION = 1  # raise it when the same files are to give other rows
_KEYS = ["query", "pin_id"]
_COUNTED = "engagement"  # the part that tells what users had done until then


class Layout(NamedTuple):
    """The present features: their names, which columns are whose, and the version of each part."""

    names: tuple[str, ...]
    parts: Mapping[str, tuple[int, int]]
    versions: Mapping[str, str]


def files(folder: Path) -> list[Path]:
    """The files of a log, in the order of their names; none where there is no such folder."""
    return sorted(folder.glob("*.parquet"))


def fingerprint(folder: Path) -> str:
    """A digest over which files there are: one that is there is never written again."""
    return digest_of(*(f"{path.name} {path.stat().st_size}" for path in files(folder)))


def chosen(folder: Path, layout: Layout, wanted: pa.Table) -> Mapping[str, Callable[[], pa.Table]]:
    """What the log says of the pairs to learn from: shards of the table `logged`, one for each file that has some.

    `wanted` has query, pin_id, text (the digest of what the Pin says now) and day, that of the pair's first judgment or
    of the end of time. Of several rows of a pair, the one of which most columns hold is taken; of those, the first.
    """
    paths = files(folder)
    wanted = wanted.sort_by([(name, "ascending") for name in _KEYS])
    wanted = wanted.append_column("pair", pa.array(np.arange(wanted.num_rows)))
    found = pa.concat_tables([_CANDIDATES.empty_table(), *(_fitting(p, layout, wanted) for p in paths)])
    order = [(name, "ascending") for name in ("pair", "searched_at", "file", "row")]
    found = found.sort_by([order[0], ("columns", "descending"), *order[1:]])
    pair = found.column("pair").to_numpy()
    found = found.filter(pa.array(np.append(True, pair[1:] != pair[:-1])[: len(pair)]))
    by_file = {path: found.filter(pc.equal(found.column("file"), path.name)) for path in paths}
    return {p.stem: functools.partial(_taken, p, layout, rows) for p, rows in by_file.items() if rows.num_rows}


_CANDIDATES = pa.schema(
    [
        *(ROW.field(name) for name in ("query", "pin_id", "searched_at")),
        ("pair", pa.int64()),
        ("columns", pa.int64()),
        ("before", pa.bool_()),
        ("row", pa.int64()),
        ("file", pa.string()),
    ]
)


def _fitting(path: Path, layout: Layout, wanted: pa.Table) -> pa.Table:
    """The rows of one file of which some columns hold for a wanted pair."""
    rows = _read(path, [*_KEYS, "searched_at", "text"])
    rows = rows.append_column("row", pa.array(np.arange(rows.num_rows))).join(
        wanted.rename_columns({"text": "now"}), _KEYS, join_type="inner"
    )
    rows = rows.filter(pc.fill_null(pc.equal(rows.column("text"), rows.column("now")), False))
    day = pc.divide(rows.column("searched_at").cast(pa.int64()), MICROSECONDS_PER_DAY)
    before = pc.less(day, rows.column("day").cast(pa.int64()))
    held = {part: end - begin for part, (begin, end) in _held(path, layout).items()}
    columns = sum(held.values()) - held.get(_COUNTED, 0) * ~before.to_numpy()
    rows = rows.append_column("before", before).append_column("columns", pa.array(columns, pa.int64()))
    rows = rows.append_column("file", pa.repeat(path.name, rows.num_rows)).select(_CANDIDATES.names)
    return rows.filter(pa.array(columns > 0, pa.bool_())).cast(_CANDIDATES)


def _held(path: Path, layout: Layout) -> dict[str, tuple[int, int]]:
    """The present parts that a file's features were made by the same versions of, and where they stand in the file."""
    names, versions = _told(path)
    found = {}
    for part, (begin, end) in layout.parts.items():
        wanted = layout.names[begin:end]
        first = names.index(wanted[0]) if wanted and wanted[0] in names else len(names)
        same = tuple(names[first : first + len(wanted)]) == wanted
        if same and layout.versions[part] == versions.get(part):
            found[part] = first, first + len(wanted)
    return found


def _taken(path: Path, layout: Layout, rows: pa.Table) -> pa.Table:
    """The chosen rows of a file, their features laid out as they are now; NaN where a part does not hold."""
    lists = _read(path, ["features"]).column("features").take(rows.column("row")).combine_chunks()
    given = lists.flatten().to_numpy().reshape(rows.num_rows, -1)
    features = np.full((rows.num_rows, len(layout.names)), np.nan, dtype=np.float32)
    before, held = rows.column("before").to_numpy(), _held(path, layout)
    for part, (begin, end) in held.items():
        features[:, slice(*layout.parts[part])] = given[:, begin:end]
    first, last = layout.parts.get(_COUNTED, (0, 0))
    features[~before, first:last] = np.nan
    parts = [[p for p in held if p != _COUNTED or counts] for counts in before.tolist()]
    columns = {**{k: rows.column(k) for k in _KEYS}, "parts": parts, "features": list(features)}
    return conform(pa.table(columns), "logged")


def _told(path: Path) -> tuple[list[str], dict[str, str]]:
    """The names of a file's features, and the versions of their parts."""
    told = pq.read_schema(path).metadata
    return json.loads(told[NAMES]), json.loads(told[VERSIONS])


def _read(path: Path, columns: list[str]) -> pa.Table:
    """Columns of a file; `InputError` where it is not one of a feature log's."""
    try:
        found = pq.read_schema(path)
        if any(name not in found.names or found.field(name).type != ROW.field(name).type for name in ROW.names):
            raise ValueError("its columns are others")
        _told(path)
        return pq.read_table(path, columns=columns)
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
        reason = str(error).splitlines()[0]
        remedy = "Take it out of the folder that signals.logged names"
        raise InputError(f"not a file of a feature log ({reason})", file=path, remedy=remedy) from None


def holds(logged: pa.Table, part: str) -> pa.BooleanArray:
    """Of which rows of the table `logged` a part holds."""
    return pa.array([part in parts for parts in logged.column("parts").to_pylist()], pa.bool_())


class Logged:
    """The features of pairs, as `Joined` computes them, where the table `logged` does not have them already."""

    def __init__(self, joined: Joined, logged: pa.Table) -> None:
        """`logged` was chosen for the parts that `joined` has."""
        self._joined, self.names, self.groups = joined, joined.names, joined.groups
        self._queries = logged.column("query").unique()
        self._features = logged.column("features").combine_chunks().flatten().to_numpy().reshape(-1, len(self.names))
        self._has = {part: holds(logged, part).to_numpy(zero_copy_only=False) for part in joined.parts}
        rows = joined.rows(logged.column("pin_id").to_pylist())
        key = self._keys(logged.column("query"), rows)
        self._order = np.argsort(key, kind="stable")
        self._key = key[self._order]

    def rows(self, pin_ids: Sequence[str]) -> np.ndarray:
        """As `Joined.rows`."""
        return self._joined.rows(pin_ids)

    def pairs(self, queries: Sequence[str], rows: np.ndarray) -> np.ndarray:
        """As `Joined.pairs`; only what is not there is computed."""
        place = self._place(queries, rows)
        features = np.empty((len(rows), len(self.names)), dtype=np.float32)
        for part, (begin, end) in self._joined.parts.items():
            known = place >= 0
            known[known] = self._has[part][place[known]]
            features[known, begin:end] = self._features[place[known], begin:end]
            lacking = np.flatnonzero(~known)
            if len(lacking):
                asked = [queries[i] for i in lacking.tolist()]
                features[lacking, begin:end] = self._joined.of_part(part, asked, rows[lacking])
        return features

    def _place(self, queries: Sequence[str], rows: np.ndarray) -> np.ndarray:
        """Which row of the table each pair has, int64 (n,); −1 for none."""
        key = self._keys(pa.array(queries, pa.string()), rows)
        if not len(self._key):
            return np.full(len(key), -1)
        place = np.minimum(np.searchsorted(self._key, key), len(self._key) - 1)
        return np.where((self._key[place] == key) & (key >= 0), self._order[place], -1)

    def _keys(self, queries: pa.Array | pa.ChunkedArray, rows: np.ndarray) -> np.ndarray:
        """One number for each pair of a query of the table and a known Pin; −1 for others."""
        query = pc.fill_null(pc.index_in(queries, self._queries), -1).to_numpy().astype(np.int64)
        return np.where((query >= 0) & (rows >= 0), query * len(self._joined.match.pins) + rows, -1)
