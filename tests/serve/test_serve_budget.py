"""A request that has little time left grades fewer candidates, and says so."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limbeck.serve.budget import Budget, Cost, Pace
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


def costing(fixed, each, counts):
    """What is known after some numbers of items were done."""
    cost = Cost()
    cost.measured(1, 1e9)  # the first time, when all is compiled
    for count in counts:
        cost.measured(count, fixed + each * count)
    return cost


@given(st.floats(1e-6, 1), st.floats(1e-6, 1), st.floats(1e-3, 100), st.integers(1, 2_000))
def test_no_more_is_taken_on_than_fits(fixed, each, seconds, most):
    cost = costing(fixed, each, [10, 40, 20])
    count = cost.within(seconds, most)
    assert 0 <= count <= most
    assert count == 0 or fixed + each * count <= seconds * (1 + 1e-6) + 1e-9
    assert count == most or fixed + each * (count + 1) > seconds * (1 - 1e-6) - 1e-9


def test_before_anything_is_known_all_is_tried_unless_the_time_is_over():
    assert Cost().within(0.1, 500) == costing(0, 0, []).within(0.1, 500) == 500
    assert Cost().within(0, 500) == 0


def test_a_few_that_cost_much_for_being_few_do_not_keep_it_from_trying_many():
    assert costing(0.02, 1e-5, [10] * 30).within(0.5, 500) == 500


def test_after_a_slow_spell_many_are_graded_again():
    cost = costing(0.02, 0.01, [500, 50, 40, 48])  # a machine that was busy
    assert cost.within(0.5, 500) < 60
    for _ in range(60):
        count = max(10, cost.within(0.5, 500))
        cost.measured(count, 0.02 + 1e-5 * count)
    assert cost.within(0.5, 500) == 500


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
