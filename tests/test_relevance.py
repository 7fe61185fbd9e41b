"""Arithmetic on five-level distributions, and the fixed split of queries, against plain Python and SciPy."""

import hashlib
import random
from collections import Counter, defaultdict

import numpy as np
import pyarrow as pa
import pytest
import scipy.special
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from limbeck import relevance
from limbeck.records import PROBABILITIES, empty, schema

QUERIES = ["red chair", "Red Chair ", "oak table", "椅子"]
JUDGED = st.fixed_dictionaries(
    {
        "query": st.sampled_from(QUERIES),
        "pin_id": st.sampled_from(["p1", "p2", "p3"]),
        "rater_id": st.none() | st.sampled_from("ab"),
        "level": st.integers(1, 5),
        "judged_at": st.none(),
        "language": st.none() | st.sampled_from(["de", "en"]),
        "country": st.none() | st.sampled_from(["AT", "US"]),
    }
)


def judgments(rows):
    return pa.Table.from_pylist(rows, schema=schema("judgments"))


def aggregated(rows):
    """What `aggregate` has to give, by a loop."""
    groups = defaultdict(list)
    for row in rows:
        groups[row["query"], row["pin_id"]].append(row)
    for (query, pin), group in sorted(groups.items(), key=lambda g: tuple(part.encode() for part in g[0])):
        votes = Counter(row["level"] for row in group)
        given = {c: min((r[c] for r in group if r[c] is not None), default=None) for c in ("language", "country")}
        shares = {p: float(np.float32(votes[level] / len(group))) for level, p in enumerate(PROBABILITIES, 1)}
        yield {"query": query, "pin_id": pin, **given, "raters": len(group), **shares}


@given(st.lists(JUDGED, max_size=25))
def test_judgments_of_several_raters_become_one_distribution_per_pair(rows):
    assert relevance.aggregate(judgments(rows)).to_pylist() == list(aggregated(rows))


@given(st.lists(JUDGED, min_size=1, max_size=25), st.randoms(use_true_random=False), st.integers(0, 25))
def test_aggregation_does_not_depend_on_the_order_or_the_files(rows, shuffling, cut):
    shuffled = list(rows)
    shuffling.shuffle(shuffled)
    parts = pa.concat_tables([judgments(shuffled[:cut]), judgments(shuffled[cut:])])
    found, expected = relevance.aggregate(parts), relevance.aggregate(judgments(rows))
    assert found.combine_chunks().equals(expected.combine_chunks())


def test_distributions_of_pairs_sum_to_one_and_go_through_columns_unharmed():
    rows = relevance.aggregate(judgments(list(_many(200))))
    distribution = relevance.from_columns(rows)
    assert (distribution.dtype, distribution.shape) == (np.float32, (rows.num_rows, 5))
    np.testing.assert_allclose(distribution.sum(axis=1), 1, atol=1e-6)
    again = relevance.from_columns(pa.table(relevance.to_columns(distribution)))
    np.testing.assert_array_equal(again, distribution)


def _many(count):
    drawn = random.Random(0)
    for i in range(count):
        said = {"rater_id": f"r{i}", "judged_at": None, "language": "en", "country": None}
        yield {
            "query": drawn.choice(QUERIES),
            "pin_id": f"p{drawn.randrange(20)}",
            "level": drawn.randint(1, 5),
            **said,
        }


def test_expected_level_is_the_mean_of_the_levels():
    certain = np.eye(5, dtype=np.float32)
    assert relevance.expected_level(certain).tolist() == [1, 2, 3, 4, 5]
    assert relevance.expected_level(np.float32([[0.5, 0, 0, 0, 0.5], [0, 0.25, 0.75, 0, 0]])).tolist() == [3, 2.75]
    assert relevance.expected_level(np.empty((0, 5))).shape == (0,)


FLOATS = hnp.arrays(np.float32, st.tuples(st.integers(1, 6), st.integers(1, 7)), elements=st.floats(-50, 50, width=32))


@given(FLOATS, st.floats(-1000, 1000, width=32))
def test_softmax_is_that_of_scipy_however_far_the_logits_lie(logits, shift):
    found = relevance.softmax(logits + np.float32(shift))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, scipy.special.softmax(logits + np.float32(shift), axis=1), atol=1e-6)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)


def test_a_querys_fold_is_the_md5_of_its_normalised_form_modulo_ten():
    assert hashlib.md5(b"hello").hexdigest() == "5d41402abc4b2a76b9719d911017c592"
    assert relevance.fold("hello") == int("5d41402abc4b2a76b9719d911017c592", 16) % 10
    assert relevance.fold("  HELLO\n") == relevance.fold("hello")


@given(st.text())
def test_the_split_follows_the_folds(query):
    number = int(hashlib.md5(query.strip().lower().encode()).hexdigest(), 16) % 10
    expected = "test" if number in (0, 1) else "valid" if number == 2 else "train"
    assert relevance.Split().of(query) == expected
    assert relevance.Split(empty("heldout")).of(query) == expected


def test_all_parts_get_their_share_of_queries():
    parts = Counter(relevance.Split().of(f"query {i}") for i in range(10_000))
    assert parts["train"] == pytest.approx(7_000, abs=200)
    assert parts["valid"] == pytest.approx(1_000, abs=120)
    assert parts["test"] == pytest.approx(2_000, abs=160)


@given(st.lists(JUDGED, max_size=10), st.lists(st.text(min_size=1), max_size=10))
def test_queries_of_a_heldout_table_only_ever_test(rows, others):
    split = relevance.Split(judgments(rows))
    assert {split.of(row["query"]) for row in rows} <= {"test"}
    assert {split.of(f" {row['query'].upper()} ") for row in rows} <= {"test"}
    held = {relevance.normalise_query(row["query"]) for row in rows}
    free = [q for q in others if relevance.normalise_query(q) not in held]
    assert [split.of(q) for q in free] == [relevance.Split().of(q) for q in free]


@given(st.lists(st.text(max_size=3), max_size=30))
def test_select_deals_every_row_to_one_part_in_order(queries):
    rows = pa.table({"query": pa.array(queries, pa.string()), "row": pa.array(range(len(queries)), pa.int64())})
    split = relevance.Split()
    parts = {part: split.select(rows, part).to_pylist() for part in ("train", "valid", "test")}
    for part, chosen in parts.items():
        expected = [{"query": q, "row": i} for i, q in enumerate(queries) if split.of(q) == part]
        assert chosen == expected
    assert sum(map(len, parts.values())) == len(queries)
