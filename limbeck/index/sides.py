"""What retrieval stands on, wherever it is kept: words that match, and vectors that are near."""

from typing import NamedTuple, Protocol

import numpy as np


class Hits(NamedTuple):
    """Pins that were found, by their rows in the store: int64 (n,), and their scores, float64 (n,)."""

    rows: np.ndarray
    scores: np.ndarray

    def best(self, k: int) -> "Hits":
        """The `k` best, highest score first, equal ones in the order of their rows."""
        order = np.lexsort((self.rows, -self.scores))[: max(k, 0)]
        return Hits(self.rows[order], self.scores[order])

    def those(self, which: np.ndarray) -> "Hits":
        """Some of them, by a mask (n,)."""
        return Hits(self.rows[which], self.scores[which])

    def beside(self, others: "Hits") -> "Hits":
        """Both together, in no order."""
        return Hits(np.concatenate([self.rows, others.rows]), np.concatenate([self.scores, others.scores]))


NONE = Hits(np.zeros(0, np.int64), np.zeros(0))


class Words(Protocol):
    """Whatever finds Pins by the words of a query."""

    def search(self, query: str, k: int) -> Hits:
        """Up to `k` Pins, those that match best, best first."""
        ...


class Near(Protocol):
    """Whatever finds Pins by vectors."""

    def search(self, vector: np.ndarray, k: int) -> Hits:
        """Up to `k` Pins, those of the highest inner product with a vector (d,), best first."""
        ...
