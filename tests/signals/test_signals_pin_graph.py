"""Walks over Pins and boards: where they go, how often, and that they never take the board that is kept from them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limbeck.signals import pin_graph

SAVES = st.lists(st.tuples(st.integers(0, 11), st.integers(0, 5)), max_size=40)
PINS, BOARDS = 12, 6


def graph(saves):
    rows = np.array(saves, dtype=np.int64).reshape(-1, 2)
    return pin_graph.of(rows[:, 0], rows[:, 1], PINS, BOARDS)


def around(saves, pin, avoided=-1):
    """Pins on the boards of a Pin, but for those of the board that is avoided."""
    boards = {b for p, b in saves if p == pin} - {avoided}
    return {p for p, b in saves if b in boards}


def walk(saves, avoided=-1):
    """The chances of one step between any two Pins, as a matrix."""
    on = np.zeros((PINS, BOARDS))
    for pin, board in saves:
        on[pin, board] = 1
    holds = on.copy()
    if avoided >= 0:
        on[:, avoided] = 0
    return (on / np.maximum(on.sum(1, keepdims=True), 1)) @ (holds / np.maximum(holds.sum(0), 1)).T


@given(SAVES)
def test_the_graph_holds_each_save_once_on_both_sides(saves):
    found = graph(saves)
    boards = [set(found.boards[a:b].tolist()) for a, b in zip(found.of_pin, found.of_pin[1:])]
    pins = [set(found.pins[a:b].tolist()) for a, b in zip(found.of_board, found.of_board[1:])]
    assert boards == [{b for p, b in saves if p == pin} for pin in range(PINS)]
    assert pins == [{p for p, b in saves if b == board} for board in range(BOARDS)]
    assert len(found.pins) == len(found.boards) == len(set(saves))
    assert found.pins.dtype == found.boards.dtype == np.int32


@given(SAVES, st.integers(-1, BOARDS - 1), st.integers(0, 2**40))
def test_neighbours_are_within_reach_of_a_walk_and_their_shares_make_one(saves, avoided, seed):
    starts = np.arange(PINS)
    found, share = pin_graph.neighbours(graph(saves), starts, np.full(PINS, avoided), seed)
    np.testing.assert_allclose(share.sum(axis=1), 1, atol=1e-5)
    for pin in starts:
        met = set(found[pin][share[pin] > 0].tolist())
        near = around(saves, pin, avoided)
        far = set().union(*(around(saves, p, avoided) for p in near)) - {pin}
        assert met <= far or met == {pin}
        assert met == {pin} or far, "a Pin without neighbours is its own"
        assert (np.diff(share[pin]) <= 0).all(), "most visited first"


def test_shares_are_the_chances_of_the_walk():
    saves = [(0, 0), (1, 0), (2, 0), (2, 1), (3, 1), (4, 1), (4, 2), (5, 2), (0, 3), (6, 3)]
    for avoided in (-1, 3):
        steps = walk(saves, avoided)
        expected = (steps[0] + (steps @ steps)[0]) / 2
        expected[0] = 0
        expected /= expected.sum()
        found, times = np.zeros(PINS), 400
        for seed in range(times):
            pins, share = pin_graph.neighbours(graph(saves), np.array([0]), np.array([avoided]), seed)
            found += np.bincount(pins[0], share[0], PINS)
        np.testing.assert_allclose(found / times, expected, atol=0.015)


@given(SAVES, st.permutations(range(PINS)), st.integers(0, 2**40))
def test_neither_order_nor_company_changes_what_a_start_finds(saves, order, seed):
    order, none = np.array(order), np.full(PINS, -1)
    together = pin_graph.neighbours(graph(saves), np.arange(PINS), none, seed)
    for all_at_once, one in zip(together, pin_graph.neighbours(graph(saves), order[:5], none[:5], seed)):
        np.testing.assert_array_equal(one, all_at_once[order[:5]])


def test_the_seed_decides():
    saves = [(pin, board) for pin in range(PINS) for board in range(BOARDS) if (pin * board) % 5 < 2]
    starts, none = np.arange(PINS), np.full(PINS, -1)
    shares = [pin_graph.neighbours(graph(saves), starts, none, seed)[1] for seed in (1, 1, 2)]
    np.testing.assert_array_equal(shares[0], shares[1])
    assert (shares[0] != shares[2]).any()


@given(SAVES, st.integers(0, 2**40))
def test_strangers_are_on_none_of_the_boards_of_whom_they_are_strange_to(saves, seed):
    for pin, stranger in enumerate(pin_graph.strangers(graph(saves), np.arange(PINS), seed)):
        if stranger >= 0:
            assert stranger != pin
            assert not {b for p, b in saves if p == pin} & {b for p, b in saves if p == stranger}


def test_a_stranger_two_boards_away_is_met():
    chain = [(0, 0), (1, 0), (1, 1), (2, 1), (2, 2), (3, 2)]
    met = {int(pin_graph.strangers(graph(chain), np.array([0]), seed)[0]) for seed in range(40)}
    assert met >= {2, 3}
    assert met <= {-1, 2, 3}


@pytest.mark.parametrize("starts", [[], [3]])
def test_a_graph_without_saves_has_no_walks(starts):
    empty, none = graph([]), np.full(len(starts), -1)
    found, share = pin_graph.neighbours(empty, np.array(starts, dtype=np.int64), none, 0)
    assert found[:, :1].ravel().tolist() == starts
    assert share[:, :1].ravel().tolist() == [1.0] * len(starts)
    assert pin_graph.strangers(empty, np.array(starts, dtype=np.int64), 0).tolist() == [-1] * len(starts)
