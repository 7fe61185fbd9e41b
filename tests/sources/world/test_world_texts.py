"""What the text sources say: five languages, noise and gaps, and each something that no other source says."""

import numpy as np
import pytest
from small_worlds import Made
from told import SOURCES, alone, told_by_source

from limbeck.sources.world.vocabulary import LANGUAGES


@pytest.fixture(scope="module")
def told(small: Made) -> dict[str, np.ndarray]:
    return told_by_source(small)


@pytest.mark.parametrize("source", SOURCES)
def test_each_source_tells_what_no_other_does(source: str, told: dict[str, np.ndarray]) -> None:
    """Of many Pins something true is said in this source alone."""
    assert alone(source, told) > 0.02


def test_no_source_tells_everything(told: dict[str, np.ndarray]) -> None:
    everything = np.any(list(told.values()), axis=0)
    for source, facts in told.items():
        assert (facts & everything).sum() < 0.6 * everything.sum(), source


def test_captions_see_colours_better_than_styles(told: dict[str, np.ndarray]) -> None:
    colour, style, occasion = told["caption"][:, 1].mean(), told["caption"][:, 3].mean(), told["caption"][:, 4].mean()
    assert colour > 0.3
    assert max(style, occasion) < 0.05


def test_boards_tell_styles_and_occasions_rather_than_colours(told: dict[str, np.ndarray]) -> None:
    shares = told["boards"].mean(axis=0)
    assert min(shares[3], shares[4]) > 3 * max(shares[0], shares[1], shares[2])


def test_texts_are_often_missing_or_vague(small: Made) -> None:
    for table, column in (("pins", "title"), ("pins", "description"), ("links", "title"), ("links", "description")):
        missing = small.tables[table][column].null_count / small.tables[table].num_rows
        assert 0.05 < missing < 0.4, (table, column)
    titles = small.tables["pins"]["title"].to_pylist()
    assert titles.count("love this!") > 5
    assert any(t in ("Home | Shop", "404 Not Found") for t in small.tables["links"]["title"].to_pylist())


@pytest.mark.parametrize("table", ["pins", "impressions", "heldout"])
def test_every_language_is_there(table: str, small: Made) -> None:
    languages = small.tables[table]["language"].to_pylist()
    assert all(languages.count(language) > 0.05 * len(languages) for language in LANGUAGES)


def test_captions_are_english(small: Made) -> None:
    assert all(caption.isascii() for caption in small.tables["captions"]["caption"].to_pylist())


def test_a_caption_errs_at_times(small: Made) -> None:
    captions = small.tables["captions"]["caption"].to_pylist()
    assert 0.03 < sum("next to" in c for c in captions) / len(captions) < 0.25
    assert "a collage of photos" in captions
