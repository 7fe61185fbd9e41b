"""Results of `/v1/rerank` written as bytes: what is read in them is what its objects would say."""

import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from limbeck.serve import messages, written
from limbeck.serve.ranked import RankedDocument, told


def by_objects(order, distribution):
    """The same results, by an object for each."""
    ranked = [RankedDocument(*graded) for graded in zip(order.tolist(), *told(distribution))]
    return msgspec.json.decode(msgspec.json.encode(messages.results(ranked, [None] * len(ranked))))


@given(st.integers(0, 2**32), st.sampled_from([0, 1, 2, 11, 1_000]), st.sampled_from([0.01, 1, 30]))
def test_rows_say_what_objects_say(seed, count, evenness):
    random = np.random.default_rng(seed)
    order = random.permutation(messages.MAX_DOCUMENTS)[:count]
    distribution = random.dirichlet(np.full(5, evenness), count).astype(np.float32)
    found = msgspec.json.decode(written.results(order, distribution))
    assert found == by_objects(order, distribution)


def test_certain_grades_and_the_last_place_fit():
    distribution = np.eye(5, dtype=np.float32)
    order = np.array([messages.MAX_DOCUMENTS - 1, 0, 10, 9, 100])
    found = msgspec.json.decode(written.results(order, distribution))
    assert found == by_objects(order, distribution)
    assert [row["index"] for row in found] == order.tolist()
    assert [row["relevance_score"] for row in found] == [0, 0.25, 0.5, 0.75, 1]


def test_bodies_that_ask_for_more_than_pins_are_left_to_others():
    assert written.read(b'{"query": "tea", "documents": [{"id": "a"}], "top_n": 2}').top_n == 2
    for body in (
        b'{"query": "tea", "documents": []}',
        b'{"query": "tea", "documents": ["tea"]}',
        b'{"query": "tea", "documents": [{"id": "a"}, {"id": "b", "title": "c"}]}',
        b'{"query": "tea", "documents": [{"id": "a"}], "return_documents": true}',
        b'{"query": " ", "documents": [{"id": "a"}]}',
        b'{"query": "tea", "documents": [{"id": "a"}], "top_n": 0}',
        b'{"query": "\xff", "documents": [{"id": "a"}]}',
        b"{",
        b"",
    ):
        assert written.read(body) is None
