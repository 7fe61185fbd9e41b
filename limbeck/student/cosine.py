"""Baselines: the cosine of a query's and a Pin's vector, untuned or learnt from the log, calibrated to five levels."""

import copy

import numpy as np
import pyarrow as pa

from limbeck import calibration
from limbeck.relevance import from_columns
from limbeck.signals.signal import Read
from limbeck.student.vectors import Vectors


class CosineGrader:
    """Cosine of query and Pin vectors, as a Grader. A Pin without a vector has cosine zero."""

    def __init__(self, encode: Read, vectors: Vectors, judged: pa.Table, name: str = "cosine") -> None:
        """`judged` (query, pin_id, p1…p5): the training judgments that the calibration is fitted on.

        `encode` gives vectors of queries; untuned ones are compared with untuned `vectors`, learnt ones with learnt.
        """
        self._encode, self._vectors, self.name = encode, vectors, name
        self._calibration = calibration.fit(self._cosines(judged), from_columns(judged))

    def grade(self, pairs: pa.Table) -> np.ndarray:
        """Five probabilities per pair, float32 (n, 5)."""
        return self._calibration(self._cosines(pairs))

    def over(self, vectors: Vectors) -> "CosineGrader":
        """The same calibration for other Pins."""
        other = copy.copy(self)
        other._vectors = vectors
        return other

    def _cosines(self, pairs: pa.Table) -> np.ndarray:
        queries = pairs.column("query").to_pylist()
        if not queries:
            return np.zeros(0, np.float32)
        distinct = sorted(set(queries))
        number = {q: i for i, q in enumerate(distinct)}
        query = _unit(self._encode(distinct))[[number[q] for q in queries]]
        return np.einsum("nd,nd->n", query, _unit(self._vectors.of(pairs.column("pin_id").to_pylist())))


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
