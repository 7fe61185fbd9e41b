"""The Pins that are served, row by row: their ids, their vectors, and what is shown of them, all memory-mapped.

Opening reads next to nothing, whatever their number, and processes on one machine share what was read.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from limbeck import lookup
from limbeck.errors import WorkspaceError
from limbeck.index import columns
from limbeck.student.vectors import Vectors

VERSION = 3  # raise it when the same Pins are to be kept otherwise
STATED = ("language", "country")  # columns by which Pins are left out
_IDS, _VECTORS, _SHOWN = "pins", "vectors.npy", "shown.arrow"
_TOLD, _KNOWN = "told", "known"  # all that is shown of a Pin, as JSON; whether the pins table has it
_COLUMNS = pa.schema([(_TOLD, pa.large_binary()), *((name, pa.string()) for name in STATED), (_KNOWN, pa.bool_())])
_ROWS_AT_ONCE = 65_536


class Shown(msgspec.Struct, frozen=True):
    """What is shown of a Pin. The catalogue keeps it as JSON, as it is answered."""

    pin_id: str
    title: str | None
    description: str | None
    image: str | None
    link: str | None
    language: str | None
    country: str | None


SHOWN = Shown.__struct_fields__
_READER = msgspec.json.Decoder(Shown)


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

    def rows_of(self, pins: pa.Array) -> np.ndarray:
        """As `rows`, of a column of strings without nulls."""
        return self._pins.rows_of(pins)


class Catalogue:
    """An open catalogue. Threads may share it."""

    def __init__(self, folder: Path) -> None:
        try:
            self._columns = columns.open(folder / _SHOWN)
            matrix = np.asarray(np.load(folder / _VECTORS, mmap_mode="r"))
        except (ValueError, OSError, pa.ArrowInvalid) as error:
            raise WorkspaceError(f"{folder}: cannot be read ({error}). Delete it and run again") from None
        self.vectors = Mapped(lookup.open(folder, _IDS), matrix)
        if {name: column.type for name, column in self._columns.items()} != _TYPES:
            raise WorkspaceError(f"{folder}: it is of another version. `limbeck index RECIPE` makes it anew")
        if len({len(matrix), len(self.vectors.ids), *map(len, self._columns.values())}) > 1:
            raise WorkspaceError(f"{folder}: its parts are not of the same Pins. Delete it and run again")
        _, begins, told = self._columns[_TOLD].buffers()
        self._begins, self._told = np.frombuffer(begins, np.int64), memoryview(told or b"")

    @property
    def known(self) -> np.ndarray:
        """Whether the pins table has each Pin, bool (n,); read whole."""
        found: np.ndarray = self._columns[_KNOWN].to_numpy(zero_copy_only=False)
        return found

    def shown(self, rows: np.ndarray) -> list[Shown]:
        """What is shown of the Pins in these rows, which the pins table has."""
        return list(map(_READER.decode, self.told(rows)))

    def told(self, rows: np.ndarray) -> list[memoryview]:
        """The same as JSON, as it lies on the disk."""
        spans = zip(self._begins[rows].tolist(), self._begins[rows + 1].tolist())
        return [self._told[begin:end] for begin, end in spans]

    def fitting(self, rows: np.ndarray, wanted: Mapping[str, str]) -> np.ndarray:
        """Which of the Pins in these rows state what is `wanted` of the columns `STATED`, or nothing: bool (n,)."""
        fits = np.ones(len(rows), dtype=bool)
        for name, value in wanted.items():
            stated = pc.utf8_lower(self._columns[name].take(pa.array(rows)))
            fits &= pc.fill_null(pc.equal(stated, value.lower()), True).to_numpy(zero_copy_only=False)
        return fits


_TYPES = dict(zip(_COLUMNS.names, _COLUMNS.types))


def build(vectors: pa.Table, pins: pa.Table, out: Path) -> None:
    """Write into `out` the Pins that have a vector (rows of `pin_vectors`), in their order, as `pins` shows them."""
    known = Vectors(vectors)
    lookup.save(known.pin_ids, out, _IDS)
    np.save(out / _VECTORS, np.ascontiguousarray(known.matrix, dtype=np.float32), allow_pickle=False)
    rows = pc.index_in(pa.array(known.pin_ids, pa.string()), pins.column("pin_id").combine_chunks())
    stated = [pins.column(name).combine_chunks().take(rows) for name in STATED]
    told = pa.chunked_array(_told(pins.select(SHOWN), rows), pa.large_binary())
    columns.save(pa.Table.from_arrays([told, *stated, pc.is_valid(rows)], schema=_COLUMNS), out / _SHOWN)


def _told(pins: pa.Table, rows: pa.Array) -> Iterator[pa.Array]:
    """What is shown of the Pins in these rows as JSON, a part of them at a time; nothing of null."""
    for begin in range(0, len(rows), _ROWS_AT_ONCE):
        some = pins.take(rows.slice(begin, _ROWS_AT_ONCE))
        each = zip(*(column.to_pylist() for column in some.columns))
        told = [msgspec.json.encode(Shown(*pin)) if pin[0] is not None else b"" for pin in each]
        yield pa.array(told, pa.large_binary())


def open(folder: Path) -> Catalogue:
    """What `build` wrote; the folder may be read-only."""
    return Catalogue(folder)
