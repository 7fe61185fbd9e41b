"""Two rankings side by side: where Pins stand in each, and what people said of them."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from limbeck.serve.compare import Judgments, compare
from limbeck.serve.ranked import Ranked

PINS = "abcdef"


def pins(names):
    fixed = {"title": None, "description": None, "image": None, "link": None, "language": None, "country": None}
    return [Ranked(pin_id=n, **fixed, level=3, expected_level=3.0, probabilities=(0, 0, 1, 0, 0)) for n in names]


def compared(left, right, levels=None):
    return compare(("one", "other"), pins(left), pins(right), levels or {})


def test_lines_lead_from_place_to_place_and_moves_say_the_same():
    found = compared("abc", "cbd")
    assert found.lines == [(1, 1), (2, 0)]
    one, other = found.columns
    assert one.moves == ["drops out", "stays", "▲ 2"]
    assert other.moves == ["▲ 2", "stays", "new"]


@given(st.permutations(PINS), st.permutations(PINS))
def test_every_pin_of_both_has_one_line(left, right):
    found = compared(left, right)
    assert [left[a] for a, b in found.lines] == [right[b] for a, b in found.lines]
    assert len(found.lines) == len(PINS)
    assert all(move == "stays" or move[0] in "▲▼" for column in found.columns for move in column.moves)


@given(st.permutations(PINS), st.lists(st.integers(1, 5), min_size=6, max_size=6).filter(lambda x: max(x) > 1))
def test_ndcg_is_that_of_scikit_learn_where_all_is_judged(order, said):
    levels = dict(zip(PINS, map(float, said)))
    column, _ = compared(order, PINS, levels).columns
    gains = np.array([[levels[pin] - 1 for pin in order]])
    assert column.ndcg == pytest.approx(ndcg_score(gains, -np.arange(6.0)[None]))
    assert column.mean == pytest.approx(np.mean(said))
    assert column.judged == 6


def test_what_nobody_judged_is_passed_over():
    column, _ = compared("abc", "abc", {"a": 5.0, "c": 1.0, "x": 5.0}).columns
    assert (column.judged, column.mean) == (2, 3.0)
    assert column.ndcg == pytest.approx(4 / (4 + 4 / np.log2(3)))
    column, _ = compared("abc", "abc", {"x": 5.0}).columns
    assert (column.judged, column.ndcg, column.mean) == (0, None, None)


def test_judgments_are_found_by_the_query_however_it_is_written_and_averaged_over_raters():
    said = pa.table({"query": ["Red Sofa ", "red sofa", "lamp"], "pin_id": ["a", "a", "b"], "level": [5, 4, 1]})
    more = pa.table({"query": ["red sofa"], "pin_id": ["b"], "level": [2]})
    assert Judgments([said, more]).of("RED sofa") == {"a": 4.5, "b": 2.0}
    assert Judgments([said]).of("nothing") == {}
    assert Judgments([]).of("red sofa") == {}
