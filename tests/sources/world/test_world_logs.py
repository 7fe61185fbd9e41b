"""The search log: who searches what, what they see, and how position and relevance move what they do."""

import numpy as np
import pyarrow.compute as pc
import pytest
from small_worlds import SEED, SETTINGS, Made

from limbeck.relevance import normalise_query
from limbeck.settings import World
from limbeck.sources.world.catalogue import catalogue
from limbeck.sources.world.logs import Log, log
from limbeck.sources.world.queries import queries
from limbeck.sources.world.truth import levels

BUSY = World(pins=1_500, users=150, searches=4_000, searches_per_shard=4_000)


@pytest.fixture(scope="module")
def rows() -> Log:
    return log(BUSY, SEED, 0)


@pytest.fixture(scope="module")
def level(rows: Log) -> np.ndarray:
    return levels(queries(BUSY, SEED).asked.take(rows.query), catalogue(BUSY, SEED).facets.take(rows.pin))


def test_positions_count_from_one_without_gaps(small: Made) -> None:
    pages = (
        small.tables["impressions"]
        .group_by("search_id")
        .aggregate(
            [("position", "max"), ("position", "min"), ("position", "count_distinct"), ("pin_id", "count_distinct")]
        )
    )
    assert set(pages["position_min"].to_pylist()) == {1}
    assert pages["position_max"].to_pylist() == pages["position_count_distinct"].to_pylist()
    assert pages["position_max"].to_pylist() == pages["pin_id_count_distinct"].to_pylist()
    assert max(pages["position_max"].to_pylist()) == SETTINGS.results_per_search


def test_equally_relevant_results_are_clicked_less_further_down(rows: Log, level: np.ndarray) -> None:
    rate = [rows.clicked[(level == 5) & (rows.position == place)].mean() for place in (1, 4, 8, 12)]
    assert rate == sorted(rate, reverse=True)
    assert rate[0] > 4 * rate[-1]


def test_better_results_are_clicked_dwelt_on_and_saved_more(rows: Log, level: np.ndarray) -> None:
    top = rows.position <= 3
    clicks = [rows.clicked[top & (level == number)].mean() for number in (1, 3, 5)]
    saves = [rows.saved[top & (level == number)].mean() for number in (1, 3, 5)]
    dwell = [np.nanmedian(rows.dwell[level == number]) for number in (1, 3, 5)]
    for figures in (clicks, saves, dwell):
        assert figures == sorted(figures)


def test_the_ranker_is_mediocre(level: np.ndarray, rows: Log) -> None:
    """It shows all levels, and better ones first, but by far not sorted."""
    assert np.bincount(level, minlength=6)[1:].min() > 0.03 * len(level)
    first, last = level[rows.position == 1], level[rows.position == 12]
    assert first.mean() > last.mean() + 0.5
    assert (first <= 3).mean() > 0.1


def test_dwell_is_known_exactly_where_there_was_a_click(small: Made) -> None:
    shown = small.tables["impressions"]
    assert pc.is_valid(shown["dwell_seconds"]).equals(shown["clicked"])


def test_frequencies_have_a_head_and_a_long_tail(rows: Log) -> None:
    searches = np.unique(np.stack([rows.search, rows.query]), axis=1)[1]
    counts = np.sort(np.bincount(searches, minlength=len(queries(BUSY, SEED))))[::-1]
    assert counts[: len(counts) // 100].sum() > 0.08 * counts.sum()
    assert np.median(counts) < counts.mean() < counts[0] / 10


def test_a_query_has_one_language_and_one_meaning() -> None:
    texts = [normalise_query(text) for text in queries(BUSY, SEED).texts]
    assert len(texts) == len(set(texts))


def test_users_search_in_their_own_language(small: Made) -> None:
    shown = (
        small.tables["impressions"]
        .group_by("user_id")
        .aggregate([("language", "count_distinct"), ("country", "count_distinct")])
    )
    assert set(shown["language_count_distinct"].to_pylist()) == {1}
    assert set(shown["country_count_distinct"].to_pylist()) == {1}
    per_query = small.tables["impressions"].group_by("query").aggregate([("language", "count_distinct")])
    assert set(per_query["language_count_distinct"].to_pylist()) == {1}


def test_time_runs_forward_over_the_days_of_the_log(small: Made) -> None:
    when = small.tables["impressions"]["searched_at"].cast("int64").to_numpy()
    assert (np.diff(when) >= 0).all()
    assert 0.9 * SETTINGS.days < (when[-1] - when[0]) / 86_400e6 <= SETTINGS.days


def test_what_was_saved_in_a_search_is_on_one_of_the_savers_boards(small: Made) -> None:
    shown = small.tables["impressions"]
    saved = shown.filter(shown["saved"])
    pairs = set(zip(saved["user_id"].to_pylist(), saved["pin_id"].to_pylist()))
    assert pairs <= set(zip(small.tables["saves"]["user_id"].to_pylist(), small.tables["saves"]["pin_id"].to_pylist()))
