"""The head without PyTorch, and arranged so that little is left to do for each candidate of a query.

The first layer is a sum, so each part of it is computed as rarely as it can be:

    offline, per Pin      its vector's and its own signals' share: a row of `held`
    once per query        the query's share; its vector times the weights of the products, as q∘p is linear in p
    per pair              the products and the columns about the two together, one small matrix product

Weights that are multiplied for each pair are rounded to bfloat16, for all processors, as some are fastest with it: that
moves expected levels by a thousandth or so (docs/student.md).

What is held per Pin is the first numbers of its vector, for the products, and its share, side by side, in 32, 16 or 8
bits: fewer are less memory to gather, and move expected levels a little (docs/student.md).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from safetensors.numpy import load_file

from limbeck.relevance import softmax
from limbeck.signals.signal import Side
from limbeck.student import forward
from limbeck.student.shape import WEIGHTS, Shape
from limbeck.student.tiles import nearest

ROWS_AT_ONCE = 16_384
Bits = Literal[8, 16, 32]
_MOST = {8: 127.0, 16: float(np.finfo(np.float16).max)}
_RAISE = np.float32(2.0**112)  # the bits of a float16, moved to where float32 has its own, are the number less 2^112
_BITS: Mapping[int, Bits] = {1: 8, 2: 16, 4: 32}  # by bytes
_AS_BITS = {1: np.int8, 2: np.uint16, 4: np.int32}


class Held(NamedTuple):
    """What is kept of Pins: `numbers` (n, products + h), and what each column of their bits is to be multiplied by."""

    numbers: np.ndarray  # int8, float16 or float32
    scale: np.ndarray

    @classmethod
    def of(cls, held: np.ndarray, bits: Bits, most: np.ndarray | None = None) -> "Held":
        """Float32 numbers in so many bits; of 8, 127 stands for the largest of each column, or for `most` of it."""
        if bits == 8:
            most = np.abs(held).max(axis=0, initial=0) if most is None else most
            scale = np.maximum(most, np.float32(1e-12)) / np.float32(_MOST[8])
            return cls(np.clip(np.rint(held / scale), -_MOST[8], _MOST[8]).astype(np.int8), scale.astype(np.float32))
        if bits == 16:
            halves = np.clip(held, -_MOST[16], _MOST[16]).astype(np.float16)
            return cls(halves, np.full(held.shape[1], _RAISE))
        return cls(held, np.ones(held.shape[1], np.float32))

    def alike(self, held: np.ndarray) -> "Held":
        """Numbers of other Pins (n, products + h), kept in as many bits; read-only, as those that are mapped are.

        So the kernels are compiled once for both.
        """
        found = Held.of(held, _BITS[self.numbers.itemsize])
        found.numbers.setflags(write=False)
        return found


@dataclass(frozen=True)
class Asked:
    """What a query contributes: the first numbers of its vector (r,), and its own share of the first layer (h,)."""

    vector: np.ndarray
    share: np.ndarray


class Scorer:
    """Five probabilities from vectors and features. Threads may share it."""

    def __init__(self, folder: Path) -> None:
        stored = load_file(folder / WEIGHTS)
        self.shape = Shape.load(folder)
        self._mean, self._scale = stored["mean"], stored["scale"]
        count = len(self.shape.sizes) - 1
        first, *deeper = [np.ascontiguousarray(stored[f"layers.{i}.weight"].T) for i in range(count)]
        self._biases = [stored[f"layers.{i}.bias"] for i in range(count)]
        self._firsts = np.asarray([begin for _, begin, _ in self.shape.spans], dtype=np.int64)
        d, r = self.shape.vector_size, self.shape.products
        self._of_query, self._of_pin, products, mean, *told = np.split(
            first, np.cumsum([d, d, r, 1, len(self.shape.features)])
        )
        products = nearest(products + mean / r)
        features, missing = (
            np.where(of_pairs[:, None], nearest(w), w) for of_pairs, w in zip(_pairs(self.shape), told)
        )
        given = self._mean, self._scale, features, missing
        self._sides = {side: _Part.of(self.shape, side, given) for side in _SIDES}
        self.depth = r + len(self._sides["pair"].weights)  # numbers that the first layer is given of both together
        self._weights = [np.concatenate([self._of_query, self._of_pin, products, features, missing])]
        self._weights += map(nearest, deeper)
        of_pairs = np.concatenate([products, self._sides["pair"].weights])
        self._layers = forward.Layers.of([of_pairs, *self._weights[1:]], self._biases)

    def probabilities(self, query: np.ndarray, pins: np.ndarray, features: np.ndarray) -> np.ndarray:
        """Five probabilities per row, float32 (n, 5). `query` is (n, d), or (1, d) for one query and many Pins."""
        queries = np.broadcast_to(query, pins.shape)
        steps = range(0, len(pins), ROWS_AT_ONCE)
        parts = [self._logits(*(rows[i : i + ROWS_AT_ONCE] for rows in (queries, pins, features))) for i in steps]
        return softmax(np.concatenate([np.zeros((0, 5), np.float32), *parts]))

    def held(self, pins: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """What is kept of Pins by their vectors (n, d) and the columns about them alone: float32 (n, products + h)."""
        share = pins @ self._of_pin + self._sides["pin"].shares(columns)
        return np.concatenate([pins[:, : self.shape.products], share], axis=1)

    def asked(self, query: np.ndarray, columns: np.ndarray) -> Asked:
        """What a query contributes, by a copy of its vector (d,) and the columns about it alone (f,)."""
        share = query @ self._of_query + self._biases[0] + self._sides["query"].shares(columns[None])[0]
        return Asked(query[: self.shape.products].copy(), share)

    def candidates(self, asked: Asked, held: Held, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Five probabilities of a query and the Pins in these rows of `held`, float32 (n, 5).

        `columns` (n, f) are those about the two together.
        """
        bits, scale = held.numbers.view(_AS_BITS[held.numbers.itemsize]), held.scale.copy()
        scale[: len(asked.vector)] *= asked.vector
        pair = self._sides["pair"]
        given = np.ascontiguousarray(columns), pair.mean, pair.scale, pair.firsts
        return forward.probabilities(forward.Pairs(bits, scale, rows, *given, asked.share), self._layers)

    def _logits(self, query: np.ndarray, pin: np.ndarray, features: np.ndarray) -> np.ndarray:
        """The plain form: everything for every row."""
        product = query[:, : self.shape.products] * pin[:, : self.shape.products]
        standard = np.nan_to_num((features - self._mean) * self._scale)
        missing = np.isnan(features[:, self._firsts])
        given = [query, pin, product, standard, missing]
        found = np.concatenate(given, axis=1, dtype=np.float32) @ self._weights[0] + self._biases[0]
        for weight, bias in zip(self._weights[1:], self._biases[1:]):
            found = np.maximum(found, 0, out=found) @ weight + bias
        return found


