"""Who uses the world: users of several countries and languages, some far more active than others."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from limbeck.settings import World
from limbeck.sources.world.streams import stream, weighted
from limbeck.sources.world.vocabulary import LANGUAGES

SHARES = (0.44, 0.15, 0.14, 0.15, 0.12)  # of the languages
COUNTRIES: dict[str, dict[str, float]] = {
    "en": {"US": 0.55, "GB": 0.20, "CA": 0.15, "AU": 0.10},
    "de": {"DE": 0.75, "AT": 0.15, "CH": 0.10},
    "fr": {"FR": 0.65, "CA": 0.20, "BE": 0.15},
    "es": {"MX": 0.45, "ES": 0.35, "AR": 0.20},
    "ja": {"JP": 1.0},
}
PLACES = tuple((language, country) for language in LANGUAGES for country in COUNTRIES[language])


@dataclass(frozen=True, slots=True)
class Users:
    """All users as columns."""

    user_ids: np.ndarray  # (u,) of text
    language: np.ndarray  # (u,) int8
    place: np.ndarray  # (u,) int8, among PLACES
    activity: np.ndarray  # (u,) float, searches and boards of a user relative to others

    def __len__(self) -> int:
        return len(self.user_ids)


@lru_cache(maxsize=2)
def users(settings: World, seed: int) -> Users:
    """The users of a world; every language has its share of them, however few they are."""
    rng, n = stream(seed, "users"), settings.users
    spread = np.searchsorted(np.cumsum(SHARES), (np.arange(n) + 0.5) / n * 0.999)
    language = rng.permutation(spread).astype(np.int8)
    ids = np.array([f"u{number:06d}" for number in range(n)])
    return Users(ids, language, places(rng, language), 1 / (3 + rng.permutation(n)) ** 0.6)


def languages(rng: np.random.Generator, n: int) -> np.ndarray:
    """Languages (n,) in their shares."""
    return weighted(rng, np.array(SHARES), n).astype(np.int8)


def places(rng: np.random.Generator, language: np.ndarray) -> np.ndarray:
    """For each language a place (n,), among PLACES, where it is spoken."""
    found = np.zeros(len(language), dtype=np.int8)
    for number, code in enumerate(LANGUAGES):
        rows = np.flatnonzero(language == number)
        weights = [COUNTRIES[code][country] if spoken == code else 0.0 for spoken, country in PLACES]
        found[rows] = weighted(rng, np.array(weights), len(rows))
    return found


def country_names(place: np.ndarray) -> np.ndarray:
    """Country codes of places."""
    return np.array([country for _, country in PLACES])[place]


def language_names(language: np.ndarray) -> np.ndarray:
    """Language codes."""
    return np.array(LANGUAGES)[language]
