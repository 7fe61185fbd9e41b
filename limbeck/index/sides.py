"""What retrieval stands on, wherever it is kept: words that match, and vectors that are near."""

from typing import Protocol

import numpy as np

Hits = list[tuple[str, float]]  # pin_id and score, best first


class Words(Protocol):
    """Whatever finds Pins by the words of a query."""

    def search(self, query: str, k: int) -> Hits:
        """The `k` Pins that match best."""
        ...


class Near(Protocol):
    """Whatever finds Pins by vectors."""

    def search(self, vector: np.ndarray, k: int) -> Hits:
        """The `k` Pins of the highest inner product with a vector (d,)."""
        ...
