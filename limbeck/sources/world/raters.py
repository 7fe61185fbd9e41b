"""The judgments and heldout tables: what raters say of English pairs, and what is true of pairs in every language.

Each rater sees the true level through noise of their own and cuts it at thresholds shifted towards leniency or
strictness; now and then they answer at random. Pairs are picked so that all levels are there, irrelevant ones
preferably such that share an attribute with what is asked for.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from math import erf, sqrt

import numpy as np
import pyarrow as pa

from limbeck import records
from limbeck.relevance import LEVELS, fold
from limbeck.settings import World
from limbeck.sources.world.catalogue import DAY, catalogue, timestamp
from limbeck.sources.world.people import SHARES, country_names, language_names, places
from limbeck.sources.world.queries import Queries, queries
from limbeck.sources.world.streams import stream
from limbeck.sources.world.truth import levels
from limbeck.sources.world.vocabulary import LANGUAGES, SATISFIES

ENGLISH = 0
MIX = (0.25, 0.15, 0.20, 0.20, 0.20)  # wanted of levels 1 to 5
JUDGED_PER_QUERY, HELDOUT_PER_QUERY = 12, 16
SEVERAL_RATERS, HOW_MANY = 0.30, 3
SHARED_ATTRIBUTE, OWN_LANGUAGE = 1.2, 1.6  # log-weights when picking Pins
NOISE, LENIENCY, AT_RANDOM = (0.35, 0.65), 0.22, (0.005, 0.03)
JUDGED_AT = datetime(2026, 6, 8, tzinfo=UTC)
TEST_FOLDS = 2


@dataclass(frozen=True, slots=True)
class Pairs:
    """Picked pairs as codes, with their true levels."""

    query: np.ndarray
    pin: np.ndarray
    level: np.ndarray

    def take(self, rows: np.ndarray) -> "Pairs":
        """Some of the pairs."""
        return Pairs(self.query[rows], self.pin[rows], self.level[rows])


def confusions(settings: World, seed: int) -> np.ndarray:
    """(raters, 5, 5): how likely each rater answers each level, given the true one."""
    rng, n = stream(seed, "raters"), settings.raters
    noise, leniency = rng.uniform(*NOISE, n), rng.normal(0, LENIENCY, n)
    at_random = rng.uniform(*AT_RANDOM, n)
    cuts = np.array([-np.inf, 1.5, 2.5, 3.5, 4.5, np.inf])
    seen = np.array(LEVELS)[None, :, None] + leniency[:, None, None]
    below = _normal((cuts - seen) / noise[:, None, None])
    return np.diff(below, axis=2) * (1 - at_random[:, None, None]) + at_random[:, None, None] / len(LEVELS)


def judgments(settings: World, seed: int) -> pa.Table:
    """English pairs of queries of every fold, each labelled by one rater, a part of them by several."""
    rng, asked = stream(seed, "judgments"), queries(settings, seed)
    english = np.flatnonzero(asked.language == ENGLISH)
    chosen = _choose_queries(rng, asked, english, settings.judged_pairs // JUDGED_PER_QUERY)
    pairs = _pick(settings, seed, rng, chosen, settings.judged_pairs, own_language=True)
    several = min(HOW_MANY, settings.raters)
    times = np.where(rng.random(len(pairs.query)) < SEVERAL_RATERS, several, 1)
    who = np.argsort(rng.random((len(times), settings.raters)), axis=1)[:, :several]  # no rater twice for a pair
    row, turn = np.nonzero(np.arange(several) < times[:, None])
    rater = who[row, turn]
    answers = np.cumsum(confusions(settings, seed)[rater, pairs.level[row] - 1], axis=1)
    level = 1 + (rng.random(len(row))[:, None] * answers[:, -1:] > answers).sum(axis=1)
    named = np.array([f"rater {number + 1}" for number in range(settings.raters)])[rater]
    return _table(settings, seed, rng, pairs.take(row), named, np.minimum(level, 5))


def heldout(settings: World, seed: int) -> pa.Table:
    """True levels of pairs in every language, only of queries that no model may train on (folds 0 and 1)."""
    rng, asked = stream(seed, "heldout"), queries(settings, seed)
    test = np.array([fold(text) < TEST_FOLDS for text in asked.texts])
    chosen = [
        _choose_queries(rng, asked, np.flatnonzero(test & (asked.language == number)), share)
        for number, share in enumerate(_shares_of(settings.heldout_pairs // HELDOUT_PER_QUERY))
    ]
    pairs = _pick(settings, seed, rng, np.concatenate(chosen), settings.heldout_pairs, own_language=False)
    return _table(settings, seed, rng, pairs, np.full(len(pairs.query), "truth"), pairs.level)


def _shares_of(total: int) -> list[int]:
    """Queries per language: between the languages' shares of users and equal parts, and at least one."""
    return [max(1, round(total * (share + 1 / len(LANGUAGES)) / 2)) for share in SHARES]


