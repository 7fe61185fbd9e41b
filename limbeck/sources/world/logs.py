"""The impressions table: users search, a mediocre ranker shows a page, they look down it, click, dwell and save.

The page: about half of it is drawn from Pins of the asked thing, the rest from siblings and complements, from the same
interest, and from everything (exploration); for each place the best looking of a few draws is taken. It is then ordered
by a noisy score that knows the true level only roughly, prefers the user's language and popular Pins.

The click model is a cascade with position bias: everybody looks at the first result; after a result they leave it, they
look at the next one with probability LOOK_ON, after a click with STAYS, after a satisfying (long) click with SATISFIED.
Whoever looks clicks with a probability that rises with the level they *believe* to see, which is the true one give or
take a little, and with the Pin's appeal. Dwell is log-normal and rises with the true level; so do saves, most of which
follow a click.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pyarrow as pa

from limbeck import records
from limbeck.settings import World
from limbeck.sources.world.catalogue import DAY, NOW, Catalogue, catalogue, timestamp
from limbeck.sources.world.people import Users, country_names, language_names, users
from limbeck.sources.world.queries import Queries, queries
from limbeck.sources.world.streams import stream, weighted
from limbeck.sources.world.truth import levels
from limbeck.sources.world.vocabulary import INTERESTS, RELATED, THINGS

SLOTS = (0.48, 0.20, 0.12, 0.20)  # of the asked thing, related to it, of its interest, anything
DRAWS = 3
POPULAR_FIRST = 1.6  # exponent: how much the ranker's candidates lean towards popular Pins
LEVEL_WEIGHT, LANGUAGE_WEIGHT, APPEAL_WEIGHT, RANKER_NOISE = 0.35, 1.5, 0.3, 1.0
LOOK_ON, STAYS, SATISFIED = 0.90, 0.80, 0.55
BELIEF_NOISE = 0.6
# For levels 1 to 5.
CLICKS = np.array([0.02, 0.04, 0.12, 0.26, 0.42])
DWELL_MEDIAN = np.array([2.5, 3.0, 7.0, 14.0, 22.0])  # seconds
DWELL_SPREAD = 0.8
SAVES_CLICKED = np.array([0.01, 0.02, 0.12, 0.22, 0.34])
SAVES_UNCLICKED = np.array([0.000, 0.001, 0.008, 0.015, 0.025])
LONG_CLICK_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Log:
    """A shard of the search log, one row per shown Pin, as codes."""

    search: np.ndarray  # int64
    time: np.ndarray  # int64, microseconds
    user: np.ndarray
    query: np.ndarray
    pin: np.ndarray
    position: np.ndarray  # from 1
    clicked: np.ndarray
    dwell: np.ndarray  # float32, NaN where not clicked
    saved: np.ndarray


@dataclass(frozen=True, slots=True)
class _Shelves:
    """Pins grouped by thing, by interest and all together, the popular ones first."""

    pins: np.ndarray
    start: np.ndarray  # (things + interests + 1,)
    size: np.ndarray


@lru_cache(maxsize=16)
def log(settings: World, seed: int, shard: int) -> Log:
    """One shard of the search log: searches in the order of time."""
    first = shard * settings.searches_per_shard
    count = min(settings.searches, first + settings.searches_per_shard) - first
    rng = stream(seed, "log", shard)
    world, people, asked = catalogue(settings, seed), users(settings, seed), queries(settings, seed)
    user = weighted(rng, people.activity, count)
    query = _searches(rng, asked, people.language[user])
    pins, true = _pages(settings, seed, rng, user, query)
    shown = ~_repeated(pins)
    clicked, dwell, saved = _behave(rng, true, world.appeal[pins], shown)
    span = settings.days * DAY
    elapsed = (first + np.sort(rng.random(count)) * count) / settings.searches * span
    time = timestamp(NOW) - span + elapsed.astype(np.int64)
    row, column = np.nonzero(shown)
    return Log(
        search=first + row,
        time=time[row],
        user=user[row],
        query=query[row],
        pin=pins[row, column],
        position=np.cumsum(shown, axis=1)[row, column],
        clicked=clicked[row, column],
        dwell=dwell[row, column],
        saved=saved[row, column],
    )


def impressions(settings: World, seed: int, shard: int) -> pa.Table:
    """One shard of the impressions table."""
    rows = log(settings, seed, shard)
    world, people, asked = catalogue(settings, seed), users(settings, seed), queries(settings, seed)
    columns = {
        "search_id": [f"s{number:08d}" for number in rows.search.tolist()],
        "searched_at": pa.array(rows.time, pa.timestamp("us", tz="UTC")),
        "user_id": people.user_ids[rows.user],
        "country": country_names(people.place[rows.user]),
        "language": language_names(people.language[rows.user]),
        "query": pa.array(asked.texts).take(pa.array(rows.query)),
        "pin_id": pa.array(world.pin_ids).take(pa.array(rows.pin)),
        "position": rows.position,
        "clicked": rows.clicked,
        "dwell_seconds": pa.array(rows.dwell, pa.float32(), from_pandas=True),
        "saved": rows.saved,
    }
    return pa.table(columns).cast(records.schema("impressions"))


def _searches(rng: np.random.Generator, asked: Queries, language: np.ndarray) -> np.ndarray:
    """A query for each search, of the user's language and by its frequency."""
    cumulative = np.cumsum(asked.share)  # language l spans the values from l to l + 1
    found = np.searchsorted(cumulative, language + rng.random(len(language)) * 0.999999, "right")
    return np.minimum(found, len(asked) - 1)


