"""Judgments with human noise in English, and true held-out labels in every language."""

from collections import Counter

import numpy as np
import pytest
from small_worlds import SEED, SETTINGS, Made
from told import true_levels

from limbeck.relevance import fold
from limbeck.settings import World
from limbeck.sources.world.raters import confusions
from limbeck.sources.world.vocabulary import LANGUAGES


def test_heldout_levels_are_true_and_of_test_queries_only(small: Made) -> None:
    rows = small.tables["heldout"]
    assert rows["level"].to_pylist() == true_levels(SETTINGS, SEED, rows).tolist()
    assert set(rows["rater_id"].to_pylist()) == {"truth"}
    assert all(fold(query) < 2 for query in rows["query"].unique().to_pylist())
    assert set(rows["language"].to_pylist()) == set(LANGUAGES)


def test_heldout_queries_have_enough_pairs_of_several_levels(small: Made) -> None:
    rows = small.tables["heldout"]
    pairs = Counter(rows["query"].to_pylist())
    assert min(pairs.values()) >= 10
    levels_of = {query: set() for query in pairs}
    for query, level in zip(rows["query"].to_pylist(), rows["level"].to_pylist()):
        levels_of[query].add(level)
    assert np.mean([len(found) for found in levels_of.values()]) > 3
    assert len(rows.group_by(["query", "pin_id"]).aggregate([])) == rows.num_rows


def test_judgments_are_english_and_cover_every_part(small: Made) -> None:
    rows = small.tables["judgments"]
    assert set(rows["language"].to_pylist()) == {"en"}
    language = dict(zip(small.tables["pins"]["pin_id"].to_pylist(), small.tables["pins"]["language"].to_pylist()))
    assert {language[pin] for pin in rows["pin_id"].to_pylist()} == {"en"}
    folds = {fold(query) for query in rows["query"].unique().to_pylist()}
    assert {0, 1} & folds
    assert 2 in folds
    assert len(folds) >= 8


def test_levels_are_a_sensible_mix(small: Made) -> None:
    for table in ("judgments", "heldout"):
        share = np.bincount(np.array(small.tables[table]["level"]), minlength=6)[1:] / small.tables[table].num_rows
        assert share.min() > 0.08, table
        assert share.max() < 0.40, table


def test_a_part_of_the_pairs_has_several_raters_and_none_the_same_twice(small: Made) -> None:
    rows = small.tables["judgments"]
    per_pair = rows.group_by(["query", "pin_id"]).aggregate([("rater_id", "count"), ("rater_id", "count_distinct")])
    assert per_pair["rater_id_count"].to_pylist() == per_pair["rater_id_count_distinct"].to_pylist()
    several = np.mean(np.array(per_pair["rater_id_count"]) == 3)
    assert 0.2 < several < 0.4


@pytest.mark.parametrize("seed", range(5))
def test_raters_confuse_neighbouring_levels(seed: int) -> None:
    table = confusions(World(), seed)
    np.testing.assert_allclose(table.sum(axis=2), 1)
    diagonal = np.diagonal(table, axis1=1, axis2=2).mean(axis=1)
    assert ((diagonal > 0.45) & (diagonal < 0.92)).all()
    assert len(set(diagonal.round(3))) > 1  # nobody is like the others
    for rater in table:
        for true in range(5):
            assert (np.diff(rater[true, : true + 1]) >= -0.02).all()  # the further off, the rarer


def test_raters_agree_with_the_truth_as_documented(small: Made) -> None:
    """About seven in ten exactly right, nearly all within one level (docs/world.md)."""
    rows = small.tables["judgments"]
    off = np.abs(true_levels(SETTINGS, SEED, rows) - np.array(rows["level"]))
    assert 0.65 < (off == 0).mean() < 0.82
    assert (off <= 1).mean() > 0.96
