"""Recall of what was held out: against counting one by one, and against luck."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limbeck.measure import finding


def naive(asking, items, wanted, known):
    """The mean place over every order of the items that agrees with their likeness."""
    found = []
    for vector, own, has in zip(asking, wanted, known):
        likeness = {i: float(vector @ item) for i, item in enumerate(items) if i not in set(has.tolist()) | {own}}
        mine = float(vector @ items[own])
        found.append(sum(x > mine for x in likeness.values()) + sum(x == mine for x in likeness.values()) / 2)
    return found


@given(st.integers(0, 10_000), st.integers(1, 12))
def test_places_are_counted_as_one_by_one_ties_in_the_middle(seed, items):
    random = np.random.default_rng(seed)
    vectors = random.integers(-1, 2, (items, 3)).astype(np.float32)
    asking = random.integers(-1, 2, (5, 3)).astype(np.float32)
    wanted = random.integers(0, items, 5)
    known = [np.setdiff1d(random.integers(0, items, random.integers(0, 4)), wanted[i]) for i in range(5)]
    assert finding.places(asking, vectors, wanted, known).tolist() == naive(asking, vectors, wanted, known)


def test_vectors_that_tell_nothing_find_by_luck_alone():
    nothing = np.zeros((1, 4), np.float32)
    assert finding.places(nothing, np.zeros((101, 4), np.float32), np.array([7]), [np.array([3, 4])]) == [49]


def test_recall_is_the_share_within_the_depth_inside_its_interval():
    places = np.repeat([0.0, 5.0, 50.0, 500.0], 25)
    found = finding.recalls(places, (1, 10, 100), 500, 0.95, seed=0)
    assert [(r.depth, r.value) for r in found] == [(1, 0.25), (10, 0.5), (100, 0.75)]
    for r in found:
        spread = 1.96 * (r.value * (1 - r.value) / len(places)) ** 0.5
        assert r.low == pytest.approx(r.value - spread, abs=0.03)
        assert r.high == pytest.approx(r.value + spread, abs=0.03)
    assert finding.recalls(places, (1, 10, 100), 500, 0.95, seed=0) == found


def test_nobody_who_asks_has_no_recall():
    (found,) = finding.recalls(np.zeros(0), (10,), 50, 0.95, seed=0)
    assert np.isnan([found.value, found.low, found.high]).all()