@lru_cache(maxsize=2)
def _shelves(settings: World, seed: int) -> _Shelves:
    world = catalogue(settings, seed)
    n = len(world)
    where = np.concatenate(
        [world.facets.thing, len(THINGS) + world.facets.interest, np.full(n, len(THINGS) + len(INTERESTS))]
    )
    order = np.lexsort((-np.tile(world.appeal, 3), where))
    size = np.bincount(where, minlength=len(THINGS) + len(INTERESTS) + 1)
    return _Shelves(order % n, np.cumsum(size) - size, size)


def _pages(
    settings: World, seed: int, rng: np.random.Generator, user: np.ndarray, query: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """What each search shows, in order, and the true levels: both (searches, results)."""
    world, people, asked = catalogue(settings, seed), users(settings, seed), queries(settings, seed)
    shape = (len(query), settings.results_per_search, DRAWS)
    shelf = _which_shelves(rng, asked, query, shape[:2], _shelves(settings, seed).size)
    drawn = _draw(rng, _shelves(settings, seed), np.repeat(shelf[..., None], DRAWS, axis=2))
    true = levels(asked.asked.take(np.repeat(query, shape[1] * shape[2])), world.facets.take(drawn.ravel()))
    true = true.reshape(shape)
    score = _score(rng, world, people, user, drawn) + LEVEL_WEIGHT * true
    best = score.argmax(axis=2)[..., None]
    pins, true, score = (np.take_along_axis(a, best, axis=2)[..., 0] for a in (drawn, true, score))
    order = np.argsort(-score, axis=1)
    return np.take_along_axis(pins, order, axis=1), np.take_along_axis(true, order, axis=1)


def _which_shelves(
    rng: np.random.Generator, asked: Queries, query: np.ndarray, shape: tuple[int, int], size: np.ndarray
) -> np.ndarray:
    """For each place on each page the shelf it is filled from; empty ones give way to the interest's."""
    thing, interest = asked.asked.thing[query], asked.asked.interest[query]
    everything, by_interest = len(size) - 1, (len(THINGS) + interest)[:, None]
    partners = np.argsort(~RELATED, axis=1, kind="stable")  # a thing's related ones first
    count = np.maximum(RELATED.sum(axis=1), 1)[thing][:, None]
    related = partners[thing[:, None], (rng.random(shape) * count).astype(int)]
    kind = weighted(rng, np.array(SLOTS), shape[0] * shape[1]).reshape(shape)
    shelf = np.choose(kind, [np.broadcast_to(thing[:, None], shape), related, by_interest, everything])
    shelf = np.where((thing[:, None] < 0) & (kind < 3), by_interest, shelf)
    shelf = np.where(size[shelf] == 0, by_interest, shelf)
    return np.where(size[shelf] == 0, everything, shelf)


def _draw(rng: np.random.Generator, shelves: _Shelves, shelf: np.ndarray) -> np.ndarray:
    size = shelves.size[shelf]
    return shelves.pins[shelves.start[shelf] + (rng.random(shelf.shape) ** POPULAR_FIRST * size).astype(np.int64)]


def _score(
    rng: np.random.Generator, world: Catalogue, people: Users, user: np.ndarray, drawn: np.ndarray
) -> np.ndarray:
    """All of the ranker's score but relevance."""
    own_language = world.language[drawn] == people.language[user][:, None, None]
    noise = rng.standard_normal(drawn.shape, dtype=np.float32) * RANKER_NOISE
    return noise + LANGUAGE_WEIGHT * own_language + APPEAL_WEIGHT * np.log(world.appeal)[drawn]


def _repeated(pins: np.ndarray) -> np.ndarray:
    """(searches, results): whether a Pin has already been shown further up the same page."""
    repeated = np.zeros(pins.shape, dtype=bool)
    for column in range(1, pins.shape[1]):
        repeated[:, column] = (pins[:, :column] == pins[:, column : column + 1]).any(axis=1)
    return repeated


def _behave(
    rng: np.random.Generator, true: np.ndarray, appeal: np.ndarray, shown: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Clicks, dwell seconds and saves, each (searches, results), of users who look down the page."""
    believed = np.clip(np.rint(true + rng.normal(0, BELIEF_NOISE, true.shape)), 1, 5).astype(int)
    wanted = rng.random(true.shape) < np.minimum(CLICKS[believed - 1] * np.clip(appeal, 0.5, 2.0) ** 0.5, 0.9)
    would_dwell = DWELL_MEDIAN[true - 1] * rng.lognormal(0, DWELL_SPREAD, true.shape)
    going_on, clicked, looked = rng.random(true.shape), np.zeros_like(shown), np.zeros_like(shown)
    looking = np.ones(len(true), dtype=bool)
    for place in range(true.shape[1]):
        here = shown[:, place]
        looked[:, place] = looking & here
        clicked[:, place] = looked[:, place] & wanted[:, place]
        after = np.where(would_dwell[:, place] >= LONG_CLICK_SECONDS, SATISFIED, STAYS)
        chance = np.where(clicked[:, place], after, LOOK_ON)
        looking &= ~here | (going_on[:, place] < chance)
    chance = np.where(clicked, SAVES_CLICKED[true - 1], SAVES_UNCLICKED[true - 1])
    saved = looked & (rng.random(true.shape) < chance)
    return clicked, np.where(clicked, would_dwell, np.nan).astype(np.float32), saved
