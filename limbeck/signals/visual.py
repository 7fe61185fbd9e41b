"""What Pins look like: image vectors of a CLIP or SigLIP model in a few columns, and their cosine with the query.

The columns are the first principal components of the catalogue's image vectors. The model's text tower is kept beside
them: the service needs nothing else of the model.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.feather as feather

from limbeck.signals.aligned import Aligned, places
from limbeck.signals.signal import Group, Read, Side, Signal

VERSION = 1  # raise it when the same image vectors are to give other columns
SIZE = 16  # columns that say what a Pin looks like
PINS, PICTURE = "pins.arrow", "picture"
MOST = 100_000  # pictures that the components are taken from
TEXTS = "texts"  # the folder of the text tower, where the model has one
Keep = Callable[[Read], Read]  # puts a memory before the reading of queries


class Visual(Signal):
    """What the Pin looks like, and how near that is to the query, as a signal."""

    def __init__(self, folder: Path, aligned: Aligned, read: Read | None) -> None:
        """Open what `build` wrote; Pins are known by the rows that are `aligned`, queries by what is `read` of them."""
        self._picture = aligned[PICTURE]
        self._columns = np.load(folder / "columns.npy", mmap_mode="r")
        self._vectors = np.load(folder / "vectors.npy", mmap_mode="r")
        self._read = read
        groups = [Group("visual.pin", "pin", tuple(map(str, range(self._columns.shape[1]))))]
        self.groups = (*groups, *([Group("visual", "pair", ("cosine",))] if read else []))

    def columns(self, queries: Sequence[str], asked: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """As `Signal.columns`. Of unknown Pins nobody has a picture."""
        return np.concatenate([self._look(rows), self._likeness(queries, asked, rows)], axis=1)

    def of_side(self, side: Side, query: str, rows: np.ndarray) -> np.ndarray:
        """As `Signal.of_side`; of Pins alone, no text is read."""
        if side == "pair":
            return self._likeness([query], np.zeros(len(rows), np.int64), rows)
        return self._look(rows) if side == "pin" else np.zeros((len(rows), 0), np.float32)

    def _look(self, rows: np.ndarray) -> np.ndarray:
        picture = self._picture[rows]
        there = picture >= 0
        found = np.full((len(rows), self._columns.shape[1]), np.nan, np.float32)
        found[there] = self._columns[picture[there]]
        return found

    def _likeness(self, queries: Sequence[str], asked: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Cosines (n, 1) of queries and pictures; without a text tower (n, 0)."""
        picture = self._picture[rows]
        there = picture >= 0
        found = np.full((len(rows), int(self._read is not None)), np.nan, np.float32)
        if self._read is not None and there.any():
            query = self._read(queries)[asked[there]]
            found[there, 0] = np.einsum("nd,nd->n", query, self._vectors[picture[there]].astype(np.float32))
        return found


def aligned(folder: Path, pins: pa.Array) -> Aligned:
    """Which picture each of these Pins has in what `build` wrote; −1 for none."""
    known = feather.read_table(folder / PINS)
    picture = pc.fill_null(known.column("picture").combine_chunks(), -1).to_numpy(zero_copy_only=False)
    return {PICTURE: np.append(picture, -1)[places(pins, known.column("pin_id"))]}


def build(image_vectors: pa.Table, pins: pa.Table, seed: int, out: Path) -> None:
    """Write columns and vectors of pictures, and which of them each Pin of `pins` (pin_id, image) has, into `out`.

    Vectors are kept in half precision: they are told apart by more than that.
    """
    vectors, rows = seen(image_vectors)
    picture = pc.index_in(pins.column("image"), rows.column("image").combine_chunks())
    feather.write_feather(pa.table({"pin_id": pins.column("pin_id"), "picture": picture}), out / PINS)
    np.save(out / "columns.npy", compressed(vectors, seed), allow_pickle=False)
    np.save(out / "vectors.npy", vectors.astype(np.float16), allow_pickle=False)


def seen(table: pa.Table) -> tuple[np.ndarray, pa.Table]:
    """The vectors (n, d) of the pictures of a table of image vectors that were not skipped, and their rows."""
    rows = table.filter(pc.is_null(table.column("skipped")))
    flat = rows.column("vector").combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return flat.reshape(rows.num_rows, -1) if rows.num_rows else np.zeros((0, 0), np.float32), rows


def compressed(vectors: np.ndarray, seed: int) -> np.ndarray:
    """The first principal components of vectors (n, d): float32 (n, s); the same vectors and seed give the same."""
    if not len(vectors):
        return np.zeros((0, SIZE), np.float32)
    some = np.random.default_rng(seed).permutation(len(vectors))[:MOST]
    mean = vectors[some].mean(axis=0, dtype=np.float64)
    centred = vectors[some] - mean
    _, axes = np.linalg.eigh(centred.T @ centred)
    axes = axes[:, ::-1][:, :SIZE]
    axes *= np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])  # their signs are arbitrary
    return ((vectors - mean.astype(np.float32)) @ axes.astype(np.float32)).astype(np.float32)
