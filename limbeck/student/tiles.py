"""Matrix products by a processor's tiles (Intel AMX): as exact as the student needs, and faster than in float32.

Tiles multiply bfloat16, which keeps 8 binary digits of float32's 24. A number is nearly the sum of two: x ≈ h + l, h
what is left of x and l of x − h. So x·w ≈ h·h' + l·h' + h·l', three products that are summed in float32, and what is
left out is 2⁻¹⁵ of x·w (Henry, Tang and Heinecke 2019, "Leveraging the bfloat16 Artificial Intelligence Datatype").

Where there are no tiles, NumPy multiplies.
"""

import ctypes
import functools
import math
import sys
from typing import NamedTuple

import llvmlite.binding as llvm
import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

# A tile has 16 rows of 64 bytes. Two beside each other and two below are four results of 16 by 16 that grow at once, so
# that each product can end while the next three begin. Tiles 4 and 5 are of the right matrix, 6 and 7 of the left.
_ROWS, _SIDE, _TILE, _LINE = 16, 32, 1_024, 64  # rows, rows and columns of two, bytes, bytes of a row
_SHAPES = np.zeros(64, np.uint8)  # palette 1, and every tile as large as it can be
_SHAPES[0] = 1
_SHAPES[16:32].view(np.uint16)[:] = _LINE
_SHAPES[48:56] = _ROWS
_ARCH_PRCTL, _ARCH_REQ_XCOMP_PERM, _XTILEDATA = 158, 0x1023, 18  # asm/prctl.h, of x86-64


