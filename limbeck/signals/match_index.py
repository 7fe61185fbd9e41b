"""The Pins' terms and how rare each is, built once, memory-mapped: what match features are computed from.

A folder of `.npy` arrays (never pickled), `terms.arrow` (term, Pins that have it) and `pins.arrow` (pin_id).
"""

import copy
import json
from array import array
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather

from limbeck.signals import grams
from limbeck.signals.match import APART, FIELDS, NAMES, Terms, features
from limbeck.signals.tokens import MOST_CHARACTERS, surfaces, terms_of
from limbeck.signals.vocabulary import Vocabulary

VERSION = 2  # raise it when the same texts are to give another index: workspaces then rebuild theirs


class MatchIndex:
    """Match features of (query, Pin) pairs, for known Pins and for documents given as text. Threads may share it."""

    names = NAMES
    groups = ()  # a match feature is never missing

    def __init__(self, folder: Path) -> None:
        found = feather.read_table(folder / "terms.arrow")
        self.pin_ids: list[str] = feather.read_table(folder / "pins.arrow").column("pin_id").to_pylist()
        self._row = {p: i for i, p in enumerate(self.pin_ids)}
        counts = found.column("pins").to_numpy()
        self._vocabulary = Vocabulary(found.column("term").to_pylist(), counts, len(self.pin_ids))
        self._number: Mapping[str, int] | None = None  # of the Pins' terms, where that is not the vocabulary's
        # As plain arrays: the kernel takes ten times as long to look at a `memmap` of the same memory.
        self._pins = Terms(*(np.asarray(np.load(folder / f"{a}.npy", mmap_mode="r")) for a in Terms._fields))
        statistics = json.loads((folder / "statistics.json").read_text(encoding="utf-8"))
        self._mean_lengths = np.asarray(statistics["mean_lengths"], dtype=np.float32)

    def rows(self, pin_ids: Sequence[str]) -> np.ndarray:
        """Row numbers of Pins, int64 (n,); −1 for unknown ones."""
        return np.fromiter((self._row.get(p, -1) for p in pin_ids), np.int64, len(pin_ids))

    def features(self, query: str, rows: np.ndarray) -> np.ndarray:
        """Features of one query and many Pins, float32 (n, f), named by `names`."""
        return features(
            self._vocabulary.ask([query], self._number), self._pins, self._mean_lengths, rows, np.array([0, len(rows)])
        )

    def pairs(self, queries: Sequence[str], rows: np.ndarray) -> np.ndarray:
        """Features of row-aligned queries and Pins, float32 (n, f)."""
        place: dict[str, int] = {}
        asked = np.fromiter((place.setdefault(q, len(place)) for q in queries), np.int64, len(queries))
        order = np.argsort(asked, kind="stable")
        begins = np.searchsorted(asked[order], np.arange(len(place) + 1))
        out = np.empty((len(queries), len(NAMES)), dtype=np.float32)
        out[order] = features(
            self._vocabulary.ask(list(place), self._number), self._pins, self._mean_lengths, rows[order], begins
        )
        return out

    def features_of(self, query: str, documents: Sequence[Mapping[str, object]]) -> np.ndarray:
        """Features of a query and documents with any of the fields of a Pin's texts, by the same kernel."""
        builder = _Builder()
        for document in documents:
            builder.add(document)
        asked = self._vocabulary.ask([query], builder.number)
        rows = np.arange(len(documents))
        return features(asked, builder.terms(), self._mean_lengths, rows, np.array([0, len(rows)]))

    def over(self, pin_texts: pa.Table) -> "MatchIndex":
        """The features of other Pins (pin_texts), measured by the words of this catalogue as its own Pins are."""
        builder, other = _Builder(), copy.copy(self)
        for row in pin_texts.select(list(FIELDS)).to_pylist():
            builder.add(row)
        other.pin_ids = pin_texts.column("pin_id").to_pylist()
        other._row = {p: i for i, p in enumerate(other.pin_ids)}
        other._pins, other._number = builder.terms(), builder.number
        return other

    @property
    def mean_lengths(self) -> np.ndarray:
        """Mean length of each field over the Pins that have it, and of all fields together, float32 (fields + 1,)."""
        return self._mean_lengths

    def ideal(self, query: str) -> float:
        """The BM25 that a query reaches where every term is found once in a text of mean length."""
        return float(self._vocabulary.ask([query]).words["rarity"].sum())


class _Builder:
    """Numbers terms as they come and collects them Pin by Pin."""

    def __init__(self) -> None:
        self.number: dict[str, int] = {}
        self.frequency: list[int] = []
        self._known: dict[str, list[int]] = {}  # of surfaces that are one term: nearly all, often met again
        self._tokens, self._offsets = array("i"), array("q")

    def add(self, texts: Mapping[str, object]) -> None:
        """One Pin, by field."""
        begin = len(self._tokens)
        for parts in (_parts(texts.get(field)) for field in FIELDS):
            self._offsets.append(len(self._tokens))
            for part in parts:
                self._add(part)
        self._offsets.append(len(self._tokens))
        for number in {t & ~APART for t in self._tokens[begin:]}:
            self.frequency[number] += 1

    def terms(self) -> Terms:
        """All that was added; read-only, as a memory-mapped index is, so that the kernel is compiled once for both."""
        found = Terms(
            np.frombuffer(self._tokens, dtype=np.int32),
            np.frombuffer(self._offsets, dtype=np.int64).reshape(-1, len(FIELDS) + 1),
            *grams.of(list(self.number)),
        )
        for each in found:
            each.setflags(write=False)
        return found

    def _add(self, part: str) -> None:
        begin = len(self._tokens)
        for surface in surfaces(part):
            found = self._known.get(surface)
            self._tokens.extend(self._numbered(surface) if found is None else found)
        if len(self._tokens) > begin:
            self._tokens[begin] |= APART

    def _numbered(self, surface: str) -> list[int]:
        numbers = [self.number.setdefault(term, len(self.number)) for term in terms_of(surface)]
        self.frequency += [0] * (len(self.number) - len(self.frequency))
        if len(numbers) == 1 and len(surface) <= MOST_CHARACTERS:
            self._known[surface] = numbers
        return numbers


def build(pin_texts: Iterable[pa.Table], out: Path) -> None:
    """Write the index of Pins (batches of the pin_texts table) into the folder `out`."""
    builder, pins = _Builder(), []
    for batch in pin_texts:
        pins += batch.column("pin_id").to_pylist()
        for row in batch.select(list(FIELDS)).to_pylist():
            builder.add(row)
    found = builder.terms()
    for name, values in found._asdict().items():
        np.save(out / f"{name}.npy", values, allow_pickle=False)
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


def _parts(value: Any) -> Iterable[str]:
    """The texts of a field: none, one, or the entries of a list."""
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else map(str, value)
