"""Grading with the student: the one path from a query and Pins to five probabilities, offline and online."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
import torch

from limbeck.relevance import softmax
from limbeck.remembered import Remembered
from limbeck.signals.signal import Group
from limbeck.student.encode import Encoder, Vectors
from limbeck.student.model import Head

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


class Student:
    """A trained student, loaded: vectors of texts, and probabilities from vectors and features."""

    def __init__(self, folder: Path) -> None:
        self._encoder = Encoder.of_student(folder)
        self.read = Remembered(self._encoder.read, READINGS)
        self.tokens = self._encoder.tokens
        self._head = Head.load(folder)
        self.features = self._head.features
        self.vector_size = self._head.vector_size

    def vectors(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors of queries or composed Pin texts, float32 (n, d)."""
        return self._encoder.project(self.read(texts)).reshape(len(texts), self.vector_size)

    @torch.inference_mode()
    def probabilities(self, query: np.ndarray, pins: np.ndarray, features: np.ndarray) -> np.ndarray:
        """Five probabilities per row, float32 (n, 5). `query` is (n, d), or (1, d) for one query and many Pins."""
        queries = torch.from_numpy(np.ascontiguousarray(query)).expand(len(pins), -1)
        logits = self._head(queries, torch.from_numpy(np.ascontiguousarray(pins)), torch.from_numpy(features))
        return softmax(logits.numpy())


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
