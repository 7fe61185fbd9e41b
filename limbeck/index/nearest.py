"""Nearest Pins by inner product of vectors, in a faiss index that is memory-mapped when read.

Up to `EXACT` Pins every vector is compared; beyond that an inverted file with 8-bit codes looks through a sixteenth of
its cells. The same vectors give the same bytes. Training the cells is most of what an index takes: those of an earlier
one are kept for as long as they fit the vectors as well as those they were trained on.
"""

import json
from pathlib import Path

import faiss
import numpy as np
import pyarrow as pa

from limbeck.errors import WorkspaceError
from limbeck.index.sides import NONE, Hits
from limbeck.student.vectors import Vectors

EXACT = 50_000
SAMPLE = 20_000  # vectors by which it is told how well cells fit
WORSE = 0.01  # of the variance that cells may explain less than when they were trained
MORE = 0.1  # by which the number of cells may differ from that which as many vectors would get
_CELLS_PER_PROBE = 16
_VECTORS, _TRAINED = "vectors.faiss", "trained.json"


def build(vectors: pa.Table, out: Path, before: Path | None = None) -> None:
    """Index the `pin_id` and `vector` columns of `vectors` into the empty folder `out`; `before`: an earlier index."""
    pins = Vectors(vectors)
    matrix = np.ascontiguousarray(pins.matrix)
    if len(matrix) <= EXACT:
        index: faiss.Index = faiss.IndexFlatIP(max(matrix.shape[1], 1))
    else:
        index, explained = _kept(matrix, before) or _trained(matrix)
        (out / _TRAINED).write_text(json.dumps({"explained": explained}), encoding="utf-8")
    if len(matrix):
        index.add(matrix)
    faiss.write_index(index, str(out / _VECTORS))


def _cells(count: int) -> int:
    """About 4·√n, for n vectors."""
    return round(4 * count**0.5)


def _trained(matrix: np.ndarray) -> tuple[faiss.IndexIVF, float]:
    """An empty inverted file, one byte per number, whose cells are those of the vectors, and what they explain."""
    count, size = matrix.shape
    index = faiss.index_factory(size, f"IVF{_cells(count)},SQ8", faiss.METRIC_INNER_PRODUCT)
    assert isinstance(index, faiss.IndexIVF)
    index.train(matrix)
    index.nprobe = index.nlist // _CELLS_PER_PROBE
    return index, _explained(index, matrix)


def _kept(matrix: np.ndarray, before: Path | None) -> tuple[faiss.IndexIVF, float] | None:
    """An earlier index without its vectors, and what its cells explained of those they were trained on.

    None where there is none, or other cells would now fit better.
    """
    if before is None or not (before / _TRAINED).exists():
        return None
    index = faiss.read_index(str(before / _VECTORS))
    assert isinstance(index, faiss.IndexIVF)  # a manifest covers both files
    explained = float(json.loads((before / _TRAINED).read_bytes())["explained"])
    wanted = _cells(len(matrix))
    if index.d != matrix.shape[1] or abs(index.nlist - wanted) > MORE * wanted:
        return None
    index.reset()
    return (index, explained) if _explained(index, matrix) >= explained - WORSE else None


def _explained(index: faiss.IndexIVF, matrix: np.ndarray) -> float:
    """The share of the vectors' variance that is between the cells of an inverted file, of evenly spaced vectors."""
    some = matrix[:: -(-len(matrix) // SAMPLE)]
    _, cells = index.quantizer.search(some, 1)
    rest = some - index.quantizer.reconstruct_n(0, index.nlist)[cells[:, 0]]
    return float(1 - (rest**2).sum() / ((some - some.mean(axis=0)) ** 2).sum())


class Nearest:
    """An open index. Threads may share it."""

    def __init__(self, folder: Path) -> None:
        try:
            self._index = faiss.read_index(str(folder / _VECTORS), faiss.IO_FLAG_MMAP_IFC)
        except (RuntimeError, OSError) as error:
            reason = str(error).splitlines()[0]
            raise WorkspaceError(f"{folder}: cannot be read ({reason}). Delete it and run again") from None

    def __len__(self) -> int:
        return int(self._index.ntotal)

    @property
    def vector_size(self) -> int:
        """Numbers per vector."""
        return int(self._index.d)

    def search(self, vector: np.ndarray, k: int) -> Hits:
        """The `k` Pins nearest to a vector (d,), by the rows of their vectors, with inner products; best first."""
        if not len(self) or k < 1:
            return NONE
        scores, rows = self._index.search(vector[None].astype(np.float32), min(k, len(self)))
        found = rows[0] >= 0  # an inverted file pads with -1 where its cells hold fewer than k
        return Hits(rows[0][found], scores[0][found].astype(np.float64)).best(k)


def open(folder: Path) -> Nearest:
    """The index in `folder`, which may be read-only."""
    return Nearest(folder)
