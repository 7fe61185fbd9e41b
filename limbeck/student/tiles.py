"""Matrix products by a processor's tiles (Intel AMX): as exact as the student needs, and faster than in float32.

Tiles multiply bfloat16, which keeps 8 binary digits of float32's 24. A number is nearly the sum of two: x ≈ h + l, h
what is left of x and l of x − h. Weights w are rounded when they are read, whatever multiplies them. So x·w ≈ h·w +
l·w, two products that are summed in float32, and what is left out is 2⁻¹⁶ of x·w (after Henry, Tang and Heinecke 2019,
"Leveraging the bfloat16 Artificial Intelligence Datatype").

The functions here are for compiled loops, which take 32 rows at a time.
"""

import ctypes
import functools
import sys

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from limbeck import compiled

# A tile has 16 rows of 64 bytes. Two beside each other and two below are four results of 16 by 16 that grow at once, so
# that each product can end while the next three begin. Tiles 4 and 5 are of the right matrix, 6 and 7 of the left.
SIDE = 32  # rows and columns of two
_ROWS, _TILE, _LINE = 16, 1_024, 64  # rows, bytes, bytes of a row, and of a line of the cache
SHAPES = np.zeros(64, np.uint8)  # palette 1, and every tile as large as it can be
SHAPES[0] = 1
SHAPES[16:32].view(np.uint16)[:] = _LINE
SHAPES[48:56] = _ROWS
_ARCH_PRCTL, _ARCH_REQ_XCOMP_PERM, _XTILEDATA = 158, 0x1023, 18  # asm/prctl.h, of x86-64


@functools.cache
def available() -> bool:
    """Whether the processor has tiles for bfloat16, and the system lets this process use them."""
    features = llvm.get_host_cpu_features()
    if sys.platform != "linux" or not all(features.get(name) for name in ("amx-tile", "amx-bf16", "avx512bf16")):
        return False
    return ctypes.CDLL(None).syscall(_ARCH_PRCTL, _ARCH_REQ_XCOMP_PERM, _XTILEDATA) == 0


def padded(numbers: np.ndarray) -> np.ndarray:
    """Numbers (n,), and zeros up to whole blocks of 32."""
    return np.concatenate([numbers, np.zeros(-len(numbers) % SIDE, numbers.dtype)])


def nearest(numbers: np.ndarray) -> np.ndarray:
    """The nearest bfloat16 of each number, the even one of two, as float32."""
    bits = np.ascontiguousarray(numbers, np.float32).view(np.uint32)
    last = bits >> 16 & 1
    return ((bits + np.uint32(0x7FFF) + last) & np.uint32(0xFFFF0000)).view(np.float32)


