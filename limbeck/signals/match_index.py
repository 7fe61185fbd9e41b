"""The Pins' terms and how rare each is, built once, memory-mapped: what match features are computed from.

A folder of `.npy` arrays (never pickled), and the columns of terms and of pin_ids with their tables (`lookup.py`).
"""

import copy
import functools
import json
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from limbeck import compiled, lookup
from limbeck.signals import grams
from limbeck.signals.match import APART, FIELDS, NAMES, features
from limbeck.signals.terms import Queries, Terms
from limbeck.signals.tokens import MOST_CHARACTERS, surfaces, terms_of
from limbeck.signals.vocabulary import Numbers, Vocabulary

VERSION = 3  # raise it when the same texts are to give another index: workspaces then rebuild theirs
SAID = "said.npy"  # the digests of what the Pins say, as numbers: of those that have one
SAMPLED = 100_000  # Pins whose number of terms is counted
REMEMBERED = 4_096  # queries whose terms are kept
OVER = 128  # the same, of each of the small indexes that are made over this one


class MatchIndex:
    """Match features of (query, Pin) pairs, for known Pins and for documents given as text. Threads may share it."""

    names = NAMES
    groups = ()  # a match feature is never missing

    def __init__(self, folder: Path) -> None:
        self.pins = lookup.open(folder, "pins")
        counts = np.asarray(np.load(folder / "frequency.npy", mmap_mode="r"))
        self._vocabulary = Vocabulary(lookup.open(folder, "terms"), counts, len(self.pins))
        self._number: Numbers | None = None  # of the Pins' terms, where that is not the vocabulary's
        self._pins = _terms(folder)
        statistics = json.loads((folder / "statistics.json").read_text(encoding="utf-8"))
        self._mean_lengths = np.asarray(statistics["mean_lengths"], dtype=np.float32)
        self._asked = _remembering(self._vocabulary, self._number, REMEMBERED)

    @property
    def pin_ids(self) -> list[str]:
        """The Pins, row by row; a list as long as the catalogue."""
        return list(self.pins.texts.to_pylist())

    def rows(self, pin_ids: Sequence[str]) -> np.ndarray:
        """Row numbers of Pins, int64 (n,); −1 for unknown ones."""
        return self.pins.rows(pin_ids)

    def features(self, query: str, rows: np.ndarray, more: int = 0) -> np.ndarray:
        """Features of one query and many Pins, named by `names`, and zeros behind them: float32 (n, f + more)."""
        return features(self._asked(query), self._pins, self._mean_lengths, rows, np.array([0, len(rows)]), more)

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
        other.pins = lookup.of(pin_texts.column("pin_id").combine_chunks())
        other._pins, other._number = builder.terms(), builder.number
        other._asked = _remembering(other._vocabulary, other._number, OVER)
        return other

    @functools.cached_property
    def mean_terms(self) -> np.ndarray:
        """How many terms the Pins have on average in each field, (fields,); of many Pins, evenly spaced ones tell."""
        counts = np.diff(self._pins.offsets[:: max(1, len(self.pins) // SAMPLED)], axis=1)
        return np.maximum(counts.mean(axis=0), 1.0)

    def ideal(self, query: str) -> float:
        """The BM25 that a query reaches where every term is found once in a text of mean length."""
        return float(self._vocabulary.ask([query]).words["rarity"].sum())


def _remembering(vocabulary: Vocabulary, number: Numbers | None, size: int) -> Callable[[str], Queries]:
    """What a query asks for. Of its parts, not of the index: in a circle with itself, that would stay mapped."""
    return functools.lru_cache(size)(functools.partial(_ask, vocabulary, number))


def _ask(vocabulary: Vocabulary, number: Numbers | None, query: str) -> Queries:
    return vocabulary.ask([query], number)


class _Builder:
    """Numbers terms as they come and collects them Pin by Pin."""

    def __init__(self, known: Iterable[str] = ()) -> None:
        """Terms that are `known` have the first numbers, in their order."""
        self.number: dict[str, int] = {term: number for number, term in enumerate(known)}
        self.frequency = [0] * len(self.number)
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
            *grams.spellings(grams.of(list(self.number))),
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


def build(pin_texts: Iterable[pa.Table], out: Path, before: Path | None = None) -> None:
    """Write the index of Pins (batches of the pin_texts table) into the folder `out`.

    Of Pins that say what they said in an index `before`, the terms are taken from there: the bytes are the same.
    """
    old = _Old.open(before) if before is not None and (before / SAID).exists() else None
    builder, pins, said = _Builder(old.terms if old else ()), list[str](), [np.zeros(0, np.uint64)]
    same = [np.zeros(0, np.int64)]  # the row of each Pin in the old index; −1 where it is read anew
    for batch in pin_texts:
        ids = batch.column("pin_id").to_pylist()
        pins += ids
        said.append(np.asarray([int(digest or "0", 16) for digest in batch.column("digest").to_pylist()], np.uint64))
        same.append(old.rows(ids, said[-1]) if old else np.full(len(ids), -1))
        for row in batch.select(list(FIELDS)).filter(pa.array(same[-1] < 0)).to_pylist():
            builder.add(row)
    found, frequency, terms = builder.terms(), np.asarray(builder.frequency, dtype=np.int64), list(builder.number)
    if old:
        found, frequency, terms = _laid(old, found, terms, np.concatenate(same))
    for name, values in found._asdict().items():
        np.save(out / f"{name}.npy", values, allow_pickle=False)
    np.save(out / "frequency.npy", frequency, allow_pickle=False)
    np.save(out / SAID, np.concatenate(said), allow_pickle=False)
    lookup.save(terms, out, "terms")
    lookup.save(pins, out, "pins")
    (out / "statistics.json").write_text(json.dumps({"mean_lengths": _mean_lengths(found)}), encoding="utf-8")


class _Old(NamedTuple):
    """An index that is to be made anew: its Pins, the digests of what they said, their terms."""

    pins: lookup.Lookup
    said: np.ndarray
    terms: list[str]
    tokens: np.ndarray
    offsets: np.ndarray

    @classmethod
    def open(cls, folder: Path) -> "_Old":
        said, tokens, offsets = (
            np.asarray(np.load(folder / file, mmap_mode="r")) for file in (SAID, "tokens.npy", "offsets.npy")
        )
        terms = lookup.open(folder, "terms").texts.to_pylist()
        return cls(lookup.open(folder, "pins"), said, terms, tokens, offsets)

    def rows(self, pin_ids: Sequence[str], said: np.ndarray) -> np.ndarray:
        """The rows of Pins that say the same, int64 (n,); −1 for others, and where no digest says what they say."""
        rows = self.pins.rows(pin_ids)
        known = np.append(self.said, np.uint64(0))[rows]
        return np.where((rows >= 0) & (known == said) & (said > 0), rows, -1)


def _laid(old: _Old, new: Terms, terms: list[str], same: np.ndarray) -> tuple[Terms, np.ndarray, list[str]]:
    """Terms of Pins, of old ones by their row in `same` and of new ones in their order, as if all had been read now.

    Old and new tokens number the `terms` alike; they are numbered anew, in the order in which Pins say them.
    """
    kept = old.offsets[same[same >= 0]]
    tokens = np.empty(int((kept[:, -1] - kept[:, 0]).sum()) + len(new.tokens), np.int32)
    offsets = np.empty((len(same), old.offsets.shape[1]), np.int64)
    first, frequency = np.empty(len(terms), np.int64), np.zeros(len(terms), np.int64)
    sides = (old.tokens, old.offsets, np.asarray(new.tokens), np.asarray(new.offsets))
    number, last = np.full((2, len(terms)), -1, np.int64)
    count = _lay(same, *sides, number, last, (tokens, offsets, first, frequency))
    said = [terms[number] for number in first[:count].tolist()]
    return Terms(tokens, offsets, *grams.spellings(grams.of(said))), frequency[:count], said


@compiled.kernel
def _lay(same, old_tokens, old_offsets, new_tokens, new_offsets, number, last, out):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Fill `out`: tokens, offsets, of each term's new number the old one, in how many Pins it is. Returns the terms.

    `number` and `last`, of each old number the new one and the Pin that had it last, are −1.
    """
    tokens, offsets, first, frequency = out
    count, end, fresh = 0, 0, 0
    for pin in range(len(same)):
        old = same[pin] >= 0
        row = same[pin] if old else fresh
        bounds = old_offsets[row] if old else new_offsets[row]
        fresh += 0 if old else 1
        for field in range(len(bounds)):
            offsets[pin, field] = end + bounds[field] - bounds[0]
        for place in range(bounds[0], bounds[-1]):
            token = old_tokens[place] if old else new_tokens[place]
            term = token & ~APART
            if number[term] < 0:
                number[term] = count
                first[count] = term
                count += 1
            if last[number[term]] != pin:
                last[number[term]] = pin
                frequency[number[term]] += 1
            tokens[end] = np.int32(number[term]) | (token & APART)
            end += 1
    return count


def open(folder: Path) -> MatchIndex:
    """The index in `folder`; its large arrays are memory-mapped."""
    return MatchIndex(folder)


def _terms(folder: Path) -> Terms:
    # As plain arrays: the kernel takes ten times as long to look at a `memmap` of the same memory.
    mapped = lambda name: np.asarray(np.load(folder / f"{name}.npy", mmap_mode="r"))  # noqa: E731
    if (folder / "gram_terms.npy").exists():
        return Terms(*map(mapped, Terms._fields))
    # An index that has trigrams by term: it gives the same features, for a moment's work and some memory.
    found = grams.spellings(grams.Grams(mapped("gram_offsets"), mapped("grams")))
    for each in found:
        each.setflags(write=False)
    return Terms(mapped("tokens"), mapped("offsets"), *found)


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
