"""Vectors of Pins, held in memory."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import pyarrow as pa


class Encoder(Protocol):
    """Whatever turns texts into vectors in bulk."""

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors of the texts, float32 (n, d), in their order."""
        ...


class Vectors:
    """Vectors of Pins in memory, found by pin_id: `matrix` is float32 (n, d), in the order of `pin_ids`."""

    def __init__(self, table: pa.Table) -> None:
        self.pin_ids = table.column("pin_id").to_pylist()
        vectors = table.column("vector").combine_chunks()
        flat = vectors.flatten().to_numpy(zero_copy_only=False)
        self.matrix = flat.reshape(len(self.pin_ids), -1) if self.pin_ids else np.zeros((0, 0), np.float32)
        self._row = {pin: i for i, pin in enumerate(self.pin_ids)}

    @classmethod
    def of_texts(cls, texts: pa.Table, encoder: Encoder) -> "Vectors":
        """What an encoder makes of `texts` (pin_id, text)."""
        vectors = encoder.encode(texts.column("text").to_pylist())
        return cls(pa.table({"pin_id": texts.column("pin_id"), "vector": lists(vectors)}))

    def replaced(self, matrix: np.ndarray) -> "Vectors":
        """The same Pins with other vectors (n, d)."""
        return Vectors(pa.table({"pin_id": self.pin_ids, "vector": lists(matrix)}))

    def rows(self, pins: Sequence[str]) -> np.ndarray:
        """Row numbers of Pins, int64 (n,); −1 where a Pin has no vector."""
        return np.fromiter((self._row.get(p, -1) for p in pins), np.int64, len(pins))

    def of(self, pins: Sequence[str]) -> np.ndarray:
        """Vectors of Pins, float32 (n, d); zeros where a Pin has none."""
        rows = self.rows(pins)
        return np.where((rows >= 0)[:, None], self.matrix[rows], np.float32(0))


def lists(matrix: np.ndarray) -> pa.Array:
    """Rows of (n, d) as an Arrow list column."""
    offsets = np.arange(len(matrix) + 1, dtype=np.int32) * matrix.shape[1]
    return pa.ListArray.from_arrays(offsets, np.ascontiguousarray(matrix, dtype=np.float32).reshape(-1))
