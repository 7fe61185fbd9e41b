"""Nearest Pins by inner product of vectors, in a faiss index that is memory-mapped when read.

Up to `EXACT` Pins every vector is compared; beyond that an inverted file with 8-bit codes looks through a sixteenth of
its cells. The same vectors give the same bytes.
"""

from pathlib import Path

import faiss
import numpy as np
import pyarrow as pa

from limbeck.errors import WorkspaceError
from limbeck.index import columns
from limbeck.student.vectors import Vectors

EXACT = 50_000
_CELLS_PER_PROBE = 16
_VECTORS, _PIN_IDS = "vectors.faiss", "pin_ids.arrow"


def build(vectors: pa.Table, out: Path) -> None:
    """Index the `pin_id` and `vector` columns of `vectors` into the empty folder `out`."""
    pins = Vectors(vectors)
    faiss.write_index(_index(np.ascontiguousarray(pins.matrix)), str(out / _VECTORS))
    columns.save(pa.table({"pin_id": pa.array(pins.pin_ids, pa.string())}), out / _PIN_IDS)


def _index(matrix: np.ndarray) -> faiss.Index:
    """Exact for few vectors, else an inverted file with about 4·√n cells, one byte per number."""
    count, size = matrix.shape
    if count <= EXACT:
        index: faiss.Index = faiss.IndexFlatIP(max(size, 1))
    else:
        cells = round(4 * count**0.5)
        index = faiss.index_factory(size, f"IVF{cells},SQ8", faiss.METRIC_INNER_PRODUCT)
        index.train(matrix)
        faiss.extract_index_ivf(index).nprobe = cells // _CELLS_PER_PROBE
    if count:
        index.add(matrix)
    return index


class Nearest:
    """An open index. Threads may share it."""

    def __init__(self, folder: Path) -> None:
        try:
            self._index = faiss.read_index(str(folder / _VECTORS), faiss.IO_FLAG_MMAP_IFC)
            self._pin_ids = columns.open(folder / _PIN_IDS)["pin_id"]
        except (RuntimeError, OSError, pa.ArrowInvalid) as error:
            reason = str(error).splitlines()[0]
            raise WorkspaceError(f"{folder}: cannot be read ({reason}). Delete it and run again") from None
        if self._index.ntotal != len(self._pin_ids):
            raise WorkspaceError(f"{folder}: {self._index.ntotal} vectors, {len(self._pin_ids)} Pins. Delete it")

    def __len__(self) -> int:
        return len(self._pin_ids)

    @property
    def vector_size(self) -> int:
        """Numbers per vector."""
        return int(self._index.d)

    def search(self, vector: np.ndarray, k: int) -> list[tuple[str, float]]:
        """The `k` Pins nearest to a vector (d,), with inner products: highest first, equal ones by pin_id."""
        if not len(self) or k < 1:
            return []
        scores, rows = self._index.search(vector[None].astype(np.float32), min(k, len(self)))
        found = rows[0] >= 0  # an inverted file pads with -1 where its cells hold fewer than k
        pins = self._pin_ids.take(pa.array(rows[0][found], pa.int64())).to_pylist()
        return sorted(zip(pins, scores[0][found].tolist()), key=lambda hit: (-hit[1], hit[0]))


def open(folder: Path) -> Nearest:
    """The index in `folder`, which may be read-only."""
    return Nearest(folder)
