"""What SearchSAGE learnt (`searchsage.py`), read and used without PyTorch: towers, vectors, and the signal."""

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
from safetensors.numpy import load_file

from limbeck import ahead, compiled
from limbeck.remembered import Remembered
from limbeck.signals.aligned import PLACE, Aligned, places
from limbeck.signals.signal import Group, Read, Side, Signal

SIZE = 32
QUERIES = 20_000  # whose vectors are kept
WEIGHTS = "towers.safetensors"
ROWS_AT_ONCE = 65_536
_AHEAD = 8  # Pins ahead of the one that is read
Weights = Mapping[str, np.ndarray]


class Towers:
    """From untuned vectors to unit vectors, of queries and of Pins: a projection, corrected by a hidden layer."""

    def __init__(self, weights: Weights) -> None:
        self._weights = weights

    @classmethod
    def load(cls, folder: Path) -> "Towers":
        """Those that were trained into a folder."""
        return cls(load_file(folder / WEIGHTS))

    def queries(self, base: np.ndarray) -> np.ndarray:
        """Vectors of queries by their untuned vectors (n, d): float32 (n, SIZE)."""
        return self._through("query", base)

    def pins(self, base: np.ndarray) -> np.ndarray:
        """Vectors of Pins by their untuned vectors (n, d): float32 (n, SIZE)."""
        return self._through("pin", base)

    def _through(self, side: str, base: np.ndarray) -> np.ndarray:
        steps = range(0, len(base), ROWS_AT_ONCE)
        parts = [self._tower(side, base[i : i + ROWS_AT_ONCE]) for i in steps]
        return np.concatenate([np.zeros((0, SIZE), np.float32), *parts])

    def _tower(self, side: str, base: np.ndarray) -> np.ndarray:
        straight, weight, bias, out = (
            self._weights[f"{side}.{name}"]
            for name in ("straight.weight", "hidden.weight", "hidden.bias", "out.weight")
        )
        base = unit(base.astype(np.float32, copy=False))
        return unit(product(base, straight) + product(np.maximum(product(base, weight) + bias, 0), out))


class Pins:
    """Vectors (m, SIZE) of Pins, and where each Pin has its own among them: −1 for none, as for the last, of no Pin."""

    def __init__(self, vectors: np.ndarray, places: np.ndarray) -> None:
        self._vectors, self._row = vectors.view(), places.view()
        for each in (self._vectors, self._row):
            each.setflags(write=False)  # as those that are mapped are: the kernel is compiled once

    @classmethod
    def load(cls, folder: Path, aligned: Aligned) -> "Pins":
        """Those that a folder has of Pins, as they lie on the disk; Pins are known by the rows that are `aligned`."""
        return cls(np.asarray(np.load(folder / "pins.npy", mmap_mode="r")), aligned[PLACE])

    def over(self, told: np.ndarray, known: np.ndarray) -> "Pins":
        """Of n other Pins: of the `known` ones the vectors here, of others (−1) those that are `told` (n, SIZE)."""
        vectors = np.where((known < 0)[:, None], told, self.of(known))
        return Pins(vectors, np.append(np.arange(len(known)), -1))

    def of(self, rows: np.ndarray) -> np.ndarray:
        """Vectors of the Pins in these places (n,), float32 (n, SIZE); NaN where there is none, as of place −1."""
        row = self._row[rows]
        if not len(self._vectors):
            return np.full((len(row), self._vectors.shape[1]), np.nan, np.float32)
        return np.where((row >= 0)[:, None], self._vectors[row], np.float32(np.nan))

    def products_into(self, rows: np.ndarray, vector: np.ndarray, out: np.ndarray, column: int) -> None:
        """Put inner products of Pins in these places (n,) and a vector (SIZE,) into a column of `out`; NaN for none."""
        _multiply(self._vectors, self._row, rows, vector, out, column)


class SearchSage(Signal):
    """The cosine of a query and a Pin, and the vectors of both, as a signal."""

    groups: tuple[Group, ...] = (
        Group("searchsage.query", "query", tuple(map(str, range(SIZE)))),
        Group("searchsage.pin", "pin", tuple(map(str, range(SIZE)))),
        Group("searchsage", "pair", ("cosine",)),
    )

    def __init__(self, folder: Path, aligned: Aligned, read: Read) -> None:
        """Open what was trained; Pins are known by the rows that are `aligned`, queries by what is `read` of them."""
        self.towers = towers = Towers.load(folder)
        self._asked = Remembered(lambda queries: towers.queries(read(queries)), QUERIES)
        self._pins = Pins.load(folder, aligned)

    def columns(self, queries: Sequence[str], asked: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """As `Signal.columns`."""
        query = self._asked(queries)[asked] if queries else np.zeros((0, SIZE), np.float32)
        pin = self._pins.of(rows)
        return np.concatenate([query, pin, np.einsum("nd,nd->n", query, pin)[:, None]], axis=1)

    def of_side(self, side: Side, query: str, rows: np.ndarray) -> np.ndarray:
        """As `Signal.of_side`."""
        if side == "query":
            return self._asked([query]).repeat(len(rows), axis=0)
        return self._pins.of(rows) if side == "pin" else super().of_side(side, query, rows)

    def pairs_into(self, query: str, rows: np.ndarray, out: np.ndarray, column: int) -> None:
        """As `Signal.pairs_into`."""
        self._pins.products_into(rows, self._asked.one(query), out, column)

    def over(self, base: np.ndarray, known: np.ndarray) -> "SearchSage":
        """As `Signal.over`."""
        other = copy.copy(self)
        other._pins = self._pins.over(self.towers.pins(base), known)
        return other


def save_pins(pin_ids: Sequence[str], base: np.ndarray, out: Path) -> None:
    """Write vectors of Pins, of their untuned vectors (pins, d), beside the towers in `out`."""
    feather.write_feather(pa.table({"pin_id": pa.array(pin_ids, pa.string())}), out / "pins.arrow")
    np.save(out / "pins.npy", Towers.load(out).pins(base), allow_pickle=False)


def aligned(folder: Path, pins: pa.Array) -> Aligned:
    """Where these Pins are among those whose vectors a folder has."""
    return {PLACE: places(pins, feather.read_table(folder / "pins.arrow").column("pin_id"))}


def vectors(folder: Path, pin_ids: Sequence[str]) -> np.ndarray:
    """Vectors of Pins, float32 (n, SIZE); NaN for Pins that had no text when they were made."""
    return Pins.load(folder, aligned(folder, pa.array(pin_ids, pa.string()))).of(np.arange(len(pin_ids)))


@compiled.kernel(fastmath={"reassoc"})
def _multiply(vectors, places, rows, query, out, column):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Inner products of the query's vector and those of Pins; NaN where there is none."""
    for i in range(len(rows)):
        ahead.fetch_row_at(vectors, places, rows, i + _AHEAD)
        row, total = places[rows[i]], np.float32(np.nan)
        if row >= 0:
            total, line = np.float32(0), vectors[row]
            for j in range(len(query)):
                total += line[j] * query[j]
        out[i, column] = total


def product(rows: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Rows (n, d) times the transpose of weights (k, d), (n, k): to the last bit the same whatever rows are beside one.

    BLAS sums in another order for another number of rows, and for another place among them. A query's vector would
    depend on who is asked about with it, and a run that was killed and goes on would teach another student.
    """
    found: np.ndarray = np.einsum("nd,kd->nk", rows, weight)
    return found


def unit(rows: np.ndarray) -> np.ndarray:
    """Vectors (n, d) of length one; NaN stays what it is."""
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.float32(1e-12))
