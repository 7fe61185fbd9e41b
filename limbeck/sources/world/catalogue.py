"""What every Pin of the world really is: the hidden side. No table says it; texts and pictures only hint at it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

import numpy as np

from limbeck.settings import World
from limbeck.sources.world import attributes
from limbeck.sources.world.people import languages, places
from limbeck.sources.world.streams import stream, weighted
from limbeck.sources.world.truth import Facets
from limbeck.sources.world.vocabulary import ATTRIBUTE, INTEREST_OF, INTERESTS, MATERIAL, STYLE, THINGS, allowed, codes

NOW = datetime(2026, 6, 1, tzinfo=UTC)  # when the world's logs end
OLDEST_DAYS = 1_400
DAY = 86_400 * 1_000_000  # microseconds
HAVE = (0.90, 0.90, 0.75, 0.50)  # how many Pins have a colour, a material, a style, an occasion
WITHOUT_IMAGE, WITHOUT_LINK, SHARED_PAGE = 0.04, 0.25, 0.15
NO_PAGE, CATEGORY_PAGE = 0, 1
OWN_PAGE = 2


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All Pins as columns, in the order of the pins table."""

    pin_ids: np.ndarray  # (n,) of text, telling nothing
    facets: Facets
    language: np.ndarray  # (n,) int8
    place: np.ndarray  # (n,) int8, among `people.PLACES`
    appeal: np.ndarray  # (n,) float, how often a Pin is shown and saved, all else equal
    created: np.ndarray  # (n,) int64, microseconds
    page: np.ndarray  # (n,) int8: NO_PAGE, CATEGORY_PAGE or OWN_PAGE
    pictured: np.ndarray  # (n,) bool

    def __len__(self) -> int:
        return len(self.pin_ids)


@lru_cache(maxsize=2)
def catalogue(settings: World, seed: int) -> Catalogue:
    """The Pins of a world. A small one has fewer interests, so that each thing is still shown by several Pins."""
    rng, n = stream(seed, "catalogue"), settings.pins
    facets = _facets(rng, n, interests=min(len(INTERESTS), max(3, n // 80 + 1)))
    language = languages(rng, n)
    created = timestamp(NOW) - (rng.random(n) ** 1.5 * OLDEST_DAYS * DAY).astype(np.int64) - settings.days * DAY
    page = weighted(rng, np.array([WITHOUT_LINK, SHARED_PAGE, 1 - WITHOUT_LINK - SHARED_PAGE]), n).astype(np.int8)
    pictured = rng.random(n) >= WITHOUT_IMAGE
    place = places(rng, language)
    return Catalogue(_ids(rng, n), facets, language, place, rng.lognormal(0, 0.9, n), created, page, pictured)


def timestamp(when: datetime) -> int:
    """Microseconds since 1970."""
    return int(when.timestamp()) * 1_000_000


def _ids(rng: np.random.Generator, n: int) -> np.ndarray:
    """Distinct 15-digit numbers in no order."""
    step = 9 * 10**14 // n
    numbers = 10**14 + np.arange(n) * step + rng.integers(0, step, n)
    return rng.permutation(numbers).astype("U15")


def _facets(rng: np.random.Generator, n: int, interests: int) -> Facets:
    known = np.flatnonzero(interests > INTEREST_OF)
    popularity = 1 / np.sqrt(2 + rng.permutation(len(known)))
    thing = known[weighted(rng, popularity, n)].astype(np.int16)
    values = np.full((n, len(HAVE)), -1, dtype=np.int16)
    for number in known:
        rows = np.flatnonzero(thing == number)
        for kind, choices in enumerate(allowed(THINGS[number])):
            if choices:
                drawn = np.array(choices)[weighted(rng, 1 / (2 + np.arange(len(choices))), len(rows))]
                values[rows, kind] = np.where(rng.random(len(rows)) < HAVE[kind], drawn, -1)
    with_meat = np.isin(values[:, MATERIAL], codes(attributes.MEATS))
    values[with_meat & np.isin(values[:, STYLE], codes(attributes.MEATLESS)), STYLE] = ATTRIBUTE["quick"]
    return Facets(INTEREST_OF[thing], thing, values)
