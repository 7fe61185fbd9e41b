"""What a student learns of a pair: the teacher's answer, people's where they judged, and how much it counts."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limbeck.labels.mix import judged, mixed, weighed
from limbeck.records import PROBABILITIES
from limbeck.relevance import from_columns, to_columns

PAIRS = [(q, p) for q in ("a", "a b", "b") for p in ("1", "2", "b1")]


def labels(numbers, seed):
    answers = np.random.default_rng(seed).dirichlet(np.ones(5), len(numbers)).astype(np.float32)
    query, pin = (pa.array([PAIRS[i][side] for i in numbers], pa.string()) for side in (0, 1))
    return pa.table({"query": query, "pin_id": pin, **to_columns(answers)})


numbers = st.lists(st.integers(0, len(PAIRS) - 1), unique=True)


@given(soft=numbers, human=numbers, share=st.sampled_from([0.0, 0.25, 1.0]))
def test_people_have_their_share_of_the_pairs_that_they_judged(soft, human, share):
    taught, people = labels(soft, 0), labels(human, 1)
    found = mixed(taught, people, share)
    assert found.column_names == taught.column_names
    assert found.select(["query", "pin_id"]).equals(taught.select(["query", "pin_id"]))
    said = dict(zip(human, from_columns(people)))
    expected = [(1 - share) * t + share * said[i] if i in said else t for i, t in zip(soft, from_columns(taught))]
    np.testing.assert_allclose(from_columns(found), np.reshape(expected, (len(soft), len(PROBABILITIES))), atol=1e-6)
    assert judged(taught, people).tolist() == [i in said for i in soft]


def test_a_pair_counts_for_those_that_it_stands_for():
    pairs = pa.table({"query": ["b", "a"], "pin_id": ["1", "b1"], "weight": pa.array([7.0, 0.5], pa.float32())})
    found = weighed(labels([PAIRS.index(p) for p in (("a", "b1"), ("a b", "1"), ("b", "1"))], 0), pairs)
    assert found.column("weight").to_pylist() == pytest.approx([0.5, 1.0, 7.0])
