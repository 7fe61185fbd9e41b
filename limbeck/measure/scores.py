"""All metrics of one grader, for the sample as it is and for thousands of resamples of its queries.

Most metrics are functions of sums over queries, so a resample is one row of a matrix product; AUROC and Spearman's
correlation see each pair's weight.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from limbeck.measure import metrics
from limbeck.measure.metrics import Floats, Ints
from limbeck.measure.sample import Sample, expected

BINS = 15
RELEVANT = 4  # a pair of at least this level counts as relevant for P@8


@dataclass(frozen=True)
class Metric:
    """How a metric is named, which way is better, and what it says in one line."""

    label: str
    says: str
    higher_is_better: bool = True
    per_query: bool = True  # a sum over queries: tested by sign flips; else by paired bootstrap


METRICS = {
    "ndcg@20": Metric("nDCG@20", "how near the order of each query's Pins is to the best one"),
    "p@8": Metric("P@8", "share of the first 8 Pins of a query that are relevant (level 4 or 5)"),
    "accuracy": Metric("Accuracy", "share of pairs given the raters' level"),
    "off_by_one": Metric("Off-by-one accuracy", "share of pairs given the raters' level or one beside it"),
    "macro_f1": Metric("Macro-F1", "F1 of each level, averaged: rare levels count as much", per_query=False),
    "kappa": Metric("Quadratic kappa", "agreement beyond chance; far misses weigh more", per_query=False),
    "auroc_3": Metric("AUROC 3+", "chance that a pair of level 3 or more scores above one below", per_query=False),
    "auroc_4": Metric("AUROC 4+", "the same for level 4 or more", per_query=False),
    "auroc_5": Metric("AUROC 5", "the same for level 5", per_query=False),
    "spearman": Metric("Spearman", "rank correlation of expected level and raters' mean", per_query=False),
    "log_loss": Metric("Log loss", "surprise at the raters' level, in nats", higher_is_better=False),
    "rps": Metric("Ranked probability score", "distance of the distributions; far misses weigh more", False),
    "calibration": Metric("Calibration error", "gap between stated confidence and accuracy", False, per_query=False),
}
SEGMENT_METRICS = ("ndcg@20", "accuracy", "spearman")


class Scores:
    """One grader on one sample: sums per query that metrics follow from."""

    def __init__(self, sample: Sample, distribution: Floats) -> None:
        self.sample, self.distribution = sample, distribution
        self.score = expected(distribution)
        self.predicted: Ints = distribution.argmax(axis=1) + 1
        self.columns: dict[str, Floats] = self._per_query()

    def _per_query(self) -> dict[str, Floats]:
        """Sums of each query, (queries, as many columns as the quantity has)."""
        sample, confidence = self.sample, self.distribution.max(axis=1)
        bins = metrics.equal_mass_bins(confidence, BINS)
        hit = self.predicted == sample.level
        ndcg = metrics.ndcg(self.score, (sample.level - 1).astype(np.float64), sample.query, 20)
        counted = np.isfinite(ndcg)
        return {
            "ones": self._sum(np.ones(len(sample))),
            "confusion": self._spread((sample.level - 1) * 5 + self.predicted - 1, 25),
            "log_loss": self._sum(metrics.log_loss(self.distribution, sample.level)),
            "rps": self._sum(metrics.ranked_probability_score(self.distribution, sample.level)),
            "bin_pairs": self._spread(bins, BINS),
            "bin_hits": self._spread(bins, BINS, hit),
            "bin_confidence": self._spread(bins, BINS, confidence),
            "ndcg@20": np.where(counted, ndcg, 0.0)[:, None],
            "ranked": counted[:, None].astype(np.float64),
            "p@8": metrics.precision(self.score, sample.level >= RELEVANT, sample.query, 8)[:, None],
        }

    def _sum(self, values: Floats) -> Floats:
        return np.bincount(self.sample.query, weights=values, minlength=self.sample.queries).astype(np.float64)[:, None]

    def _spread(self, column: Ints, columns: int, values: Floats | None = None) -> Floats:
        """Sums of `values` (or counts) per query and column."""
        cell = self.sample.query * columns + column
        return np.bincount(cell, values, self.sample.queries * columns).reshape(-1, columns).astype(np.float64)

    def total(self, name: str, weights: Floats) -> Floats:
        """Sums of a quantity over queries under weights (resamples, queries): (resamples, columns)."""
        return weights @ self.columns[name]

    def values(self, weights: Floats, names: Iterable[str] = METRICS) -> dict[str, Floats]:
        """These metrics under weights of queries (resamples, queries), each (resamples,)."""
        return {name: np.atleast_1d(_FORMULAS[name](self, weights)) for name in names}

    def mean(self, name: str, weights: Floats, per: str = "ones") -> Floats:
        """A weighted mean over pairs ("ones"), or over those that a column of zeros and ones counts."""
        return metrics.ratio(self.total(name, weights)[:, 0], self.total(per, weights)[:, 0])

    def matrix(self, weights: Floats) -> Floats:
        """Confusion matrices, (resamples, 5, 5)."""
        return self.total("confusion", weights).reshape(-1, 5, 5)

    def contributions(self, name: str) -> Floats:
        """What each query adds to a per-query metric, (queries,): the metric is their sum over a fixed count."""
        if name in ("accuracy", "off_by_one"):
            matrix = self.columns["confusion"].reshape(-1, 5, 5)
            reach = 0 if name == "accuracy" else 1
            return (matrix * metrics.near(reach)).sum((-1, -2))
        return self.columns[name][:, 0]

    def auroc(self, level: int, weights: Floats) -> Floats:
        """AUROC of the probability of this level or more."""
        score = self.distribution[:, level - 1 :].sum(axis=1)
        return metrics.auroc(score, self.sample.level >= level, weights[:, self.sample.query])

    def calibration(self, weights: Floats) -> Floats:
        """Expected calibration error over fixed bins of equal mass."""
        hits, confidence, pairs = (self.total(f"bin_{c}", weights) for c in ("hits", "confidence", "pairs"))
        return metrics.calibration_error(hits, confidence, pairs)


_FORMULAS: dict[str, Callable[[Scores, Floats], Floats]] = {
    "ndcg@20": lambda s, w: s.mean("ndcg@20", w, per="ranked"),
    "p@8": lambda s, w: s.total("p@8", w)[:, 0] / w.sum(1),
    "accuracy": lambda s, w: metrics.accuracy(s.matrix(w)),
    "off_by_one": lambda s, w: metrics.off_by_one_accuracy(s.matrix(w)),
    "macro_f1": lambda s, w: metrics.macro_f1(s.matrix(w)),
    "kappa": lambda s, w: metrics.quadratic_kappa(s.matrix(w)),
    "auroc_3": lambda s, w: s.auroc(3, w),
    "auroc_4": lambda s, w: s.auroc(4, w),
    "auroc_5": lambda s, w: s.auroc(5, w),
    "spearman": lambda s, w: metrics.spearman(s.score, s.sample.mean, w[:, s.sample.query]),
    "log_loss": lambda s, w: s.mean("log_loss", w),
    "rps": lambda s, w: s.mean("rps", w),
    "calibration": lambda s, w: s.calibration(w),
}
