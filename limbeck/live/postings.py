"""The words of live Pins, scored as the lexical index scores its own, so that both can be put into one order.

BM25 field by field with Tantivy's constants and idf; how rare a word is, and how long fields are, is said by the
catalogue and not by the few live Pins.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from limbeck.index.lexical import BOOSTS, Lexical, field_terms
from limbeck.signals.match import FIELDS

K1, B = 1.2, 0.75
Texts = Mapping[str, object]


class Postings:
    """What each term adds to the score of each of some Pins that have it."""

    def __init__(self, documents: Sequence[Texts], lexical: Lexical, mean_terms: np.ndarray) -> None:
        """`mean_terms` of the fields, in the order of `FIELDS`."""
        self._count = len(documents)
        mean = dict(zip(FIELDS, mean_terms.tolist()))
        collected: dict[str, list[tuple[int, float]]] = defaultdict(list)
        for row, document in enumerate(documents):
            for term, score in _scores(document, lexical, mean).items():
                collected[term].append((row, score))
        self._postings = {term: _arrays(found) for term, found in collected.items()}

    def scores(self, terms: Sequence[str]) -> np.ndarray:
        """The score of each Pin, float64 (n,); zero where it has none of the terms."""
        scores = np.zeros(self._count)
        for term in terms:
            if term in self._postings:
                rows, added = self._postings[term]
                scores[rows] += added
        return scores


def _scores(document: Texts, lexical: Lexical, mean: Mapping[str, float]) -> dict[str, float]:
    """What each term of a document adds, over all fields."""
    found: dict[str, float] = defaultdict(float)
    for field, boost in BOOSTS.items():
        terms = field_terms(document.get(field))
        norm = K1 * (1 - B + B * len(terms) / mean[field])
        for term, count in Counter(terms).items():
            having = lexical.having(field, term)
            rarity = math.log1p((len(lexical) - having + 0.5) / (having + 0.5))
            found[term] += boost * rarity * count * (K1 + 1) / (count + norm)
    return found


def _arrays(found: Sequence[tuple[int, float]]) -> tuple[np.ndarray, np.ndarray]:
    rows, scores = zip(*found)
    return np.asarray(rows, dtype=np.int64), np.asarray(scores)
