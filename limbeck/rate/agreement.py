"""How far raters agree, live: alpha, kappa and confusion per pair of raters, gold accuracy and time per rater.

Gold pairs only measure raters: they are easy by choice, so they count neither for alpha nor for kappa.
"""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from limbeck.measure import metrics
from limbeck.rate.store import ADMIN, Answer, Pair

WIDE = 2  # levels apart: raters who differ by one are not called to order
ADVISED = 20  # fewer common pairs than this, and a kappa tells little


@dataclass(frozen=True)
class RaterFacts:
    """One rater: answers by kind, share of gold pairs met exactly, and the median seconds for a pair."""

    rater: str
    rated: int
    skipped: int
    flagged: int
    gold: int
    gold_accuracy: float | None
    seconds: float | None


@dataclass(frozen=True)
class TwoRaters:
    """Two raters on the pairs that both rated: quadratic-weighted kappa, and a confusion, rows the first's levels."""

    first: str
    second: str
    pairs: int
    kappa: float | None
    confusion: list[list[int]]


@dataclass(frozen=True)
class Agreement:
    """Krippendorff's ordinal alpha over the pairs with several ratings, and what lies behind it."""

    alpha: float | None
    pairs: int
    raters: list[RaterFacts]
    couples: list[TwoRaters]


@dataclass(frozen=True)
class Conflict:
    """A pair on which raters are far apart, or that one of them flagged; `level` is the administrator's, if any."""

    pair: Pair
    answers: list[Answer]
    level: int | None

    @property
    def spread(self) -> int:
        """Levels between the lowest and the highest rating."""
        levels = [a.level for a in self.answers if a.level is not None]
        return max(levels) - min(levels) if levels else 0


def agreement(pairs: Iterable[Pair], answers: Sequence[Answer], raters: Sequence[str]) -> Agreement:
    """All of it, from what stands now."""
    gold = {pair.pair: pair.gold for pair in pairs if pair.gold is not None}
    levels = {rater: _levels(answers, rater) for rater in raters}
    proper = {rater: {p: level for p, level in mine.items() if p not in gold} for rater, mine in levels.items()}
    alpha, several = ordinal_alpha(list(proper.values()))
    facts = [_facts(rater, [a for a in answers if a.person == rater], gold) for rater in raters]
    couples = [_couple(a, b, proper[a], proper[b]) for a, b in combinations(raters, 2)]
    return Agreement(alpha, several, facts, couples)


def ordinal_alpha(levels: Sequence[Mapping[str, int]]) -> tuple[float | None, int]:
    """Krippendorff's alpha from each rater's levels by pair, and on how many pairs it rests."""
    named = [pair for mine in levels for pair in mine]
    number = {pair: i for i, pair in enumerate(dict.fromkeys(named))}
    counts = np.zeros((len(number), 5))
    np.add.at(counts, ([number[p] for p in named], [mine[p] - 1 for mine in levels for p in mine]), 1)
    several = counts[counts.sum(axis=1) >= 2]
    return _finite(metrics.krippendorff_alpha(metrics.coincidences(several).sum(0))), len(several)


def conflicts(pairs: Iterable[Pair], answers: Iterable[Answer]) -> list[Conflict]:
    """What an administrator should look at: unsettled pairs first, then those far apart, then by how far."""
    known = {pair.pair: pair for pair in pairs}
    said: dict[str, list[Answer]] = {}
    settled: dict[str, int | None] = {}
    for answer in answers:
        if answer.person == ADMIN:
            settled[answer.pair] = answer.level
        else:
            said.setdefault(answer.pair, []).append(answer)
    found = [Conflict(known[pair], mine, settled.get(pair)) for pair, mine in said.items()]
    wanted = [c for c in found if c.spread >= WIDE or any(a.action == "flag" for a in c.answers)]
    return sorted(wanted, key=lambda c: (c.level is not None, -c.spread, c.pair.query, c.pair.pin_id))


def _levels(answers: Iterable[Answer], rater: str) -> dict[str, int]:
    return {a.pair: a.level for a in answers if a.person == rater and a.level is not None}


def _facts(rater: str, answers: Sequence[Answer], gold: Mapping[str, int]) -> RaterFacts:
    met = [a.level == gold[a.pair] for a in answers if a.level is not None and a.pair in gold]
    kinds = [a.action for a in answers]
    return RaterFacts(
        rater=rater,
        rated=kinds.count("rate"),
        skipped=kinds.count("skip"),
        flagged=kinds.count("flag"),
        gold=len(met),
        gold_accuracy=statistics.fmean(met) if met else None,
        seconds=statistics.median(a.seconds for a in answers) if answers else None,
    )


def _couple(first: str, second: str, one: Mapping[str, int], other: Mapping[str, int]) -> TwoRaters:
    both = sorted(one.keys() & other.keys())
    truth, said = (np.array([mine[p] for p in both], np.int64) for mine in (one, other))
    confusion = metrics.confusion(truth, said)
    kappa = _finite(metrics.quadratic_kappa(confusion))
    return TwoRaters(first, second, len(both), kappa, confusion.astype(int).tolist())


def _finite(value: np.ndarray) -> float | None:
    """A number; None where it cannot be computed, as when all levels are the same."""
    return float(value) if np.isfinite(value) else None
