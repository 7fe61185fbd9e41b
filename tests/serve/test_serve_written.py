"""Results of `/v1/rerank` written as bytes: what is read in them is what its objects would say."""

import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from limbeck.serve import messages, written
from limbeck.serve.ranked import documents_in_order, in_order


def by_objects(distribution, most):
    """The same results, by an object for each."""
    ranked = documents_in_order(distribution, most)
    return msgspec.json.decode(msgspec.json.encode(messages.results(ranked, [None] * len(ranked))))


@given(
    st.integers(0, 2**32),
    st.sampled_from([0, 1, 2, 11, messages.MAX_DOCUMENTS]),
    st.sampled_from([0.01, 1, 30]),
    st.sampled_from([None, 1, 10]),
)
def test_rows_say_what_objects_say(seed, count, evenness, most):
    distribution = np.random.default_rng(seed).dirichlet(np.full(5, evenness), count).astype(np.float32)
    order, raw = written.results(distribution, most)
    found = msgspec.json.decode(raw)
    assert found == by_objects(distribution, most)
    assert [row["index"] for row in found] == order.tolist()


def test_certain_and_even_grades_are_written_and_equal_ones_stay_in_order():
    distribution = np.concatenate([np.eye(5, dtype=np.float32), np.full((2, 5), 0.2, np.float32)])
    found = msgspec.json.decode(written.results(distribution)[1])
    assert found == by_objects(distribution, None)
    assert [row["index"] for row in found] == [4, 3, 2, 5, 6, 1, 0]
    assert [row["level"] for row in found] == [5, 4, 3, 1, 1, 2, 1]
    assert [row["relevance_score"] for row in found] == [1, 0.75, 0.5, 0.5, 0.5, 0.25, 0]


@given(st.lists(st.integers(1_000_000, 5_000_000) | st.sampled_from([1_000_000, 2_500_000, 5_000_000]), max_size=50))
def test_the_order_is_that_of_a_stable_sort(millionths):
    expected = np.asarray(millionths, np.float64) / 1e6
    assert in_order(expected).tolist() == np.argsort(-expected, kind="stable").tolist()
    assert in_order(expected, 3).tolist() == in_order(expected).tolist()[:3]
