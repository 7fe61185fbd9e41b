"""The network's way from what is kept of Pins to the logits of a query and each of them.

By tiles, 32 pairs go through all layers before the next 32 begin: what is between layers stays near the core. Where
there are no tiles, NumPy multiplies, layer by layer.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numba
import numpy as np
from llvmlite import ir
from numba.extending import intrinsic

from limbeck import ahead
from limbeck.relevance import LEVELS
from limbeck.student import tiles
from limbeck.student.tiles import SIDE

_AHEAD = 4  # Pins ahead of the one that is read
_compiled = numba.njit(cache=True, nogil=True, error_model="numpy")
_within = numba.njit(error_model="numpy", nogil=True, forceinline=True)
_INT32 = ir.IntType(32)
_LEAST = np.float32(-np.inf)


class Pairs(NamedTuple):
    """A query and Pins, as the first layer takes them.

    `bits` (N, r + h) are those of the numbers kept of all Pins, `rows` (n,) say which are asked about. `scale` (r + h,)
    makes of them, column by column, the products of both vectors and the Pin's share of the sums; `share` (h,) is the
    query's. `columns` (n, f), of the two together, are brought to `mean` 0 and `spread` 1; `firsts` are those by which
    it is told whether a group of them is missing.
    """

    bits: np.ndarray  # int8, uint16 or int32
    scale: np.ndarray
    rows: np.ndarray
    columns: np.ndarray
    mean: np.ndarray
    spread: np.ndarray
    firsts: np.ndarray
    share: np.ndarray


class Layers(NamedTuple):
    """The matrices of the layers (k, h) and their biases; that of the first is in the query's share already."""

    weights: tuple[np.ndarray, ...]
    biases: tuple[np.ndarray, ...]

    @classmethod
    def of(cls, weights: Sequence[np.ndarray], biases: Sequence[np.ndarray]) -> "Layers":
        """All of them float32; laid out for tiles where there are any."""
        if tiles.available():
            return cls(tuple(map(tiles.laid_out, weights)), tuple(map(tiles.padded, biases)))
        return cls(tuple(weights), tuple(biases))


def logits(pairs: Pairs, layers: Layers) -> np.ndarray:
    """What the last layer says of each pair, float32 (n, 5). All that goes in is finite, but for missing columns."""
    if not tiles.available():
        return _by_numpy(pairs, layers)
    found = np.empty((len(pairs.rows), len(LEVELS)), np.float32)
    _by_tiles(tiles.SHAPES, pairs, *layers, found)
    return found


def _by_numpy(pairs: Pairs, layers: Layers) -> np.ndarray:
    given, found = (np.empty((len(pairs.rows), size), np.float32) for size in layers.weights[0].shape)
    _fill_all(pairs, given, found)
    found += given @ layers.weights[0]
    for weight, bias in zip(layers.weights[1:], layers.biases[1:]):
        found = np.maximum(found, 0, out=found) @ weight
        found += bias
    return found


@_compiled
def _fill_all(pairs, given, sums):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    for i in range(len(pairs.rows)):
        _fill(pairs, i, given, i, sums, i)


@_compiled
def _by_tiles(shapes, pairs, weights, biases, found):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    deepest = widest = 0
    for right in weights:
        deepest, widest = max(deepest, SIDE * right.shape[1]), max(widest, SIDE * len(right))
    high, low = tiles.room(SIDE, deepest, np.uint16), tiles.room(SIDE, deepest, np.uint16)
    line = tiles.room(1, deepest, np.float32)
    sums, others = tiles.room(SIDE, widest, np.float32), tiles.room(SIDE, widest, np.float32)
    line[:] = sums[:] = others[:] = 0
    tiles.begin(shapes.ctypes.data)
    for i in range(0, len(found), SIDE):
        count = min(SIDE, len(found) - i)
        for r in range(count):
            _fill(pairs, i + r, line, 0, sums, r)
            tiles.split(line, 0, deepest, _LEAST, high, low, r)
        tiles.add_product(high, low, weights[0], sums)
        for layer in range(1, len(weights)):
            right, bias = weights[layer], biases[layer]
            for r in range(count):
                tiles.split(sums, r, SIDE * right.shape[1], np.float32(0), high, low, r)
                for j in range(len(bias)):
                    others[r, j] = bias[j]
            tiles.add_product(high, low, right, others)
            sums, others = others, sums
        for r in range(count):
            for j in range(found.shape[1]):
                found[i + r, j] = sums[r, j]
    tiles.end()


@_within
def _fill(pairs, i, given, g, sums, r):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """What the first layer is given of pair `i`: the products, the standardised columns and a bit for each group that
    is missing, in row `g`. And what is summed up already, both shares, in row `r`. What is beyond stays as it is.

    No row is taken out of its array: to count references to it would take longer than to fill it.
    """
    bits, scale, rows, columns, mean, spread, firsts, share = pairs
    _fetch(bits, rows, i + _AHEAD)
    products, width = np.uint64(bits.shape[1] - len(share)), np.uint64(columns.shape[1])  # so that none is below zero
    row, i, g, r = np.uint64(rows[i]), np.uint64(i), np.uint64(g), np.uint64(r)
    for j in range(products):
        given[g, j] = _wide(bits[row, j]) * scale[j]
    for j in range(width):
        value = (columns[i, j] - mean[j]) * spread[j]
        given[g, products + j] = value if value == value else np.float32(0)
    for n in range(np.uint64(len(firsts))):
        value = columns[i, firsts[n]]
        given[g, products + width + n] = np.float32(0) if value == value else np.float32(1)
    for j in range(np.uint64(len(share))):
        sums[r, j] = share[j] + _wide(bits[row, products + j]) * scale[products + j]


@_within
def _fetch(bits, rows, i):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    if i < len(rows):
        size = bits.shape[1] * bits.itemsize
        begin = bits.ctypes.data + rows[i] * size
        for address in range(begin, begin + size, ahead.LINE):
            ahead.fetch(address)


@intrinsic
def _wide(typing, bits):  # type: ignore[no-untyped-def]
    """A number from its bits as `Held` (scoring.py) keeps them, to be multiplied by its scale."""

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
