"""Products by tiles: as exact as they say, whatever the sizes, and the same without tiles as far as grades go."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limbeck.relevance import expected_level, softmax
from limbeck.student import tiles

SIZES = st.integers(1, 70)


def drawn(seed, *sizes):
    random = np.random.default_rng(seed)
    return [(random.standard_normal(size) * 10 ** random.uniform(-3, 3, size)).astype(np.float32) for size in sizes]


def product(left, matrix, begin, rectify):
    out = tiles.room(len(left), matrix.shape[1])
    found = out[: len(left), : matrix.shape[1]]
    found[:] = begin
    tiles.add_product(left, tiles.Right.of(matrix), out, len(left), rectify)
    return found


@given(rows=st.integers(0, 70), depth=SIZES, width=SIZES, rectify=st.booleans(), seed=st.integers(0, 2**32))
def test_a_product_is_that_of_double_precision_but_for_the_last_digits(rows, depth, width, rectify, seed):
    left, matrix, begin = drawn(seed, (rows, depth), (depth, width), (rows, width))
    used = np.maximum(left, 0) if rectify else left
    exact = used.astype(np.float64) @ matrix.astype(np.float64) + begin
    room = np.abs(used).astype(np.float64) @ np.abs(matrix).astype(np.float64) + np.abs(begin)
    assert (np.abs(product(left, matrix, begin, rectify) - exact) <= 2.0**-15 * room).all()


def test_what_lies_beyond_rows_and_columns_is_not_looked_at():
    left, matrix = drawn(1, (40, 50), (33, 5))
    left[:, 33:] = left[17:] = np.nan
    out = tiles.room(17, 5)
    out[:] = 0
    tiles.add_product(left, tiles.Right.of(matrix), out, 17)
    np.testing.assert_allclose(out[:17, :5], left[:17, :33] @ matrix, rtol=1e-3, atol=1)


@pytest.mark.parametrize("seed", range(5))
def test_grades_without_tiles_are_the_same_within_a_hundredth_of_a_level(seed, monkeypatch):
    random = np.random.default_rng(seed)
    left, first, second = (random.standard_normal(n, np.float32) for n in ((1_000, 194), (194, 64), (64, 5)))

    def levels():
        hidden = product(left, first / 14, 0, False)
        return expected_level(softmax(product(np.ascontiguousarray(hidden), second, 0, True)))

    here = levels()
    monkeypatch.setattr(tiles, "available", lambda: False)
    assert np.abs(levels() - here).max() < 1e-3


def test_whether_there_are_tiles_is_what_the_processor_says():
    said = Path("/proc/cpuinfo")
    assert tiles.available() <= (said.exists() and "amx_bf16" in said.read_text().split())
