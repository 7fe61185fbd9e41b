"""Candidates for a query: the words that match and the vectors that are near, fused by their ranks."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from limbeck.index.sides import Near, Words
from limbeck.serve.cache import Embedder

# The constant of reciprocal rank fusion (Cormack, Clarke and Büttcher, SIGIR 2009): how slowly a rank loses weight.
RANK_CONSTANT = 60


class Retriever(Protocol):
    """Whatever finds candidates for a query."""

    def retrieve(self, query: str, k: int) -> list[str]:
        """Ids of up to `k` Pins, the most promising first."""
        ...


class FusedRetriever:
    """BM25 and nearest neighbours, in the workspace or in an engine outside."""

    def __init__(self, lexical: Words, nearest: Near, queries: Embedder) -> None:
        self._lexical, self._nearest, self._queries = lexical, nearest, queries

    def retrieve(self, query: str, k: int) -> list[str]:
        """Ids of up to `k` Pins: the first `k` of each side, fused; equal scores by pin_id."""
        words = [pin for pin, _ in self._lexical.search(query, k)]
        near = [pin for pin, _ in self._nearest.search(self._queries.vectors([query])[0], k)]
        return fuse([words, near])[:k]


def fuse(rankings: Iterable[Sequence[str]]) -> list[str]:
    """One ranking of several: a Pin's score is the sum of 1 / (60 + its rank) over those that have it."""
    scores: dict[str, float] = {}
    for ranking in rankings:
        for rank, pin in enumerate(ranking, 1):
            scores[pin] = scores.get(pin, 0.0) + 1 / (RANK_CONSTANT + rank)
    return sorted(scores, key=lambda pin: (-scores[pin], pin))
