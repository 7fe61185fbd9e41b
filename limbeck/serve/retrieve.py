"""Candidates for a query: the words that match and the vectors that are near, fused by their ranks."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from limbeck.index.sides import Hits, Near, Words
from limbeck.serve.cache import Embedder

# The constant of reciprocal rank fusion (Cormack, Clarke and Büttcher, SIGIR 2009): how slowly a rank loses weight.
RANK_CONSTANT = 60


class Retriever(Protocol):
    """Whatever finds candidates for a query."""

    def retrieve(self, query: str, k: int) -> np.ndarray:
        """Rows of up to `k` Pins of the store, int64 (n,), the most promising first."""
        ...


class FusedRetriever:
    """BM25 and nearest neighbours, in the workspace or in an engine outside."""

    def __init__(self, lexical: Words, nearest: Near, queries: Embedder) -> None:
        self._lexical, self._nearest, self._queries = lexical, nearest, queries

    def retrieve(self, query: str, k: int) -> np.ndarray:
        """Rows of up to `k` Pins: the first `k` of each side, fused."""
        words = self._lexical.search(query, k)
        near = self._nearest.search(self._queries.vectors([query])[0], k)
        return fuse([words.rows, near.rows])[:k]


def fuse(rankings: Sequence[np.ndarray]) -> np.ndarray:
    """One ranking of several, of rows: a Pin's score is the sum of 1 / (60 + its rank) over those that have it.

    Equal scores are in the order of rows.
    """
    weights = [1 / (RANK_CONSTANT + np.arange(1, len(ranking) + 1)) for ranking in rankings]
    rows, place = np.unique(np.concatenate(rankings), return_inverse=True)
    return Hits(rows, np.bincount(place, np.concatenate(weights), len(rows))).best(len(rows)).rows
