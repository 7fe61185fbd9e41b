"""The workspace's own indexes as the sides of retrieval: what they find, by the rows of the catalogue."""

import numpy as np

from limbeck.index.lexical import Lexical
from limbeck.index.nearest import Nearest
from limbeck.index.sides import Hits


class OwnWords:
    """The lexical index. Pins that are neither graded nor shown are left out."""

    def __init__(self, index: Lexical, rows: np.ndarray) -> None:
        """`rows` lead to the catalogue; −1 for what is to be left out."""
        self._index, self._rows = index, rows

    def search(self, query: str, k: int) -> Hits:
        """As `Words.search`."""
        found, scores = self._index.rows(query, k)
        return _known(Hits(self._rows[found], scores), self._rows[found] >= 0).best(k)


class OwnNear:
    """The index of vectors, whose rows are those of the catalogue."""

    def __init__(self, index: Nearest, match_rows: np.ndarray) -> None:
        """Pins without a row in the match index are left out."""
        self._index, self._match_rows = index, match_rows

    def search(self, vector: np.ndarray, k: int) -> Hits:
        """As `Near.search`."""
        found = self._index.search(vector, k)
        return _known(found, self._match_rows[found.rows] >= 0)


def _known(hits: Hits, known: np.ndarray) -> Hits:
    return hits if known.all() else hits.those(known)
