"""A request that has little time left grades fewer candidates, or none, and says so."""

import contextlib
import dataclasses

import pytest
from fixed import Fixed
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from limbeck.errors import WorkspaceError
from limbeck.serve import app
from limbeck.serve.budget import FAILED, FEWER, LATE, Budget, Cost, Pace
from limbeck.serve.ranker import Ranker
from limbeck.settings import Serve


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


def test_a_search_whose_time_ends_while_it_retrieves_grades_the_first_found_and_no_fewer_than_asked_for(store):
    clock = Clock()

    @contextlib.contextmanager
    def slow(stage):
        yield
        clock.now += stage == "retrieve"

    ranker = Ranker(store, stage=slow)
    whole = ranker.search("red sofa", 50, 40)
    budget = Budget(1.0, clock)
    short = ranker.search("red sofa", 5, 40, budget=budget)
    assert budget.degraded == FEWER
    assert budget.graded
    assert len(short) == 5
    grades = {pin.pin_id: pin.expected_level for pin in whole}
    assert all(pin.expected_level == pytest.approx(grades[pin.pin_id], abs=1e-5) for pin in short)


def test_a_search_with_time_grades_all(store):
    budget = Budget(1e6)
    ranker = Ranker(store)
    assert len(ranker.search("red sofa", 50, 40, budget=budget)) == len(ranker.search("red sofa", 50, 40))
    assert budget.degraded is None


def late():
    """A budget of which nothing is left."""
    clock = Clock()
    budget = Budget(1.0, clock)
    clock.now = 2.0
    return budget


class Failing:
    """A student that can read nothing any more."""

    tokens = None

    def vectors(self, texts):
        raise ZeroDivisionError("a secret of the inside")


@pytest.fixture
def failing(store):
    return Ranker(dataclasses.replace(store, student=Failing()))


def ungraded(pins):
    return all((pin.level, pin.expected_level, pin.probabilities) == (None, None, None) for pin in pins)


def test_a_search_that_is_too_late_is_answered_by_its_words_and_no_model_is_asked(store, failing):
    expected = store.ids(store.lexical.search("red sofa", 5).rows)
    for ranker in (Ranker(store), failing):
        budget = late()
        found = ranker.search("red sofa", 5, 40, budget=budget)
        assert [pin.pin_id for pin in found] == expected
        assert ungraded(found)
        assert (budget.degraded, budget.graded) == (LATE, False)


def test_text_match_keeps_to_the_language_asked_for_and_finds_what_was_meant(store):
    found = Ranker(store).search("wedding dress", 50, 40, language="de", budget=late())
    assert found
    assert {pin.language for pin in found} <= {"de", None}
    assert Ranker(store).search("weding dress", 5, 40, budget=late()) == found_of(store, "wedding dress", 5)


def found_of(store, query, k):
    return Ranker(store).search(query, k, 40, budget=late())


def test_where_the_student_fails_a_search_is_answered_by_its_words(store, failing, caplog):
    budget = Budget()
    found = failing.search("red sofa", 5, 40, budget=budget)
    assert found == found_of(store, "red sofa", 5)
    assert (budget.degraded, budget.graded) == (FAILED, False)
    assert "ZeroDivisionError" in caplog.text


def test_a_failing_student_is_raised_where_nobody_would_read_that_it_failed(failing):
    with pytest.raises(ZeroDivisionError):
        failing.search("red sofa", 5, 40)


def test_what_others_are_to_blame_for_is_no_failure_of_the_student(store):
    def broken(stage):
        raise WorkspaceError("the index is gone")

    with pytest.raises(WorkspaceError):
        Ranker(store, stage=broken).search("red sofa", 5, 40, budget=Budget())


def test_the_service_says_that_nothing_was_graded_to_programs_and_to_people(failing):
    with TestClient(app.create(Fixed(failing), Serve(seconds=9, candidates=40))) as client:
        answer = client.get("/search?q=red+sofa&k=3&why=3").json()
        page = client.get("/?q=red+sofa&level=4", headers={"Accept": "text/html"})
        metrics = client.get("/metrics").text
    assert answer["degraded"] == FAILED
    assert [pin["level"] for pin in answer["results"]] == [None] * 3
    assert answer["understood"]["normalised"] == "red sofa"
    assert page.status_code == 200
    assert FAILED in page.text
    assert 'class="grade"' not in page.text
    assert f'limbeck_degraded_total{{reason="{FAILED}"}} 2.0' in metrics
