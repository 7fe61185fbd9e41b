"""What a student learns of a pair: the teacher's answer, people's where they judged, and how much it counts."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limbeck.labels.mix import emphasised, judged, mixed, weighed
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


@given(
    said=st.lists(st.booleans(), min_size=1, max_size=len(PAIRS)),
    share=st.sampled_from([0.2, 0.5, 0.9]),
    weighted=st.booleans(),
)
def test_people_have_at_least_their_share_of_all_that_is_learnt(said, share, weighted):
    rows, mask = labels(range(len(said)), 0), np.asarray(said)
    before = np.arange(1, len(said) + 1, dtype=np.float32) if weighted else np.ones(len(said), np.float32)
    rows = rows.append_column("weight", pa.array(before)) if weighted else rows
    found = emphasised(rows, mask, share)
    weight = found.column("weight").to_numpy() if "weight" in found.column_names else before
    assert found.drop_columns(["weight"] if "weight" in found.column_names else []).equals(labels(range(len(said)), 0))
    np.testing.assert_array_equal(weight[~mask], before[~mask])
    natural = before[mask].sum() / before.sum()
    expected = max(natural, share) if 0 < mask.sum() < len(mask) else natural
    assert weight[mask].sum() / weight.sum() == pytest.approx(expected, rel=1e-5)
