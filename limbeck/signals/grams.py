"""Character trigrams of terms, in bulk, and which terms have one: how alike two spellings are."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from limbeck import compiled


class Grams(NamedTuple):
    """Distinct trigrams of term t, its ends marked: `hashes[offsets[t]:offsets[t + 1]]`, ascending."""

    offsets: np.ndarray  # int64 (terms + 1,)
    hashes: np.ndarray  # uint32


class Spellings(NamedTuple):
    """Which terms have a trigram: those of `hashes[i]` are `terms[begins[i]:begins[i + 1]]`, both ascending."""

    hashes: np.ndarray  # uint32 (trigrams,)
    begins: np.ndarray  # int64 (trigrams + 1,)
    terms: np.ndarray  # int32
    sizes: np.ndarray  # uint8 (terms,): how many each term has


def of(terms: Sequence[str]) -> Grams:
    """The trigrams of terms; the same on every machine."""
    marked = "".join(f"<{term}>" for term in terms)
    ends = np.cumsum([0, *(len(term) + 2 for term in terms)], dtype=np.int64)
    return Grams(*_grams(np.frombuffer(marked.encode("utf-32-le"), dtype=np.uint32), ends))


def spellings(grams: Grams) -> Spellings:
    """The terms by their trigrams."""
    sizes, order = np.diff(grams.offsets), np.argsort(grams.hashes, kind="stable")
    hashes, begins = np.unique(grams.hashes[order], return_index=True)
    terms = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)[order]
    return Spellings(hashes, np.append(begins, len(order)).astype(np.int64), terms, sizes.astype(np.uint8))


@compiled.making
def _grams(characters, ends):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    count = len(ends) - 1
    offsets = np.zeros(count + 1, np.int64)
    hashes = np.empty(len(characters), np.uint32)
    for term in range(count):
        size = max(1, ends[term + 1] - ends[term] - 2)
        found = np.empty(size, np.uint32)
        for i in range(size):
            found[i] = _hash(characters, ends[term] + i, min(ends[term] + i + 3, ends[term + 1]))
        end = offsets[term]
        for value in np.sort(found):
            if end == offsets[term] or hashes[end - 1] != value:
                hashes[end] = value
                end += 1
        offsets[term + 1] = end
    return offsets, hashes[: offsets[count]].copy()


@compiled.within
def _hash(characters, begin, end):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """FNV-1a over code points, its bits mixed once more."""
    value = np.uint32(2166136261)
    for i in range(begin, end):
        value = np.uint32((value ^ characters[i]) * np.uint32(16777619))
    return np.uint32((value ^ (value >> np.uint32(15))) * np.uint32(2246822519))
