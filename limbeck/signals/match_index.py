"""The Pins' terms and how rare each is, built once, memory-mapped: what match features are computed from.

A folder of `.npy` arrays (never pickled), `terms.arrow` (term, Pins that have it) and `pins.arrow` (pin_id).
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather

from limbeck.signals.match import FIELDS, MOST_TERMS, NAMES, Query, Terms, features
from limbeck.signals.tokens import is_number, terms, trigrams


class MatchIndex:
    """Match features of (query, Pin) pairs, for known Pins and for documents given as text."""

    names = NAMES

    def __init__(self, folder: Path) -> None:
        found = feather.read_table(folder / "terms.arrow")
        self._number = {t: i for i, t in enumerate(found.column("term").to_pylist())}
        self._frequency = found.column("pins").to_numpy()
        self.pin_ids: list[str] = feather.read_table(folder / "pins.arrow").column("pin_id").to_pylist()
        self._row = {p: i for i, p in enumerate(self.pin_ids)}
        arrays = ("tokens", "offsets", "gram_offsets", "grams")
        self._pins = Terms(*(np.load(folder / f"{a}.npy", mmap_mode="r") for a in arrays))
        statistics = json.loads((folder / "statistics.json").read_text(encoding="utf-8"))
        self._mean_lengths = np.asarray(statistics["mean_lengths"], dtype=np.float32)

    def rows(self, pin_ids: Sequence[str]) -> np.ndarray:
        """Row numbers of Pins, int64 (n,); −1 for unknown ones."""
        return np.fromiter((self._row.get(p, -1) for p in pin_ids), np.int64, len(pin_ids))

    def features(self, query: str, rows: np.ndarray) -> np.ndarray:
        """Features of one query and many Pins, float32 (n, f), named by `names`."""
        return features(self._query(terms(query), self._number), self._pins, rows, self._mean_lengths)

    def pairs(self, queries: Sequence[str], rows: np.ndarray) -> np.ndarray:
        """Features of row-aligned queries and Pins, float32 (n, f)."""
        out = np.zeros((len(queries), len(NAMES)), dtype=np.float32)
        places: dict[str, list[int]] = {}
        for place, query in enumerate(queries):
            places.setdefault(query, []).append(place)
        for query, here in places.items():
            out[here] = self.features(query, rows[here])
        return out

    def features_of(self, query: str, documents: Sequence[Mapping[str, object]]) -> np.ndarray:
        """Features of a query and documents with any of the fields of a Pin's texts, by the same kernel."""
        asked = terms(query)
        builder = _Builder()
        for document in documents:
            builder.add([_said(document.get(f)) for f in FIELDS])
        out = features(
            self._query(asked, builder.number), builder.terms(), np.arange(len(documents)), self._mean_lengths
        )
        counted = asked[:MOST_TERMS]
        out[:, NAMES.index("query.unknown_terms")] = sum(t not in self._number for t in counted) / max(1, len(counted))
        return out

    def ideal(self, query: str) -> float:
        """The BM25 that a query reaches where every term is found very often: what scores are normalised by."""
        return float(sum(self._rarity(t) for t in terms(query)[:MOST_TERMS]))

    def _rarity(self, term: str) -> float:
        """BM25's inverse document frequency, over all fields together; never negative."""
        known = self._number.get(term)
        pins = int(self._frequency[known]) if known is not None else 0
        return float(np.log1p((len(self.pin_ids) - pins + 0.5) / (pins + 0.5)))

    def _query(self, asked: Sequence[str], number: Mapping[str, int]) -> Query:
        asked = asked[:MOST_TERMS]
        grams = [trigrams(t) for t in asked]
        return Query(
            terms=np.fromiter((number.get(t, -1) for t in asked), np.int32, len(asked)),
            rarity=np.fromiter((self._rarity(t) for t in asked), np.float32, len(asked)),
            numbers=np.fromiter(map(is_number, asked), np.bool_, len(asked)),
            gram_offsets=_offsets(grams),
            grams=np.fromiter((g for gs in grams for g in gs), np.int32),
        )


class _Builder:
    """Numbers terms as they come and collects them Pin by Pin."""

    def __init__(self) -> None:
        self.number: dict[str, int] = {}
        self.frequency: list[int] = []
        self._tokens: list[np.ndarray] = []
        self._offsets: list[list[int]] = []
        self._end = 0

    def add(self, fields: Sequence[str]) -> None:
        """One Pin, its fields' texts in the order of FIELDS."""
        offsets, present = [self._end], set()
        for text in fields:
            found = [self._number_of(t) for t in terms(text)] if text else []
            self._tokens.append(np.asarray(found, dtype=np.int32))
            present.update(found)
            self._end += len(found)
            offsets.append(self._end)
        for number in present:
            self.frequency[number] += 1
        self._offsets.append(offsets)

    def terms(self) -> Terms:
        """All that was added."""
        grams = [trigrams(t) for t in self.number]
        return Terms(
            tokens=np.concatenate([np.zeros(0, np.int32), *self._tokens]),
            offsets=np.asarray(self._offsets, dtype=np.int64).reshape(-1, len(FIELDS) + 1),
            gram_offsets=_offsets(grams),
            grams=np.fromiter((g for gs in grams for g in gs), np.int32),
        )

    def _number_of(self, term: str) -> int:
        number = self.number.setdefault(term, len(self.number))
        if number == len(self.frequency):
            self.frequency.append(0)
        return number


def build(pin_texts: Iterable[pa.Table], out: Path) -> None:
    """Write the index of Pins (batches of the pin_texts table) into the folder `out`."""
    builder, pins = _Builder(), []
    for batch in pin_texts:
        pins += batch.column("pin_id").to_pylist()
        for row in batch.select(list(FIELDS)).to_pylist():
            builder.add([_said(row[f]) for f in FIELDS])
    found = builder.terms()
    for name in ("tokens", "offsets", "gram_offsets", "grams"):
        np.save(out / f"{name}.npy", getattr(found, name), allow_pickle=False)
    counts = pa.table({"term": pa.array(builder.number, pa.string()), "pins": pa.array(builder.frequency, pa.int64())})
    feather.write_feather(counts, out / "terms.arrow", compression="uncompressed")
    feather.write_feather(pa.table({"pin_id": pa.array(pins, pa.string())}), out / "pins.arrow")
    (out / "statistics.json").write_text(json.dumps({"mean_lengths": _mean_lengths(found)}), encoding="utf-8")


def open(folder: Path) -> MatchIndex:
    """The index in `folder`; its large arrays are memory-mapped."""
    return MatchIndex(folder)


def _mean_lengths(found: Terms) -> list[float]:
    """Mean length of each field over the Pins that have it, and of all fields together; at least one term."""
    lengths = np.diff(found.offsets, axis=1)
    columns = [*lengths.T, lengths.sum(axis=1)]
    return [max(1.0, float(c[c > 0].mean()) if (c > 0).any() else 1.0) for c in columns]


def _said(value: Any) -> str:
    """A field as one text; the entries of a list are set apart so that no phrase spans two."""
    if value is None:
        return ""
    return value if isinstance(value, str) else " , ".join(map(str, value))


def _offsets(parts: Sequence[Sequence[int]]) -> np.ndarray:
    return np.cumsum([0, *map(len, parts)], dtype=np.int64)