_SIDES: Sequence[Side] = ("pin", "query", "pair")


def _pairs(shape: Shape) -> tuple[np.ndarray, np.ndarray]:
    """Which columns, and which groups of them, are about query and Pin together: bool (f,), (groups,)."""
    return np.asarray([s == "pair" for s in shape.sides], bool), np.asarray(
        [g.of == "pair" for g, *_ in shape.spans], bool
    )


class _Part(NamedTuple):
    """The columns about one side: how they are brought to mean 0 and spread 1, and what the first layer makes of them.

    `weights` are those of the columns, then those of the bits that say whose group is missing.
    """

    mean: np.ndarray
    scale: np.ndarray
    firsts: np.ndarray  # the first column of each group
    weights: np.ndarray

    @classmethod
    def of(cls, shape: Shape, side: Side, whole: tuple[np.ndarray, ...]) -> "_Part":
        mean, scale, features, missing = whole
        mine = np.asarray([s == side for s in shape.sides], dtype=bool)
        groups = np.asarray([group.of == side for group, _, _ in shape.spans], dtype=bool)
        place = np.cumsum(mine) - 1
        firsts = [place[begin] for group, begin, _ in shape.spans if group.of == side]
        weights = np.concatenate([features[mine], missing[groups]])
        return cls(mean[mine], scale[mine], np.asarray(firsts, dtype=np.int64), weights)

    def shares(self, columns: np.ndarray) -> np.ndarray:
        """What the columns (n, f) add to the first layer: (n, h)."""
        missing = np.isnan(columns)
        standard = np.where(missing, np.float32(0), (columns - self.mean) * self.scale)
        return np.concatenate([standard, missing[:, self.firsts]], axis=1, dtype=np.float32) @ self.weights
