"""The seam to an engine outside: what it keeps of a Pin, what it is asked, and how it fails."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from limbeck.errors import IncompleteError

Scored = tuple[str, float]  # a pin_id and its score


class EngineDown(IncompleteError):  # noqa: N818 -- a state rather than an error of ours
    """The engine outside did not answer, or not as it should; what it said."""


@dataclass(frozen=True)
class Entry:
    """A Pin as an engine keeps it: the terms of each field, and its vector."""

    pin_id: str
    terms: Mapping[str, Sequence[str]]
    vector: np.ndarray


class Engine(Protocol):
    """Collections of Pins that can be searched by terms and by vectors. Raises `EngineDown` alone."""

    def count(self, collection: str) -> int | None:
        """How many Pins it holds; None where there is no such collection."""
        ...

    def create(self, collection: str, size: int) -> None:
        """Make an empty one, for vectors of this size."""
        ...

    def add(self, collection: str, entries: Sequence[Entry]) -> None:
        """Put Pins into it; those that are there already are replaced."""
        ...

    def publish(self, collection: str) -> None:
        """What was added can be found from now on."""
        ...

    def words(self, collection: str, terms: Sequence[str], k: int) -> list[Scored]:
        """The `k` Pins that match best by BM25."""
        ...

    def near(self, collection: str, vector: np.ndarray, k: int) -> list[Scored]:
        """The `k` Pins of the highest inner product."""
        ...
