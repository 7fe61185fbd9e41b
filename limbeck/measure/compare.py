"""Graders side by side on one sample: every metric with its interval, and every difference with its p-value."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from limbeck.measure.evaluation import Comparison, Estimate
from limbeck.measure.intervals import holm, interval, paired_bootstrap, resamples, sign_flip
from limbeck.measure.metrics import Floats
from limbeck.measure.sample import Sample
from limbeck.measure.scores import METRICS, Scores

Resampled = dict[str, dict[str, Floats]]  # grader → metric → (resamples,)


class Comparer:
    """Draws the resamples once, the same for all graders, so that differences are paired."""

    def __init__(self, sample: Sample, grades: Mapping[str, Floats], names: Iterable[str] = METRICS) -> None:
        self.sample, self.names = sample, tuple(names)
        self.scores = {grader: Scores(sample, distribution) for grader, distribution in grades.items()}
        once = np.ones((1, sample.queries))
        self.values = {
            g: {m: float(v[0]) for m, v in s.values(once, self.names).items()} for g, s in self.scores.items()
        }
        self.resampled: Resampled = {}

    def resample(self, times: int, seed: int) -> None:
        """Recompute every metric on `times` resamples of the queries; below two of either there are no intervals."""
        if self.sample.queries < 2 or times < 2:
            return
        parts: dict[str, list[dict[str, Floats]]] = {g: [] for g in self.scores}
        for weights in resamples(self.sample.queries, times, len(self.sample), seed):
            for grader, scores in self.scores.items():
                parts[grader].append(scores.values(weights, self.names))
        self.resampled = {g: {m: np.concatenate([c[m] for c in p]) for m in self.names} for g, p in parts.items()}

    def estimates(self, grader: str, confidence: float) -> dict[str, Estimate]:
        """Each metric of a grader with its interval."""
        if grader not in self.resampled:
            return {m: Estimate(number(v)) for m, v in self.values[grader].items()}
        return {m: estimate(v, self.resampled[grader][m], confidence) for m, v in self.values[grader].items()}

    def compare(
        self, pairs: Sequence[tuple[str, str]], names: Sequence[str], confidence: float, seed: int
    ) -> list[dict[str, Comparison]]:
        """For each (grader, other) pair, these metrics of the one less the other's; p-values are not corrected yet."""
        flipped = self._sign_flips(pairs, names, seed)
        return [{m: self._compare(g, o, m, confidence, flipped.get((g, o, m))) for m in names} for g, o in pairs]

    def _sign_flips(
        self, pairs: Sequence[tuple[str, str]], names: Sequence[str], seed: int
    ) -> dict[tuple[str, str, str], float]:
        """P-values of the metrics that are sums over queries, all tests under the same signs."""
        tests = [(g, o, m) for g, o in pairs for m in names if METRICS[m].per_query]
        if not tests or not self.resampled:
            return {}
        added = {g: self.scores[g].contributions for pair in pairs for g in pair}
        differences = np.stack([added[g](m) - added[o](m) for g, o, m in tests], axis=1)
        return dict(zip(tests, sign_flip(differences, seed).tolist()))

    def _compare(self, grader: str, other: str, metric: str, confidence: float, flipped: float | None) -> Comparison:
        difference = self.values[grader][metric] - self.values[other][metric]
        if not self.resampled or not np.isfinite(difference):
            return Comparison(Estimate(number(difference)), None)
        drawn = self.resampled[grader][metric] - self.resampled[other][metric]
        p = paired_bootstrap(difference, drawn) if flipped is None else flipped
        return Comparison(estimate(difference, drawn, confidence), number(p))


def correct(comparisons: dict[str, dict[str, Comparison]]) -> dict[str, dict[str, Comparison]]:
    """The same comparisons with p-values corrected for all of them at once (Holm)."""
    cells = [(g, m) for g, by_metric in comparisons.items() for m in by_metric]
    p_values = [comparisons[g][m].p for g, m in cells]
    corrected = holm(np.asarray([math.nan if p is None else p for p in p_values], np.float64))
    out: dict[str, dict[str, Comparison]] = {g: {} for g in comparisons}
    for (g, m), p in zip(cells, corrected):
        out[g][m] = replace(comparisons[g][m], p_holm=number(p))
    return out


def estimate(value: float, resampled: Floats, confidence: float) -> Estimate:
    """A value and its interval over resamples."""
    low, high = interval(value, resampled, confidence)
    return Estimate(number(value), number(low), number(high))


def number(value: float) -> float | None:
    """A plain float, None where it is not finite: JSON knows no NaN."""
    return float(value) if math.isfinite(value) else None
