"""What labelling will cost: counted, measured on the first few pairs, and said in one line before the others begin."""

from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from limbeck.labels import estimate, soften
from limbeck.labels.estimate import Begun
from limbeck.labels.known import ORDER
from limbeck.records import PROBABILITIES


class Clocked:
    """A grader that takes two seconds for every token of a pair, and ten more when it is first called."""

    name = "clocked"

    def __init__(self, clock: SimpleNamespace) -> None:
        self.clock, self.calls = clock, []

    def grade(self, pairs: pa.Table) -> np.ndarray:
        self.clock.seconds += 2 * tokens(pairs).sum() + (0 if self.calls else 10)
        self.calls.append(len(pairs))
        return np.full((len(pairs), 5), 0.2, np.float32)


class Nothing:
    """No answer of an earlier run but to the first `rows` pairs."""

    def __init__(self, rows: int = 0) -> None:
        self.rows = rows

    def recall(self, rows: pa.Table) -> pa.Table:
        known = [0.2 if int(pin[1:]) < self.rows else None for pin in rows.column("pin_id").to_pylist()]
        answers = dict.fromkeys(PROBABILITIES, pa.array(known, pa.float32()))
        return pa.table({name: rows.column(name) for name in rows.column_names} | answers).sort_by(ORDER)


def tokens(pairs: pa.Table) -> np.ndarray:
    """Pins 0 to 4 have few words, the others three times as many."""
    return np.array([5 if pin < "p00005" else 15 for pin in pairs.column("pin_id").to_pylist()], dtype=np.int64)


def work_of(pins: int, known: int = 0) -> soften.Work:
    ids = [f"p{i:05d}" for i in range(pins)]
    pairs = pa.table({"query": ["q"] * pins, "pin_id": ids})
    return soften.Work.of(pairs, pa.table({"pin_id": ids, "digest": ids}), Nothing(known))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    now = SimpleNamespace(seconds=0.0)
    monkeypatch.setattr(estimate, "time", SimpleNamespace(monotonic=lambda: now.seconds))
    return now


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[tuple]:
    lines: list[tuple] = []
    monkeypatch.setattr(estimate, "say", lambda event, message, **details: lines.append((event, message, details)))
    return lines


def test_time_follows_tokens_and_the_first_call_is_no_measure(clock, said, monkeypatch):
    monkeypatch.setattr(soften, "FIRST", 4)
    work = work_of(100)
    begun = Begun(Clocked(clock), soften.first(work, 10))
    found = estimate.estimate(work, begun, tokens, dollars_per_hour=1.8)
    assert (found.pairs, found.known, found.tokens) == (100, 0, 5 * 5 + 95 * 15)
    assert found.seconds == 2 * found.tokens
    assert found.pairs_per_second == pytest.approx(100 / found.seconds, rel=0.01)
    assert found.dollars == pytest.approx(found.seconds / 3600 * 1.8, abs=1e-4)
    found.say()
    assert said == [
        (
            "estimate",
            "  0 pairs are known; 100 pairs to grade, about 1,450 tokens, at about 0.034 pairs a second: 48 min, $1.45",
            vars(found),
        )
    ]


def test_only_what_is_not_known_is_counted(clock, said):
    work = work_of(20, known=15)
    begun = Begun(Clocked(clock), soften.first(work, 10))
    found = estimate.estimate(work, begun, tokens, dollars_per_hour=0)
    assert (found.pairs, found.known, found.tokens, found.seconds, found.dollars) == (5, 15, 75, 150, None)
    found.say()
    assert "15 pairs are known; 5 pairs to grade" in said[0][1]
    assert "$" not in said[0][1]


def test_where_all_is_known_nothing_is_asked_and_that_is_said(clock, said):
    grader, work = Clocked(clock), work_of(20, known=20)
    estimate.estimate(work, Begun(grader, soften.first(work, 10)), tokens, dollars_per_hour=3).say()
    assert sum(grader.calls) == 0
    assert said[0][1] == "  20 pairs are known, none is to be graded"


def test_of_very_many_pairs_a_sample_from_beginning_to_end_is_counted(clock, monkeypatch):
    monkeypatch.setattr(estimate, "SAMPLE", 50)
    work, counted = work_of(10_000), []

    def counting(pairs: pa.Table) -> np.ndarray:
        counted.append(len(pairs))
        return tokens(pairs)

    found = estimate.estimate(work, Begun(Clocked(clock), soften.first(work, 4_096)), counting, 0)
    assert sorted(counted) == [50, soften.FIRST]
    assert found.tokens == pytest.approx(150_000, rel=0.02)


def test_the_pairs_it_is_measured_on_are_not_graded_again(clock):
    work, grader = work_of(200), Clocked(clock)
    begun = Begun(grader, soften.first(work, 100))
    tables = [make() for make in soften.shards(work, begun, "t", 100).values()]
    assert sum(grader.calls) == sum(map(len, tables)) == 200
