"""A request that has little time left grades fewer candidates, and says so."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limbeck.serve.budget import Budget, Pace
from limbeck.serve.ranker import Ranker


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_a_budget_runs_out_and_is_never_below_nothing():
    clock = Clock()
    budget = Budget(0.5, clock)
    assert budget.left == 0.5
    clock.now = 0.3
    assert budget.left == pytest.approx(0.2)
    clock.now = 9.0
    assert budget.left == 0


def test_without_a_limit_there_is_always_time():
    assert Budget().left == float("inf")


@given(st.floats(1e-9, 10), st.floats(0, 100), st.integers(0, 2_000))
def test_no_more_is_taken_on_than_fits(each, seconds, most):
    pace = Pace()
    assert pace.within(seconds, most) == most  # nothing is known yet
    pace.measured(10, 10 * each)
    count = pace.within(seconds, most)
    assert 0 <= count <= most
    assert count * each <= seconds * (1 + 1e-6) or count == 0
    assert count == most or (count + 1) * each > seconds * (1 - 1e-6)


def test_the_pace_follows_what_is_measured_slowly():
    pace = Pace()
    pace.measured(1, 1.0)
    pace.measured(1, 2.0)
    assert 1.0 < pace.of(1) < 1.2
    pace.measured(0, 99.0)
    assert pace.of(1) < 1.2


def test_a_search_without_time_grades_the_first_found_and_no_fewer_than_asked_for(store):
    ranker = Ranker(store)
    whole = ranker.search("red sofa", 50, 40)
    clock = Clock()
    budget = Budget(1.0, clock)
    clock.now = 2.0
    short = ranker.search("red sofa", 5, 40, budget=budget)
    assert budget.degraded == "fewer candidates"
    assert len(short) == 5
    grades = {pin.pin_id: pin.expected_level for pin in whole}
    assert all(pin.expected_level == pytest.approx(grades[pin.pin_id], abs=1e-5) for pin in short)


def test_a_search_with_time_grades_all(store):
    budget = Budget(1e6)
    ranker = Ranker(store)
    assert len(ranker.search("red sofa", 50, 40, budget=budget)) == len(ranker.search("red sofa", 50, 40))
    assert budget.degraded is None
