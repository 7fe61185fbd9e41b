"""PinSAGE: vectors of Pins by what they say and by the company they keep on boards (arXiv 1806.01973).

A Pin's neighbourhood is what random walks over Pins and boards visit most, weighted by how often. A small network makes
a vector of the Pin's untuned vector and the weighted mean of those of its neighbours. A Pin that is on no board is its
own neighbourhood, so that new Pins, and any text, have a vector without retraining.

The paper puts each neighbour through a layer before the mean, and convolves twice. Here walks reach two boards far, and
the mean is of the vectors as they are, which is many times cheaper; and its margin loss is a sampled softmax.
"""

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from limbeck.remembered import Remembered
from limbeck.signals.aligned import Aligned
from limbeck.signals.sage import QUERIES, Pins, product, unit
from limbeck.signals.signal import Group, Read, Side, Signal

SIZE = 32
ROWS_AT_ONCE = 2_048
WEIGHTS = "convolution.safetensors"


class Convolution:
    """What was learnt (`pinsage_training.py`), read and used without PyTorch."""

    def __init__(self, weights: Mapping[str, np.ndarray]) -> None:
        self._weights = weights

    @classmethod
    def load(cls, folder: Path) -> "Convolution":
        """The network that training left in a folder."""
        return cls(load_file(folder / WEIGHTS))

    def alone(self, base: np.ndarray) -> np.ndarray:
        """Vectors of texts, or of Pins on no board, by their untuned vectors (n, d): float32 (n, SIZE)."""
        steps = range(0, len(base), ROWS_AT_ONCE)
        parts = [self._through(unit(base[i : i + ROWS_AT_ONCE].astype(np.float32, copy=False))) for i in steps]
        return np.concatenate([np.zeros((0, SIZE), np.float32), *parts])

    def _through(self, own: np.ndarray) -> np.ndarray:
        """Unit vectors of those that are their own neighbourhood."""
        straight, around, weight, bias, out = (
            self._weights[name]
            for name in ("own.weight", "around.weight", "hidden.weight", "hidden.bias", "out.weight")
        )
        hidden = np.maximum(product(np.concatenate([own, own], axis=1), weight) + bias, 0)
        return unit(product(own, straight) + product(own, around) + product(hidden, out))


class PinSage(Signal):
    """A Pin's vector, and the cosine of it and the query's, read as a Pin that says the query, as a signal."""

    groups: tuple[Group, ...] = (
        Group("pinsage.pin", "pin", tuple(map(str, range(SIZE)))),
        Group("pinsage", "pair", ("cosine",)),
    )

    def __init__(self, folder: Path, aligned: Aligned, read: Read) -> None:
        """Open what was built; Pins are known by the rows that are `aligned`, queries by what is `read` of them."""
        self.convolution = convolution = Convolution.load(folder)
        self._asked = Remembered(lambda queries: convolution.alone(read(queries)), QUERIES)
        self._pins = Pins.load(folder, aligned)

    def columns(self, queries: Sequence[str], asked: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """As `Signal.columns`."""
        query = self._asked(queries)[asked] if queries else np.zeros((0, SIZE), np.float32)
        pin = self._pins.of(rows)
        return np.concatenate([pin, np.einsum("nd,nd->n", query, pin)[:, None]], axis=1)

    def of_side(self, side: Side, query: str, rows: np.ndarray) -> np.ndarray:
        """As `Signal.of_side`."""
        return self._pins.of(rows) if side == "pin" else super().of_side(side, query, rows)

    def pairs_into(self, query: str, rows: np.ndarray, out: np.ndarray, column: int) -> None:
        """As `Signal.pairs_into`."""
        self._pins.products_into(rows, self._asked.one(query), out, column)

    def over(self, base: np.ndarray, known: np.ndarray) -> "PinSage":
        """As `Signal.over`."""
        other = copy.copy(self)
        other._pins = self._pins.over(self.convolution.alone(base), known)
        return other
