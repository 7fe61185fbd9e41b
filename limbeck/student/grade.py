"""Grading with the student: the one path from a query and Pins to five probabilities, offline and online."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa

from limbeck.remembered import Remembered
from limbeck.signals.signal import Group
from limbeck.student.scoring import Scorer
from limbeck.student.vectors import Vectors

ROWS_PER_BATCH = 16_384
READINGS = 2_048  # texts whose untuned vectors are kept: a signal may ask for them after the tower


class Features(Protocol):
    """Where the features of (query, Pin) come from: `signals/joined.py`."""

    names: tuple[str, ...]
    groups: tuple[Group, ...]

    def rows(self, pin_ids: Sequence[str]) -> np.ndarray:
        """Row numbers of Pins; −1 for unknown ones."""
        ...

    def pairs(self, queries: Sequence[str], rows: np.ndarray) -> np.ndarray:
        """Features of row-aligned queries and Pins, float32 (n, f); the last are those of `groups`, NaN if missing."""
        ...


class Tower(Protocol):
    """What reads texts: in PyTorch (`encode.py`), or as the service has it (`served.py`)."""

    def tokens(self, texts: Sequence[str]) -> list[bytes]:
        """What is read of each text: the same tokens have the same vector."""
        ...

    def read(self, texts: Sequence[str]) -> np.ndarray:
        """What comes out of the pooling, before the modules after it: float32 (n, backbone size)."""
        ...

    def project(self, base: np.ndarray) -> np.ndarray:
        """Vectors of what was read, float32 (n, d)."""
        ...


class Student:
    """A trained student, loaded: vectors of texts, and probabilities from vectors and features."""

    def __init__(self, folder: Path, tower: Tower | None = None) -> None:
        """Without a `tower`, texts are read by the student's own in PyTorch, which only then is imported."""
        tower = tower or _in_pytorch(folder)
        self._tower, self.scorer = tower, Scorer(folder)
        self.read = Remembered(tower.read, READINGS)
        self.tokens = tower.tokens
        self.features = self.scorer.shape.features
        self.vector_size = self.scorer.shape.vector_size

    def vectors(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors of queries or composed Pin texts, float32 (n, d)."""
        return self._tower.project(self.read(texts)).reshape(len(texts), self.vector_size)

    def probabilities(self, query: np.ndarray, pins: np.ndarray, features: np.ndarray) -> np.ndarray:
        """Five probabilities per row, float32 (n, 5). `query` is (n, d), or (1, d) for one query and many Pins."""
        return self.scorer.probabilities(query, pins, features)


def _in_pytorch(folder: Path) -> Tower:
    from limbeck.student.encode import Encoder

    return Encoder.of_student(folder, exact=True)


class StudentGrader:
    """A student as a Grader of Pins whose vectors are known."""

    def __init__(self, folder: Path, match: Features, vectors: Vectors, name: str = "student") -> None:
        self.name = name
        self._student, self._match, self._vectors = Student(folder), match, vectors

    def grade(self, pairs: pa.Table) -> np.ndarray:
        """Five probabilities per pair, float32 (n, 5)."""
        queries, pins = pairs.column("query").to_pylist(), pairs.column("pin_id").to_pylist()
        distinct = sorted(set(queries))
        vectors = dict(zip(distinct, self._student.vectors(distinct)))
        parts = [np.zeros((0, 5), np.float32)]
        for begin in range(0, len(queries), ROWS_PER_BATCH):
            some_queries, some_pins = queries[begin : begin + ROWS_PER_BATCH], pins[begin : begin + ROWS_PER_BATCH]
            features = self._match.pairs(some_queries, self._match.rows(some_pins))
            asked = np.stack([vectors[q] for q in some_queries])
            parts.append(self._student.probabilities(asked, self._vectors.of(some_pins), features))
        return np.concatenate(parts)
