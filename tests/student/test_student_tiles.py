"""Products by tiles: as exact as they say, whatever the sizes."""

from pathlib import Path

import numba
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from limbeck.student import tiles
from limbeck.student.tiles import SIDE

SIZES = st.integers(1, 70)
with_tiles = pytest.mark.skipif(not tiles.available(), reason="this processor has no tiles")


def drawn(seed, *sizes):
    random = np.random.default_rng(seed)
    return [(random.standard_normal(size) * 10 ** random.uniform(-3, 3, size)).astype(np.float32) for size in sizes]


@numba.njit
def multiply(shapes, rows, least, right, begin):
    depth, width = SIDE * right.shape[1], SIDE * len(right)
    high, low = tiles.room(SIDE, depth, np.uint16), tiles.room(SIDE, depth, np.uint16)
    given, out = tiles.room(SIDE, depth, np.float32), tiles.room(SIDE, width, np.float32)
    given[:], out[:] = 0, 0
    given[: len(rows), : rows.shape[1]], out[: len(rows), : begin.shape[1]] = rows, begin
    tiles.begin(shapes.ctypes.data)
    for r in range(SIDE):
        tiles.split(given[r], least, high[r], low[r])
    tiles.add_product(high, low, right, out)
    tiles.end()
    return out


@with_tiles
@given(rows=st.integers(1, SIDE), depth=SIZES, width=SIZES, rectify=st.booleans(), seed=st.integers(0, 2**32))
def test_a_product_is_that_of_double_precision_but_for_the_last_digits(rows, depth, width, rectify, seed):
    left, matrix, begin = drawn(seed, (rows, depth), (depth, width), (rows, width))
    matrix = tiles.nearest(matrix)
    used = np.maximum(left, 0) if rectify else left
    exact = used.astype(np.float64) @ matrix.astype(np.float64) + begin
    room = np.abs(used).astype(np.float64) @ np.abs(matrix).astype(np.float64) + np.abs(begin)
    least = np.float32(0 if rectify else -np.inf)
    found = multiply(tiles.SHAPES, left, least, tiles.laid_out(matrix), begin)
    assert (np.abs(found[:rows, :width] - exact) <= 2.0**-16 * room).all()
    assert (found[rows:] == 0).all()
    assert (found[:, width:] == 0).all()


@given(depth=SIZES, width=SIZES, seed=st.integers(0, 2**32))
def test_a_matrix_is_laid_out_whole_blocks_of_it_with_zeros_beyond(depth, width, seed):
    matrix = tiles.nearest(*drawn(seed, (depth, width)))
    blocks = tiles.laid_out(matrix)
    assert blocks.shape[:2] == (-(-width // SIDE), -(-depth // SIDE))
    assert blocks.ctypes.data % 64 == 0
    of_two = blocks.transpose(1, 3, 0, 2, 4).reshape(-1, SIDE * blocks.shape[0])  # two rows, column
    whole = np.stack([of_two << 16, of_two & 0xFFFF0000], axis=1).view(np.float32).reshape(-1, of_two.shape[1])
    assert (whole[:depth, :width] == matrix).all()
    assert not whole[depth:].any()
    assert not whole[:, width:].any()


@given(st.lists(st.floats(-(2.0**126), 2.0**126, width=32)))
def test_rounded_numbers_are_those_of_torch(numbers):
    found = tiles.nearest(np.asarray(numbers, np.float32))
    assert found.tolist() == torch.tensor(numbers, dtype=torch.float32).bfloat16().float().tolist()


def test_numbers_are_padded_to_whole_blocks():
    for count in (1, SIDE, SIDE + 1):
        found = tiles.padded(np.ones(count, np.float32))
        assert (len(found) % SIDE, found.sum(), found[:count].sum()) == (0, count, count)


def test_whether_there_are_tiles_is_what_the_processor_says():
    said = Path("/proc/cpuinfo")
    assert tiles.available() <= (said.exists() and {"amx_bf16", "avx512_bf16"} <= set(said.read_text().split()))