def _choose_queries(rng: np.random.Generator, asked: Queries, among: np.ndarray, count: int) -> np.ndarray:
    """Distinct queries, frequent ones rather than rare ones, though less so than they are searched for."""
    keys = 0.5 * np.log(asked.share[among]) + rng.gumbel(size=len(among))
    return np.sort(among[np.argsort(-keys)[: max(1, count)]])


def _pick(
    settings: World, seed: int, rng: np.random.Generator, chosen: np.ndarray, total: int, own_language: bool
) -> Pairs:
    """About `total` pairs of these queries; with Pins of the query's language only, or of all."""
    world, asked = catalogue(settings, seed), queries(settings, seed)
    per_query = np.diff(np.arange(len(chosen) + 1) * total // len(chosen))
    found = []
    for query, count in zip(chosen.tolist(), per_query.tolist()):
        speaks = world.language == asked.language[query]
        true = levels(asked.asked.take(np.array([query])), world.facets)
        wished = asked.asked.attributes[query]
        shares = (SATISFIES[wished, world.facets.attributes] & (wished >= 0)).any(axis=1)
        key = rng.gumbel(size=len(true)) + SHARED_ATTRIBUTE * shares + OWN_LANGUAGE * speaks
        found.append(_mixed(rng, true, np.where(speaks | (not own_language), key, -np.inf), count))
    query = np.repeat(chosen, [len(pins) for pins, _ in found])
    return Pairs(query, np.concatenate([pins for pins, _ in found]), np.concatenate([true for _, true in found]))


def _mixed(rng: np.random.Generator, true: np.ndarray, key: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """`count` Pins by descending key in the wanted mix of levels; what a level lacks, the next lower one makes up."""
    wanted, owed, pins = rng.multinomial(count, MIX), 0, []
    for level in reversed(LEVELS):
        there = np.flatnonzero((true == level) & np.isfinite(key))
        need = wanted[level - 1] + owed
        pins.append(there[np.argsort(-key[there])[:need]])
        owed = need - len(pins[-1])
    chosen = rng.permutation(np.concatenate(pins))
    return chosen, true[chosen]


def _table(
    settings: World, seed: int, rng: np.random.Generator, pairs: Pairs, rater: np.ndarray, level: np.ndarray
) -> pa.Table:
    asked = queries(settings, seed)
    language = asked.language[pairs.query]
    when = timestamp(JUDGED_AT) + (np.sort(rng.random(len(level))) * 7 * DAY).astype(np.int64)
    country = dict(zip(asked_once := np.unique(pairs.query), places(rng, asked.language[asked_once])))
    columns = {
        "query": [asked.texts[query] for query in pairs.query],
        "pin_id": catalogue(settings, seed).pin_ids[pairs.pin],
        "rater_id": rater,
        "level": level.astype(np.int32),
        "judged_at": pa.array(when, pa.timestamp("us", tz="UTC")),
        "language": language_names(language),
        "country": country_names(np.array([country[query] for query in pairs.query])),
    }
    return pa.table(columns).cast(records.schema("judgments"))


def _normal(z: np.ndarray) -> np.ndarray:
    """The normal distribution function."""
    return np.vectorize(lambda value: 0.5 * (1 + erf(value / sqrt(2))))(z)
