"""The head without PyTorch, and arranged so that little is left to do for each candidate of a query.

The first layer is a sum, so each part of it is computed as rarely as it can be:

    offline, per Pin      its vector's and its own signals' share: a row of `held`
    once per query        the query's share; its vector times the weights of the products, as q∘p is linear in p
    per pair              the products and the columns about the two together, one small matrix product

What is held per Pin is the first numbers of its vector, for the products, and its share, side by side, in 32, 16 or 8
bits: fewer are less memory to gather, and move expected levels a little (docs/student.md).
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numba
import numpy as np
from llvmlite import ir
from numba.extending import intrinsic
from safetensors.numpy import load_file

from limbeck.relevance import softmax
from limbeck.signals.signal import Side
from limbeck.student.shape import WEIGHTS, Shape

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
    """What a query contributes: `weights` (k, h) for what is known of each pair, and its own share (h,)."""

    weights: np.ndarray
    share: np.ndarray


class Scorer:
    """Five probabilities from vectors and features. Threads may share it."""

    def __init__(self, folder: Path) -> None:
        stored = load_file(folder / WEIGHTS)
        self.shape = Shape.load(folder)
        self._mean, self._scale = stored["mean"], stored["scale"]
        count = len(self.shape.sizes) - 1
        self._weights = [np.ascontiguousarray(stored[f"layers.{i}.weight"].T) for i in range(count)]
        self._biases = [stored[f"layers.{i}.bias"] for i in range(count)]
        self._firsts = np.asarray([begin for _, begin, _ in self.shape.spans], dtype=np.int64)
        d, r = self.shape.vector_size, self.shape.products
        parts = np.split(self._weights[0], np.cumsum([d, d, r, 1, len(self.shape.features)]))
        self._of_query, self._of_pin, products, mean, features, missing = parts
        given = self._mean, self._scale, features, missing
        self._sides = {side: _Part.of(self.shape, side, given) for side in _SIDES}
        self._of_pairs = np.concatenate([products + mean / r, self._sides["pair"].weights])

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
        """What a query contributes, by its vector (d,) and the columns about it alone (f,)."""
        share = query @ self._of_query + self._biases[0] + self._sides["query"].shares(columns[None])[0]
        weights = self._of_pairs.copy()
        weights[: self.shape.products] *= query[: self.shape.products, None]
        return Asked(weights, share)

    def candidates(self, asked: Asked, held: Held, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Five probabilities of a query and the Pins in these rows of `held`, float32 (n, 5).

        `columns` (n, f) are those about the two together. Ascending rows are gathered fastest.
        """
        bits, scale = held.numbers.view(_AS_BITS[held.numbers.itemsize]), held.scale
        given = np.empty((len(rows), len(asked.weights)), dtype=np.float32)
        _fill(bits, scale, rows, np.ascontiguousarray(columns), self._sides["pair"], given)
        hidden = given @ asked.weights
        _add_share(bits, scale, rows, asked.share, len(self._weights) > 1, hidden)
        logits = self._rest(hidden)
        _softmax(logits)
        return logits

    def _logits(self, query: np.ndarray, pin: np.ndarray, features: np.ndarray) -> np.ndarray:
        """The plain form: everything for every row."""
        product = query[:, : self.shape.products] * pin[:, : self.shape.products]
        standard = np.nan_to_num((features - self._mean) * self._scale)
        missing = np.isnan(features[:, self._firsts])
        given = [query, pin, product, product.mean(axis=1, keepdims=True), standard, missing]
        hidden = np.concatenate(given, axis=1, dtype=np.float32) @ self._weights[0] + self._biases[0]
        return self._rest(np.maximum(hidden, 0, out=hidden) if len(self._weights) > 1 else hidden)

    def _rest(self, hidden: np.ndarray) -> np.ndarray:
        """What follows the first layer."""
        for weight, bias in itertools.islice(zip(self._weights, self._biases), 1, None):
            hidden = hidden @ weight
            _add(hidden, bias, weight is not self._weights[-1])
        return hidden


_SIDES: Sequence[Side] = ("pin", "query", "pair")


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
        standard = np.nan_to_num((columns - self.mean) * self.scale)
        return np.concatenate([standard, np.isnan(columns[:, self.firsts])], axis=1, dtype=np.float32) @ self.weights


_compiled = numba.njit(cache=True, nogil=True, error_model="numpy")
_INT32 = ir.IntType(32)


@_compiled
def _fill(bits, scale, rows, columns, pair, out):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """The first numbers of each Pin's vector; the columns standardised, and a bit for each group that is missing."""
    width = columns.shape[1]
    products = out.shape[1] - width - len(pair.firsts)
    for i in range(len(rows)):
        row, line, told = bits[rows[i]], out[i], columns[i]
        for j in range(products):
            line[j] = _wide(row[j]) * scale[j]
        for j in range(width):
            value = (told[j] - pair.mean[j]) * pair.scale[j]
            line[products + j] = value if value == value else np.float32(0)
        for g in range(len(pair.firsts)):
            value = told[pair.firsts[g]]
            line[products + width + g] = np.float32(0) if value == value else np.float32(1)


@_compiled
def _add_share(bits, scale, rows, share, rectify, out):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Add the query's and each Pin's share; where more layers follow, what is below zero becomes zero."""
    width = len(share)
    first = bits.shape[1] - width
    scale, least = scale[first:], np.float32(0) if rectify else np.float32(-np.inf)
    for i in range(len(rows)):
        row, line = bits[rows[i], first:], out[i]
        for j in range(width):
            value = line[j] + share[j] + _wide(row[j]) * scale[j]
            line[j] = least if value < least else value


@_compiled
def _add(out, bias, rectify):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    least = np.float32(0) if rectify else np.float32(-np.inf)
    for i in range(len(out)):
        line = out[i]
        for j in range(len(bias)):
            value = line[j] + bias[j]
            line[j] = least if value < least else value


@_compiled
def _softmax(logits):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Each row's softmax in its place."""
    for i in range(len(logits)):
        line, total = logits[i], np.float32(0)
        most = line.max()
        for j in range(len(line)):
            line[j] = np.exp(line[j] - most)
            total += line[j]
        for j in range(len(line)):
            line[j] /= total


@intrinsic
def _wide(typing, bits):  # type: ignore[no-untyped-def]
    """A number from its bits as `Held` keeps them, to be multiplied by its scale."""

    def whole(context, builder, signature, given):  # type: ignore[no-untyped-def]
        return builder.sitofp(given[0], ir.FloatType())

    def half(context, builder, signature, given):  # type: ignore[no-untyped-def]
        number = builder.zext(given[0], _INT32)
        size = builder.shl(builder.and_(number, ir.Constant(_INT32, 0x7FFF)), ir.Constant(_INT32, 13))
        sign = builder.shl(builder.and_(number, ir.Constant(_INT32, 0x8000)), ir.Constant(_INT32, 16))
        return builder.bitcast(builder.or_(size, sign), ir.FloatType())

    def single(context, builder, signature, given):  # type: ignore[no-untyped-def]
        return builder.bitcast(given[0], ir.FloatType())

    return numba.float32(bits), {8: whole, 16: half, 32: single}[bits.bitwidth]
