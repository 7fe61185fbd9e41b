"""What the text sources say: five languages, noise and gaps, and each something that no other source says."""

from collections import defaultdict

import numpy as np
import pytest
from small_worlds import SEED, SETTINGS, Made

from limbeck.sources.world.catalogue import catalogue
from limbeck.sources.world.vocabulary import ATTRIBUTES, LANGUAGES, THINGS

SOURCES = ("title", "description", "caption", "boards", "engaged queries", "link title", "link description")


@pytest.fixture(scope="module")
def texts(small: Made) -> dict[str, dict[str, str]]:
    """Source by source, what it says of each Pin, in lower case."""
    said: dict[str, dict[str, list[str | None]]] = {source: defaultdict(list) for source in SOURCES}
    links = {row["link"]: row for row in small.tables["links"].to_pylist()}
    for pin in small.tables["pins"].to_pylist():
        said["title"][pin["pin_id"]].append(pin["title"])
        said["description"][pin["pin_id"]].append(pin["description"])
        if pin["link"]:
            said["link title"][pin["pin_id"]].append(links[pin["link"]]["title"])
            said["link description"][pin["pin_id"]].append(links[pin["link"]]["description"])
    for row in small.tables["captions"].to_pylist():
        said["caption"][row["pin_id"]].append(row["caption"])
    titles = {row["board_id"]: row["title"] for row in small.tables["boards"].to_pylist()}
    for row in small.tables["saves"].to_pylist():
        said["boards"][row["pin_id"]].append(titles[row["board_id"]])
    for row in small.tables["impressions"].to_pylist():
        if row["clicked"]:
            said["engaged queries"][row["pin_id"]].append(row["query"])
    return {
        source: {pin: " | ".join(t for t in parts if t).lower() for pin, parts in pins.items()}
        for source, pins in said.items()
    }


def _names(entry: object, text: str) -> bool:
    return any(word.lower() in text for words in entry.words for word in words)


@pytest.fixture(scope="module")
def told(texts: dict[str, dict[str, str]]) -> dict[str, np.ndarray]:
    """Source by source, (pins, 5): whether it tells the true thing, colour, material, style, occasion."""
    world = catalogue(SETTINGS, SEED)
    facts = [
        [THINGS[thing], *(ATTRIBUTES[v] if v >= 0 else None for v in values)]
        for thing, values in zip(world.facets.thing, world.facets.attributes)
    ]
    return {
        source: np.array(
            [
                [fact is not None and _names(fact, said.get(pin, "")) for fact in pin_facts]
                for pin, pin_facts in zip(world.pin_ids, facts)
            ]
        )
        for source, said in texts.items()
    }


@pytest.mark.parametrize("source", SOURCES)
def test_each_source_tells_what_no_other_does(source: str, told: dict[str, np.ndarray]) -> None:
    """Of many Pins something true is said in this source alone."""
    elsewhere = np.any([told[other] for other in SOURCES if other != source], axis=0)
    alone = (told[source] & ~elsewhere).any(axis=1).mean()
    assert alone > 0.02, f"{source}: {alone:.3f}"


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
