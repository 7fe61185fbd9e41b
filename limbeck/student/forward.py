"""The network's way from what is kept of Pins to the probabilities of a query and each of them.

By tiles, 32 pairs go through all layers before the next 32 begin: what is between layers stays near the core. Where
there are no tiles, NumPy multiplies, layer by layer.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numba
import numpy as np
from llvmlite import ir
from numba.extending import intrinsic

from limbeck import ahead, compiled
from limbeck.relevance import LEVELS, softmax
from limbeck.student import tiles
from limbeck.student.tiles import SIDE

_AHEAD = 4  # Pins ahead of the one that is read
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


def probabilities(pairs: Pairs, layers: Layers) -> np.ndarray:
    """Five probabilities of each pair, float32 (n, 5). All that goes in is finite, but for missing columns."""
    if not tiles.available():
        return softmax(_by_numpy(pairs, layers))
    found = np.empty(len(pairs.rows) * len(LEVELS), np.float32)
    _by_tiles(tiles.SHAPES, pairs, *layers, found)
    return found.reshape(-1, len(LEVELS))


def _by_numpy(pairs: Pairs, layers: Layers) -> np.ndarray:
    given, found = (np.empty((len(pairs.rows), size), np.float32) for size in layers.weights[0].shape)
    _fill_all(pairs, given, found)
    found += given @ layers.weights[0]
    for weight, bias in zip(layers.weights[1:], layers.biases[1:]):
        found = np.maximum(found, 0, out=found) @ weight
        found += bias
    return found


@compiled.kernel
def _fill_all(pairs, given, sums):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    for i in range(len(pairs.rows)):
        _fill(pairs, i, given[i], sums[i])


@compiled.making
def _by_tiles(shapes, pairs, weights, biases, found):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    deepest = widest = 0
    for right in weights:
        deepest, widest = max(deepest, SIDE * right.shape[1]), max(widest, SIDE * len(right))
    given = tiles.room(1, deepest, np.float32)[0]
    high, low = tiles.room(SIDE, deepest, np.uint16), tiles.room(SIDE, deepest, np.uint16)
    sums, others = tiles.room(SIDE, widest, np.float32), tiles.room(SIDE, widest, np.float32)
    given[:] = sums[:] = others[:] = 0
    tiles.begin(shapes.ctypes.data)
    _block_by_block(pairs, weights, biases, (given, high, low, sums, others), found)
    tiles.end()


@compiled.within
def _block_by_block(pairs, weights, biases, room, found):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    given, high, low, sums, others = room
    for i in range(0, len(pairs.rows), SIDE):
        count = min(SIDE, len(pairs.rows) - i)
        for r in range(count):
            _fill(pairs, i + r, given, sums[r])
            tiles.split(given, _LEAST, high[r], low[r])
        tiles.add_product(high, low, weights[0], sums)
        for layer in range(1, len(weights)):
            right, bias = weights[layer], biases[layer]
            for r in range(count):
                tiles.split(sums[r, : SIDE * right.shape[1]], np.float32(0), high[r], low[r])
                line = others[r]
                for j in range(len(bias)):
                    line[j] = bias[j]
            tiles.add_product(high, low, right, others)
            sums, others = others, sums
        _shares(sums, count, found[_FIVE * i : _FIVE * (i + count)])


@compiled.within
def _shares(logits, count, out):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """The softmax of the first five of each of so many rows, one after the other; NaN where any of them is."""
    for r in range(count):
        most = logits[r, 0]
        for j in range(1, _FIVE):
            most = max(most, logits[r, j])
        for j in range(_FIVE):
            out[_FIVE * r + j] = logits[r, j] - most
    for k in range(len(out)):
        out[k] = _exponential(out[k])
    for r in range(count):
        total = np.float32(0)
        for j in range(_FIVE):
            total += out[_FIVE * r + j]
        for j in range(_FIVE):
            out[_FIVE * r + j] /= total


@compiled.within
def _exponential(x):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """e to the power of x ≤ 0, within 2e-7 of it, many at a time: the library's own takes them one by one.

    Cephes' expf: 2ⁿ times a polynomial of what is left of x. n is in the last bits of a number so large that it has no
    others behind the point.
    """
    x = _LEAST_POWER if x < _LEAST_POWER else x  # NaN stays what it is
    large = x * _LOG2_E + _NO_FRACTIONS
    n = large - _NO_FRACTIONS
    x = x - n * _LN2[0] - n * _LN2[1]
    power = np.float32(0)
    for factor in _CEPHES:
        power = power * x + factor
    return (power * x * x + x + np.float32(1)) * _two_to(large)


@intrinsic
def _two_to(typing, large):  # type: ignore[no-untyped-def]
    """2ⁿ, n in the last bits of a number: they are moved to where a float has its exponent, which is 127 for 0."""

    def generate(context, builder, signature, given):  # type: ignore[no-untyped-def]
        moved = builder.shl(builder.bitcast(given[0], _INT32), ir.Constant(_INT32, 23))
        return builder.bitcast(builder.add(moved, ir.Constant(_INT32, 127 << 23)), ir.FloatType())

    return numba.float32(numba.float32), generate


_FIVE, _LEAST_POWER = len(LEVELS), np.float32(-87)
_LOG2_E, _LN2 = np.float32(1.44269504), (np.float32(0.693359375), np.float32(-2.12194440e-4))
_NO_FRACTIONS = np.float32(3 << 22)
_CEPHES = tuple(
    map(np.float32, (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 0.5))
)


@compiled.within
def _fill(pairs, i, given, sums):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """What the first layer is given of pair `i`: the products, the standardised columns and a bit for each group that
    is missing. And what is summed up already: both shares. What is beyond stays as it is.
    """
    bits, scale, rows, columns, mean, spread, firsts, share = pairs
    ahead.fetch_row(bits, rows, i + _AHEAD)
    row, told = bits[rows[i]], columns[i]
    products = len(row) - len(share)
    for j in range(products):
        given[j] = _wide(row[j]) * scale[j]
    standard, missing = given[products:], given[products + len(told) :]
    for j in range(len(told)):
        value = (told[j] - mean[j]) * spread[j]
        standard[j] = value if value == value else np.float32(0)
    for n in range(len(firsts)):
        value = told[firsts[n]]
        missing[n] = np.float32(0) if value == value else np.float32(1)
    kept, shared = row[products:], scale[products:]
    for j in range(len(share)):
        sums[j] = share[j] + _wide(kept[j]) * shared[j]


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
