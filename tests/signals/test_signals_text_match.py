"""The text-match baseline as a Grader."""

import numpy as np
import pyarrow as pa
import pytest

from limbeck.relevance import expected_level, to_columns
from limbeck.signals import text_match

THINGS = ["oak table", "red lamp", "garden chair", "blue sofa", "tea pot", "wool rug"]


@pytest.fixture
def match(index):
    colours = ("white", "black", "green", "grey")
    return index(*({"title": f"{colour} {thing}"} for thing in THINGS for colour in colours))


@pytest.fixture
def judged(match):
    """Level 5 where both words agree, 3 where one does, 1 elsewhere."""
    levels, rows = [], []
    for query in [*THINGS, "oak chair", "red sofa"]:
        for pin, row in zip(match.pin_ids, range(len(match.pin_ids))):
            words = THINGS[row // 4].split()
            levels.append(1 + 2 * sum(word in words for word in query.split()))
            rows.append((query, pin))
    sure = np.eye(5, dtype=np.float32)[np.array(levels) - 1]
    return pa.table({"query": [q for q, _ in rows], "pin_id": [p for _, p in rows], **to_columns(sure)})


def pairs(*rows):
    return pa.table({"query": [q for q, _ in rows], "pin_id": [p for _, p in rows]})


def test_better_matches_are_graded_higher(match, judged):
    grader = text_match.fit(match, judged)
    found = grader.grade(pairs(("oak table", "0"), ("oak chair", "0"), ("red lamp", "0")))
    assert found.shape == (3, 5)
    assert found.dtype == np.float32
    assert found.sum(axis=1) == pytest.approx(1, abs=1e-5)
    levels = expected_level(found)
    assert levels[0] > levels[1] > levels[2]
    assert found.argmax(axis=1).tolist() == [4, 2, 0]


def test_what_was_saved_grades_the_same(match, judged, tmp_path):
    grader = text_match.fit(match, judged)
    grader.save(tmp_path)
    loaded = text_match.load(tmp_path, match)
    assert np.array_equal(loaded.grade(judged), grader.grade(judged))
    assert loaded.name == grader.name == "text match"


def test_an_unknown_pin_is_graded_as_one_that_does_not_match(match, judged):
    grader = text_match.fit(match, judged)
    unknown, unmatched = grader.grade(pairs(("oak table", "nobody"), ("oak table", "4")))
    assert np.array_equal(unknown, unmatched)


def test_scores_are_shares_of_what_the_query_could_reach(match):
    one, two = text_match.scores(match, pairs(("oak", "0"), ("oak table", "0")))
    assert one == pytest.approx(two, rel=0.01)
    assert 0.9 < one < 1.1
    assert text_match.scores(match, pairs(("", "0"), ("?", "0"))).tolist() == [0, 0]


def test_scores_keep_the_order_of_the_pairs(match):
    asked = [("oak table", "0"), ("red lamp", "4"), ("oak table", "4"), ("red lamp", "0"), ("oak table", "0")]
    together = text_match.scores(match, pairs(*asked))
    assert together.tolist() == [float(text_match.scores(match, pairs(pair))[0]) for pair in asked]
