"""The terms of an index, how rare each is, and queries in terms of them."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

import numpy as np

from limbeck.lookup import Lookup
from limbeck.signals import grams
from limbeck.signals.match import MOST_TERMS
from limbeck.signals.terms import WORD, Queries
from limbeck.signals.tokens import MOST_CHARACTERS, is_number, is_word, stem, surfaces, terms_of

LEAST_HALF = 3  # characters of a word that another may be made of
COMMON = 1_000  # a word that one in so many Pins has is taken as it stands: "carpet" is no "car pet"


class Numbers(Protocol):
    """Terms by number: a dict, or a `Lookup`."""

    def get(self, term: str, default: int, /) -> int:
        """The number of a term."""
        ...

    def __contains__(self, term: object, /) -> bool: ...


class Vocabulary:
    """Terms by number, in how many Pins each is, and how many Pins there are."""

    def __init__(self, terms: Lookup, frequency: np.ndarray, pins: int) -> None:
        self.number: Numbers = terms
        self._frequency, self._pins = frequency, pins

    def rarity(self, terms: Sequence[str]) -> np.ndarray:
        """How rare terms are, float32 (n,): BM25's inverse document frequency over all fields together, never negative.

        Of unknown terms it is that of terms which no Pin has.
        """
        found = np.fromiter(map(self._pins_with, terms), np.int64, len(terms))
        return np.log1p((self._pins - found + 0.5) / (found + 0.5)).astype(np.float32)

    def ask(self, queries: Sequence[str], number: Numbers | None = None) -> Queries:
        """Queries for the kernel. `number` numbers the terms of Pins from outside; rarity is this vocabulary's."""
        number = self.number if number is None else number
        asked = [_read(q) for q in queries]
        terms = [t for some in asked for t, _ in some]
        place: dict[str, int] = {}
        spelled = np.fromiter((place.setdefault(t, len(place)) for t in terms), np.int64, len(terms))
        distinct = grams.of(list(place))
        words = np.zeros(len(terms), dtype=WORD)
        numbers = [number.get(s, -1) for some in asked for read in self._spellings(some) for s in read]
        for column, name in enumerate(("term", "glued", "first", "second")):
            words[name] = numbers[column::4]
        words["rarity"] = self.rarity(terms)
        words["known"] = [t in self.number for t in terms]
        words["number"] = [is_number(t) for t in terms]
        words["grams"], words["grams_end"] = distinct.offsets[spelled], distinct.offsets[spelled + 1]
        return Queries(np.cumsum([0, *map(len, asked)], dtype=np.int64), words, distinct.hashes)

    def _spellings(self, read: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str, str, str]]:
        """Each term, it and the next one written as one, and the two that it is made of; "" where there is none."""
        words = [word for _, word in read]
        for (term, word), following in zip(read, [*words[1:], ""]):
            glued = stem((word + following)[:MOST_CHARACTERS]) if word and following else ""
            yield term, glued, *self._halves(term, word)

    def _halves(self, term: str, word: str) -> tuple[str, str]:
        """The two known words that a rare or unknown one is made of, those that more Pins have; else two empty ones."""
        if not 2 * LEAST_HALF <= len(word) <= MOST_CHARACTERS or self._pins_with(term) * COMMON > self._pins:
            return "", ""
        splits = ((stem(word[:i]), stem(word[i:])) for i in range(LEAST_HALF, len(word) - LEAST_HALF + 1))
        best = max(splits, key=self._least_pins_with)
        return best if self._least_pins_with(best) else ("", "")

    def _least_pins_with(self, terms: Iterable[str]) -> int:
        return min(map(self._pins_with, terms))

    def _pins_with(self, term: str) -> int:
        known = self.number.get(term, -1)
        return 0 if known < 0 else int(self._frequency[known])


def _read(query: str) -> list[tuple[str, str]]:
    """The terms of a query, each with the word that it stands for; numbers and unspaced scripts have none."""
    read = [(t, s if is_word(s) else "") for s in surfaces(query) for t in terms_of(s)]
    return read[:MOST_TERMS]