class Right(NamedTuple):
    """A matrix (k, n) to multiply others with; where there are tiles, laid out for them."""

    plain: np.ndarray
    blocks: np.ndarray  # uint32 (n / 32, k / 32, 2, 2, 16, 16), rounded up: high and low parts, left and right tile

    @classmethod
    def of(cls, matrix: np.ndarray) -> "Right":
        """A float32 matrix (k, n), C-contiguous."""
        sides = tuple(_up(size) // _SIDE if available() else 0 for size in matrix.shape[::-1])
        blocks = _at_lines((*sides, 2, 2, _ROWS, _ROWS), np.uint32)
        if available():
            blocks[:] = 0
            _lay_out(matrix, blocks)
        return cls(matrix, blocks)


def room(rows: int, columns: int) -> np.ndarray:
    """Where products of so many rows and columns may be added up, float32: a little more, in both directions."""
    return _at_lines((_up(rows), _up(columns)), np.float32)


def _up(size: int) -> int:
    return -(-size // _SIDE) * _SIDE


def _at_lines(shape: tuple[int, ...], dtype: type[np.generic]) -> np.ndarray:
    """An empty array that begins where a line of the cache does: else each row of a tile is in two of them."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    memory = np.empty(size + _LINE, np.uint8)
    begin = -memory.ctypes.data % _LINE
    return memory[begin : begin + size].view(dtype).reshape(shape)


def add_product(left: np.ndarray, right: Right, out: np.ndarray, rows: int, rectify: bool = False) -> None:
    """Add the first `rows` of `left` (≥ rows, ≥ k) times `right` (k, n) to `out`, which has the `room` for it.

    With `rectify`, what is below zero in `left` counts as zero. All numbers are finite, C-contiguous, and float32.
    """
    (depth, width), used = right.plain.shape, left[:rows]
    if available():
        parts = _at_lines((2, _SIDE, _SIDE * right.blocks.shape[1]), np.uint16)
        _multiply(_SHAPES, used, depth, right.blocks, rectify, parts, out)
    else:
        given = used[:, :depth]
        out[:rows, :width] += np.maximum(given, 0) @ right.plain if rectify else given @ right.plain


@functools.cache
def available() -> bool:
    """Whether the processor has tiles for bfloat16, and the system lets this process use them."""
    features = llvm.get_host_cpu_features()
    if sys.platform != "linux" or not (features.get("amx-tile") and features.get("amx-bf16")):
        return False
    return ctypes.CDLL(None).syscall(_ARCH_PRCTL, _ARCH_REQ_XCOMP_PERM, _XTILEDATA) == 0


_compiled = numba.njit(cache=True, nogil=True, error_model="numpy")
_BYTE, _WORD, _LONG = ir.IntType(8), ir.IntType(32), ir.IntType(64)
_POINTER = _BYTE.as_pointer()


def _emit(builder, name, tiles, address=None, row=None):  # type: ignore[no-untyped-def]
    """One instruction on these tiles; where it is given one, with an address and the bytes from a row to the next."""
    given = [] if address is None else [builder.inttoptr(address, _POINTER)]
    given += [] if row is None else [row]
    kinds = [_BYTE] * len(tiles) + [value.type for value in given]
    called = builder.module.declare_intrinsic(f"llvm.x86.{name}", (), ir.FunctionType(ir.VoidType(), kinds))
    builder.call(called, [ir.Constant(_BYTE, tile) for tile in tiles] + given)


@intrinsic
def _begin(typing, shapes):  # type: ignore[no-untyped-def]
    """Have tiles, of these shapes."""

    def generate(context, builder, signature, given):  # type: ignore[no-untyped-def]
        _emit(builder, "ldtilecfg", (), given[0])
        return context.get_dummy_value()

    return types.void(types.int64), generate


@intrinsic
def _end(typing):  # type: ignore[no-untyped-def]
    """Have no tiles any more: else the system keeps them whenever it lets another thread run."""

    def generate(context, builder, signature, given):  # type: ignore[no-untyped-def]
        _emit(builder, "tilerelease", ())
        return context.get_dummy_value()

    return types.void(), generate


def _moving(name):  # type: ignore[no-untyped-def]
    """Reads or writes the four results, 32 rows of 32 numbers: at an address, a row of which has so many bytes."""

    @intrinsic
    def move(typing, address, row):  # type: ignore[no-untyped-def]
        def generate(context, builder, signature, given):  # type: ignore[no-untyped-def]
            address, row = given
            for half in (0, 1):
                for column in (0, 1):
                    place = builder.add(address, ir.Constant(_LONG, _LINE * column))
                    _emit(builder, name, (2 * half + column,), place, row)
                address = builder.add(address, builder.mul(row, ir.Constant(_LONG, _ROWS)))
            return context.get_dummy_value()

        return types.void(types.int64, types.int64), generate

    return move


_load, _store = _moving("tileloadd64"), _moving("tilestored64")


@intrinsic
def _step(typing, high, low, row, right):  # type: ignore[no-untyped-def]
    """Add the products of 32 rows of 32 numbers, high and low parts, and a block of the right matrix."""

    def generate(context, builder, signature, given):  # type: ignore[no-untyped-def]
        high, low, row, right = given
        line, below = ir.Constant(_LONG, _LINE), builder.mul(row, ir.Constant(_LONG, _ROWS))
        for part, lefts in enumerate(((high, low), (high,))):
            for column in (0, 1):
                place = builder.add(right, ir.Constant(_LONG, (2 * part + column) * _TILE))
                _emit(builder, "tileloadd64", (4 + column,), place, line)
            for left in lefts:
                for half, place in enumerate((left, builder.add(left, below))):
                    _emit(builder, "tileloadd64", (6 + half,), place, row)
                    for column in (0, 1):
                        _emit(builder, "tdpbf16ps", (2 * half + column, 6 + half, 4 + column))
        return context.get_dummy_value()

    return types.void(*[types.int64] * 4), generate


def _nearest(builder, number):  # type: ignore[no-untyped-def]
    """The bits of a float32, rounded to those of a bfloat16."""
    rounded = builder.add(builder.bitcast(number, _WORD), ir.Constant(_WORD, 0x8000))
    return builder.and_(rounded, ir.Constant(_WORD, 0xFFFF0000))


@intrinsic
def _high(typing, number):  # type: ignore[no-untyped-def]
    """The nearest bfloat16, its bits in the lower half."""

    def generate(context, builder, signature, given):  # type: ignore[no-untyped-def]
        return builder.lshr(_nearest(builder, given[0]), ir.Constant(_WORD, 16))

    return types.uint32(types.float32), generate


@intrinsic
def _low(typing, number):  # type: ignore[no-untyped-def]
    """The bfloat16 that is nearest to what the nearest one leaves."""

    def generate(context, builder, signature, given):  # type: ignore[no-untyped-def]
        left = builder.fsub(given[0], builder.bitcast(_nearest(builder, given[0]), ir.FloatType()))
        return builder.lshr(_nearest(builder, left), ir.Constant(_WORD, 16))

    return types.uint32(types.float32), generate


@_compiled
def _multiply(shapes, left, depth, right, rectify, parts, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    least = np.float32(0) if rectify else np.float32(-np.inf)
    high, low = parts[0], parts[1]
    parts[:] = 0
    row, across = 2 * high.shape[1], 4 * out.shape[1]
    first, second, third, last = high.ctypes.data, low.ctypes.data, right.ctypes.data, out.ctypes.data
    _begin(shapes.ctypes.data)
    for i in range(0, len(left), _SIDE):
        for r in range(min(_SIDE, len(left) - i)):
            for j in range(depth):
                number = left[i + r, j] if left[i + r, j] > least else least
                high[r, j], low[r, j] = _high(number), _low(number)
        for j in range(len(right)):
            place = last + i * across + 4 * _SIDE * j
            _load(place, across)
            for k in range(right.shape[1]):
                block = third + 4 * _TILE * (j * right.shape[1] + k)
                _step(first + 2 * _SIDE * k, second + 2 * _SIDE * k, row, block)
            _store(place, across)
    _end()


@_compiled
def _lay_out(matrix, blocks):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Numbers of two rows side by side, as tiles take a right matrix; zeros beyond its edges."""
    depth, width = matrix.shape
    nothing = np.zeros(width, np.float32)
    for i in range(0, depth, 2):
        upper, lower, row = matrix[i], matrix[i + 1] if i + 1 < depth else nothing, i % _SIDE // 2
        for j in range(0, width, _ROWS):
            block, column = blocks[j // _SIDE, i // _SIDE], j % _SIDE // _ROWS
            high, low = block[0, column, row], block[1, column, row]
            for p in range(min(_ROWS, width - j)):
                first, second = upper[j + p], lower[j + p]
                high[p] = _high(first) | _high(second) << np.uint32(16)
                low[p] = _low(first) | _low(second) << np.uint32(16)
