"""What a world's sources tell of its Pins, and how well its raters know the truth.

Run by itself (`python tests/sources/world/told.py`), it says so of the default world: the figures of docs/world.md.
"""

from collections import defaultdict

import numpy as np
import pyarrow as pa
from small_worlds import Made, make

from limbeck.settings import World
from limbeck.sources.world.catalogue import catalogue
from limbeck.sources.world.queries import queries
from limbeck.sources.world.truth import levels
from limbeck.sources.world.vocabulary import ATTRIBUTES, THINGS

SOURCES = ("title", "description", "caption", "boards", "engaged queries", "link title", "link description")
FACTS = ("thing", "colour", "material", "style", "occasion")


def texts_by_source(tables: dict[str, pa.Table]) -> dict[str, dict[str, str]]:
    """Source by source, what it says of each Pin, in lower case."""
    said: dict[str, dict[str, list[str | None]]] = {source: defaultdict(list) for source in SOURCES}
    links = {row["link"]: row for row in tables["links"].to_pylist()}
    for pin in tables["pins"].to_pylist():
        said["title"][pin["pin_id"]].append(pin["title"])
        said["description"][pin["pin_id"]].append(pin["description"])
        if pin["link"]:
            said["link title"][pin["pin_id"]].append(links[pin["link"]]["title"])
            said["link description"][pin["pin_id"]].append(links[pin["link"]]["description"])
    for row in tables["captions"].to_pylist():
        said["caption"][row["pin_id"]].append(row["caption"])
    titles = {row["board_id"]: row["title"] for row in tables["boards"].to_pylist()}
    for row in tables["saves"].to_pylist():
        said["boards"][row["pin_id"]].append(titles[row["board_id"]])
    for row in tables["impressions"].to_pylist():
        if row["clicked"]:
            said["engaged queries"][row["pin_id"]].append(row["query"])
    return {
        source: {pin: " | ".join(t for t in parts if t).lower() for pin, parts in pins.items()}
        for source, pins in said.items()
    }


def facts(settings: World, seed: int) -> list[list[object | None]]:
    """Of each Pin its thing, colour, material, style and occasion, None where it has none."""
    facets = catalogue(settings, seed).facets
    return [
        [THINGS[thing], *(ATTRIBUTES[v] if v >= 0 else None for v in values)]
        for thing, values in zip(facets.thing, facets.attributes)
    ]


def told_by_source(made: Made) -> dict[str, np.ndarray]:
    """Source by source, bool (pins, 5): whether it tells the true thing, colour, material, style, occasion."""
    pins = list(zip(catalogue(made.settings, made.seed).pin_ids, facts(made.settings, made.seed)))
    return {
        source: np.array([[_names(fact, said.get(pin, "")) for fact in of_pin] for pin, of_pin in pins])
        for source, said in texts_by_source(made.tables).items()
    }


def alone(source: str, told: dict[str, np.ndarray]) -> float:
    """The share of the Pins of which something true is said in this source only."""
    elsewhere = np.any([told[other] for other in SOURCES if other != source], axis=0)
    return float((told[source] & ~elsewhere).any(axis=1).mean())


def true_levels(settings: World, seed: int, rows: pa.Table) -> np.ndarray:
    """The true level of each (query, pin_id)."""
    asked, world = queries(settings, seed), catalogue(settings, seed)
    query = {text: number for number, text in enumerate(asked.texts)}
    pin = {pin_id: number for number, pin_id in enumerate(world.pin_ids.tolist())}
    return levels(
        asked.asked.take(np.array([query[text] for text in rows["query"].to_pylist()])),
        world.facets.take(np.array([pin[pin_id] for pin_id in rows["pin_id"].to_pylist()])),
    )


def _names(fact: object | None, text: str) -> bool:
    return fact is not None and any(word.lower() in text for words in fact.words for word in words)


def main() -> None:
    made = Made(World(), 0, make(World(), 0))
    told = told_by_source(made)
    for source in SOURCES:
        print(f"{source}: tells a fact that no other source tells of {alone(source, told):.0%} of the Pins")
    have = np.array([[fact is not None for fact in of_pin] for of_pin in facts(made.settings, made.seed)]).mean(axis=0)
    named = np.any(list(told.values()), axis=0).mean(axis=0)
    for fact, there, known in zip(FACTS, have, named):
        print(f"{fact}: {there:.0%} of the Pins have one, that of {known:.0%} is told by some source")
    rows = made.tables["judgments"]
    off = np.abs(true_levels(made.settings, made.seed, rows) - np.array(rows["level"]))
    raters = np.array(rows["rater_id"].to_pylist())
    single = [(off[raters == rater] == 0).mean() for rater in np.unique(raters)]
    print(f"raters: exactly right {(off == 0).mean():.0%} ({min(single):.0%} to {max(single):.0%} for one), ", end="")
    print(f"within one level {(off <= 1).mean():.0%}")


if __name__ == "__main__":
    main()
