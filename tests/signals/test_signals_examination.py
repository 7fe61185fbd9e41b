"""What positions do to clicks is told apart from what stands in them."""

import numpy as np
import pytest

from limbeck.signals.examination import POSITIONS, comparisons, examination

LOOKS = np.array([1.0, 0.7, 0.5, 0.3, 0.2])


def log(searches, seed=0):
    """Pages of five Pins, the better ones mostly above: row-aligned pair, position, shown, clicks."""
    random = np.random.default_rng(seed)
    liked = random.random((40, 5))  # of 40 queries and the five Pins that are shown for each
    query = random.integers(40, size=searches)
    order = np.argsort(-liked[query] + random.normal(0, 0.4, (searches, 5)), axis=1)
    clicks = random.random(order.shape) < LOOKS * np.take_along_axis(liked[query], order, axis=1)
    position = np.broadcast_to(np.arange(1, 6), order.shape)
    pair = query[:, None] * 5 + order
    return tuple(a.ravel() for a in (pair, position, np.ones_like(pair), clicks.astype(np.int64)))


def test_looks_are_found_where_better_pins_stand_above():
    rows = log(20_000)
    found = examination(comparisons(*rows))
    np.testing.assert_allclose(found[:5], LOOKS, atol=0.05)
    rates = np.bincount(rows[1] - 1, rows[3]) / np.bincount(rows[1] - 1)
    assert (np.abs(rates / rates[0] - LOOKS)[1:] > 0.05).any(), "the position alone would have told"


def test_parts_of_a_log_add_up_where_no_pair_is_in_two():
    rows = np.stack(log(500))
    first = rows[0] < 100
    whole = comparisons(*rows)
    np.testing.assert_allclose(comparisons(*rows[:, first]) + comparisons(*rows[:, ~first]), whole)


def test_rows_of_the_same_place_count_together():
    pair, position = np.array([7, 7, 7]), np.array([1, 2, 2])
    apart = comparisons(pair, position, np.array([4, 1, 1]), np.array([2, 0, 1]))
    together = comparisons(pair[:2], position[:2], np.array([4, 2]), np.array([2, 1]))
    np.testing.assert_allclose(apart, together)
    assert apart[0, 1] == pytest.approx(2 * 2 / 6)  # the clicks at 1, by the share of the impressions at 2
    assert apart[1, 0] == pytest.approx(1 * 4 / 6)


@pytest.mark.parametrize("rows", [0, 3])
def test_without_comparisons_all_positions_are_alike(rows):
    pair = np.arange(rows)
    assert (examination(comparisons(pair, pair + 1, np.ones(rows, int), np.ones(rows, int))) == 1).all()


def test_what_is_far_down_counts_as_the_last_position():
    pair, ones = np.array([0, 0]), np.ones(2, dtype=np.int64)
    deep = comparisons(pair, np.array([1, 10_000]), ones, ones)
    np.testing.assert_array_equal(deep, comparisons(pair, np.array([1, POSITIONS]), ones, ones))
