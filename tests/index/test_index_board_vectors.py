"""A board is what its title and the Pins on it say together."""

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from limbeck.index import board_vectors


def test_boards_are_all_those_that_anything_names_each_known_pin_once_on_it():
    saves = pa.table({"board_id": ["b", "a", "b", "z", "b"], "pin_id": ["p", "q", "p", "gone", "q"]})
    titled = pa.table({"board_id": ["b", "c", "z"], "title": ["sofas", None, "lamps"]})
    found, pin, board = board_vectors.numbered(saves, titled, pa.array(["p", "q"]))
    assert found.to_pydict() == {"board_id": ["a", "b", "c", "z"], "title": [None, "sofas", None, "lamps"]}
    assert list(zip(board.tolist(), pin.tolist())) == [(0, 1), (1, 0), (1, 1)]


def test_without_saves_boards_are_their_titles():
    saves = pa.table({"board_id": pa.array([], pa.string()), "pin_id": pa.array([], pa.string())})
    found, pin, board = board_vectors.numbered(saves, pa.table({"board_id": ["a"], "title": ["x"]}), pa.array(["p"]))
    made = board_vectors.vectors(np.eye(2, dtype=np.float32)[:1], pin, board, np.float32([[0, 2]]))
    assert (found.num_rows, made.tolist()) == (1, [[0, 1]])


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 6)), max_size=30), st.integers(1, 7))
def test_vectors_are_the_directions_of_sums_whatever_is_summed_at_once(saves, at_once):
    random = np.random.default_rng(0)
    pins, titles = board_vectors.unit(random.normal(size=(7, 3))), board_vectors.unit(random.normal(size=(5, 3)))
    titles[2] = 0
    rows = np.array(sorted(saves), dtype=np.int64).reshape(-1, 2)
    before, board_vectors.ROWS_AT_ONCE = board_vectors.ROWS_AT_ONCE, at_once
    try:
        found = board_vectors.vectors(pins, rows[:, 1], rows[:, 0], titles)
    finally:
        board_vectors.ROWS_AT_ONCE = before
    for board, vector in enumerate(found):
        total = board_vectors.TITLE * titles[board] + sum((pins[p] for b, p in saves if b == board), np.zeros(3))
        np.testing.assert_allclose(vector * np.linalg.norm(total), total, atol=1e-5)