def laid_out(matrix: np.ndarray) -> np.ndarray:
    """A matrix (k, n) of bfloat16 as `add_product` takes it: uint32 (n / 32, k / 32, 2, 16, 16), both rounded up.

    Blocks of 32 by 32: of each a left and a right tile, whose rows are of two numbers of neighbouring rows each. Beyond
    the matrix are zeros.
    """
    depth, width = (-(-size // SIDE) for size in matrix.shape)
    whole = np.zeros((depth * SIDE, width * SIDE), np.float32)
    whole[: len(matrix), : matrix.shape[1]] = matrix
    parts = whole.view(np.uint32) >> 16
    pairs = parts[::2] | parts[1::2] << 16
    blocks = pairs.reshape(depth, _ROWS, width, 2, _ROWS).transpose(2, 0, 3, 1, 4)
    memory = np.empty(blocks.size * 4 + _LINE, np.uint8)
    begin = -memory.ctypes.data % _LINE  # else each row of a tile is in two lines
    found = memory[begin : begin + blocks.size * 4].view(np.uint32).reshape(blocks.shape)
    found[:] = blocks
    return found


llvm.initialize_native_asmparser()  # for `_split`
_BYTE, _LONG = ir.IntType(8), ir.IntType(64)
_POINTER = _BYTE.as_pointer()
_HALVES, _WORDS = (ir.VectorType(ir.IntType(bits), _ROWS) for bits in (16, 32))
_FLOATS = ir.VectorType(ir.FloatType(), _ROWS)


def _emit(builder, name, tiles, address=None, row=None):  # type: ignore[no-untyped-def]
    """One instruction on these tiles; where it is given one, with an address and the bytes from a row to the next."""
    given = [] if address is None else [builder.inttoptr(address, _POINTER)]
    given += [] if row is None else [row]
    kinds = [_BYTE] * len(tiles) + [value.type for value in given]
    called = builder.module.declare_intrinsic(f"llvm.x86.{name}", (), ir.FunctionType(ir.VoidType(), kinds))
    builder.call(called, [ir.Constant(_BYTE, tile) for tile in tiles] + given)


@intrinsic
def begin(typing, shapes):  # type: ignore[no-untyped-def]
    """Have tiles, of the `SHAPES` at this address."""

    def generate(context, builder, signature, given):  # type: ignore[no-untyped-def]
        _emit(builder, "ldtilecfg", (), given[0])
        return context.get_dummy_value()

    return types.void(types.int64), generate


@intrinsic
def end(typing):  # type: ignore[no-untyped-def]
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
    """Add the products of 32 rows of 32 numbers, low and high parts, and a block of the right matrix."""

    def generate(context, builder, signature, given):  # type: ignore[no-untyped-def]
        high, low, row, right = given
        line, below = ir.Constant(_LONG, _LINE), builder.mul(row, ir.Constant(_LONG, _ROWS))
        for column in (0, 1):
            _emit(builder, "tileloadd64", (4 + column,), builder.add(right, ir.Constant(_LONG, column * _TILE)), line)
        for left in (low, high):
            for half, place in enumerate((left, builder.add(left, below))):
                _emit(builder, "tileloadd64", (6 + half,), place, row)
                for column in (0, 1):
                    _emit(builder, "tdpbf16ps", (2 * half + column, 6 + half, 4 + column))
        return context.get_dummy_value()

    return types.void(*[types.int64] * 4), generate


@intrinsic
def _split(typing, numbers, least, high, low):  # type: ignore[no-untyped-def]
    """The parts of 16 numbers, all three at addresses; what is less than `least` counts as that."""

    def generate(context, builder, signature, given):  # type: ignore[no-untyped-def]
        numbers, least, high, low = given
        read = builder.load(builder.inttoptr(numbers, _FLOATS.as_pointer()), align=4)
        lowest = builder.insert_element(ir.Constant(_FLOATS, ir.Undefined), least, ir.Constant(ir.IntType(32), 0))
        lowest = builder.shuffle_vector(lowest, lowest, ir.Constant(_WORDS, [0] * _ROWS))
        read = builder.select(builder.fcmp_ordered(">", read, lowest), read, lowest)
        convert = ir.InlineAsm(ir.FunctionType(_HALVES, [_FLOATS]), "vcvtneps2bf16 $1, $0", "=v,v")
        above = builder.call(convert, [read])
        builder.store(above, builder.inttoptr(high, _HALVES.as_pointer()), align=2)
        wide = builder.shl(builder.zext(above, _WORDS), ir.Constant(_WORDS, [16] * _ROWS))
        left = builder.call(convert, [builder.fsub(read, builder.bitcast(wide, _FLOATS))])
        builder.store(left, builder.inttoptr(low, _HALVES.as_pointer()), align=2)
        return context.get_dummy_value()

    return types.void(types.int64, types.float32, types.int64, types.int64), generate


@compiled.making
def room(rows, columns, kind):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """An empty array (rows, columns) that begins where a line of the cache does."""
    memory = np.empty(rows * columns + _LINE, kind)
    begin = -memory.ctypes.data % _LINE // memory.itemsize
    return memory[begin : begin + rows * columns].reshape(rows, columns)


@compiled.within
def split(numbers, least, high, low):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Put the parts of 16 × n float32 into `high` and `low`, uint16; what is less than `least` counts as that."""
    first, second, third = numbers.ctypes.data, high.ctypes.data, low.ctypes.data
    for j in range(0, len(numbers), _ROWS):
        _split(first + 4 * j, least, second + 2 * j, third + 2 * j)


@compiled.within
def add_product(high, low, right, out):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Add 32 rows (32, ≥ k), in parts, times what is `laid_out` of a matrix (k, n) to `out` (32, ≥ n), float32.

    k and n are rounded up to whole blocks of 32. All numbers are finite; all arrays begin where a cache line does.
    """
    row, across, depth = high.strides[0], out.strides[0], right.shape[1]
    first, second, third, last = high.ctypes.data, low.ctypes.data, right.ctypes.data, out.ctypes.data
    for j in range(len(right)):
        place = last + 4 * SIDE * j
        _load(place, across)
        for k in range(depth):
            block = third + 2 * _TILE * (j * depth + k)
            _step(first + 2 * SIDE * k, second + 2 * SIDE * k, row, block)
        _store(place, across)
