"""The Pins that are served, row by row: their ids, their vectors, and what is shown of them, all memory-mapped.

Opening reads next to nothing, whatever their number, and processes on one machine share what was read.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from limbeck import lookup
from limbeck.errors import WorkspaceError
from limbeck.student.vectors import Vectors

SHOWN = ("pin_id", "title", "description", "image", "link", "language", "country")
_IDS, _VECTORS, _SHOWN = "pins", "vectors.npy", "shown.arrow"
_KNOWN = "known"  # whether the pins table has the Pin
_COLUMNS = pa.schema([*((name, pa.string()) for name in SHOWN), (_KNOWN, pa.bool_())])


class Mapped(Vectors):
    """Vectors on the disk: `matrix` is float32 (n, d)."""

    def __init__(self, pins: lookup.Lookup, matrix: np.ndarray) -> None:
        self._pins, self.matrix = pins, matrix

    @property
    def pin_ids(self) -> list[str]:
        """The Pins, row by row; a list as long as the catalogue."""
        return list(self._pins.texts.to_pylist())

    @property
    def ids(self) -> pa.Array:
        """The same, as they lie on the disk."""
        return self._pins.texts

    def of_rows(self, rows: np.ndarray) -> list[str]:
        """The Pins in these rows."""
        return self._pins.of(rows)

    def rows(self, pins: Sequence[str]) -> np.ndarray:
        """Row numbers of Pins, int64 (n,); −1 where a Pin has no vector."""
        return self._pins.rows(pins)


class Catalogue:
    """An open catalogue. Threads may share it."""

    def __init__(self, folder: Path) -> None:
        try:
            self._shown = pa.ipc.open_file(pa.memory_map(str(folder / _SHOWN))).read_all()
            matrix = np.asarray(np.load(folder / _VECTORS, mmap_mode="r"))
        except (ValueError, OSError, pa.ArrowInvalid) as error:
            raise WorkspaceError(f"{folder}: cannot be read ({error}). Delete it and run again") from None
        self.vectors = Mapped(lookup.open(folder, _IDS), matrix)
        if not len(self._shown) == len(matrix) == len(self.vectors.ids) or self._shown.schema != _COLUMNS:
            raise WorkspaceError(f"{folder}: its parts are not of the same Pins. Delete it and run again")

    @property
    def known(self) -> np.ndarray:
        """Whether the pins table has each Pin, bool (n,); read whole."""
        found: np.ndarray = self._shown.column(_KNOWN).to_numpy()
        return found

    def shown(self, rows: np.ndarray) -> list[dict[str, Any]]:
        """The columns of `SHOWN` of the Pins in these rows."""
        found = self._shown.take(pa.array(rows))
        columns = (found.column(name).to_pylist() for name in SHOWN)
        return [dict(zip(SHOWN, values)) for values in zip(*columns)]

    def fitting(self, rows: np.ndarray, wanted: Mapping[str, str]) -> np.ndarray:
        """Which of the Pins in these rows state what is `wanted` of columns of `SHOWN`, or nothing: bool (n,)."""
        fits = np.ones(len(rows), dtype=bool)
        for name, value in wanted.items():
            stated = pc.utf8_lower(self._shown.column(name).take(pa.array(rows)))
            fits &= pc.fill_null(pc.equal(stated, value.lower()), True).to_numpy()
        return fits


def build(vectors: pa.Table, pins: pa.Table, out: Path) -> None:
    """Write into `out` the Pins that have a vector (rows of `pin_vectors`), in their order, as `pins` shows them."""
    known = Vectors(vectors)
    lookup.save(known.pin_ids, out, _IDS)
    np.save(out / _VECTORS, np.ascontiguousarray(known.matrix, dtype=np.float32), allow_pickle=False)
    rows = pc.index_in(pa.array(known.pin_ids, pa.string()), pins.column("pin_id").combine_chunks())
    found = [pins.column(name).combine_chunks().take(rows) for name in SHOWN]
    with pa.ipc.new_file(str(out / _SHOWN), _COLUMNS) as writer:
        writer.write_table(pa.Table.from_arrays([*found, pc.is_valid(rows)], schema=_COLUMNS), max_chunksize=1 << 20)


def open(folder: Path) -> Catalogue:
    """What `build` wrote; the folder may be read-only."""
    return Catalogue(folder)
