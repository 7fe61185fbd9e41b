"""Results of `/v1/rerank` and `/search` written as bytes: what is read in them is what objects would say."""

import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from limbeck.index.catalogue import Shown
from limbeck.serve import messages, written
from limbeck.serve.ranked import Ranked, documents_in_order, in_order, rounded, told


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


@given(st.lists(st.tuples(st.text(), *(st.none() | st.text() for _ in range(6))), max_size=20), st.integers(0, 2**32))
def test_pins_say_what_objects_say(pins, seed):
    distribution = np.random.default_rng(seed).dirichlet(np.ones(5), len(pins)).astype(np.float32)
    raw = written.pins([msgspec.json.encode(Shown(*pin)) for pin in pins], distribution)
    objects = [Ranked(*pin, *grades) for pin, *grades in zip(pins, *told(distribution))]
    assert msgspec.json.decode(raw) == msgspec.json.decode(msgspec.json.encode(objects))


@given(st.integers(0, 2**32), st.integers(1, 50), st.integers(1, 9))
def test_the_order_is_that_of_a_stable_sort(seed, count, different):
    random = np.random.default_rng(seed)
    distribution = random.dirichlet(np.ones(5), different).astype(np.float32)[random.integers(different, size=count)]
    order, expected = in_order(distribution)
    assert expected.tolist() == rounded(distribution).tolist()
    assert order.tolist() == np.argsort(-expected, kind="stable").tolist()
    assert in_order(distribution, 3)[0].tolist() == order.tolist()[:3]
