"""The metrics, as pure functions of arrays. docs/metrics.md says what each one tells and how ties and gaps are treated.

Levels are 1–5 throughout. `weights` count how often each pair is in the sample, (n,) or (resamples, n): the result then
has one number per resample. A metric that cannot be computed (say, AUROC with one class only) is NaN.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from limbeck.measure.ranks import area, rank_correlation, runs

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FLOOR = (
    1e-7  # below it, a probability counts as this much: float32 softmax underflows, and log(0) would end all averages
)


def ratio(numerator: ArrayLike, denominator: ArrayLike) -> Floats:
    """Division with NaN, and no warning, where the denominator is zero."""
    top, bottom = np.asarray(numerator, np.float64), np.asarray(denominator, np.float64)
    return np.divide(top, bottom, out=np.full(np.broadcast_shapes(top.shape, bottom.shape), np.nan), where=bottom != 0)


# -- of the confusion matrix, (..., 5, 5): rows are true levels, columns predicted ones --


def confusion(truth: Ints, predicted: Ints, weights: ArrayLike = 1.0) -> Floats:
    """The (5, 5) confusion matrix of two (n,) arrays of levels."""
    matrix = np.zeros((5, 5))
    np.add.at(matrix, (truth - 1, predicted - 1), weights)
    return matrix


def accuracy(matrix: Floats) -> Floats:
    """Share of pairs given their true level."""
    return _within(matrix, 0)


def off_by_one_accuracy(matrix: Floats) -> Floats:
    """Share of pairs given their true level or one beside it."""
    return _within(matrix, 1)


def _within(matrix: Floats, distance: int) -> Floats:
    return ratio((matrix * near(distance)).sum((-1, -2)), matrix.sum((-1, -2)))


def near(distance: int) -> NDArray[np.bool_]:
    """Which cells of a confusion matrix are at most this far off, (5, 5)."""
    return np.abs(np.subtract.outer(np.arange(5), np.arange(5))) <= distance


def macro_f1(matrix: Floats) -> Floats:
    """F1 = 2 TP / (2 TP + FP + FN) per level, averaged over the levels that occur as true or predicted ones."""
    hits = np.diagonal(matrix, axis1=-2, axis2=-1)
    occurring = matrix.sum(-1) + matrix.sum(-2)
    f1 = np.divide(2 * hits, occurring, out=np.zeros_like(hits), where=occurring > 0)
    return ratio(f1.sum(-1), (occurring > 0).sum(-1).astype(np.float64))


def quadratic_kappa(matrix: Floats) -> Floats:
    """Cohen's weighted kappa with squared distances (Cohen 1968): 1 − observed / expected disagreement."""
    distance = np.subtract.outer(np.arange(5.0), np.arange(5.0)) ** 2
    observed = (matrix * distance).sum((-1, -2)) * matrix.sum((-1, -2))
    expected = np.einsum("...i,...j,ij->...", matrix.sum(-1), matrix.sum(-2), distance)
    return 1 - ratio(observed, expected)


# -- of all pairs at once --


def auroc(scores: Floats, positive: NDArray[np.bool_], weights: Floats | None = None) -> Floats:
    """Probability that a positive pair scores above a negative one, ties counting half (Hanley & McNeil 1982)."""
    return _squeeze(area(*runs(scores), positive.astype(np.float64), _as_weights(weights, len(scores))))


def spearman(x: Floats, y: Floats, weights: Floats | None = None) -> Floats:
    """Pearson correlation of mid-ranks; under weights, of the mid-ranks in the sample that the weights stand for."""
    return _squeeze(rank_correlation(*runs(x), *runs(y), _as_weights(weights, len(x))))


# -- of one pair each, to be averaged --


def log_loss(distribution: Floats, truth: Ints) -> Floats:
    """Minus the natural log of the probability given to the true level, (n,)."""
    return -np.log(np.maximum(distribution[np.arange(len(truth)), truth - 1], FLOOR))


def ranked_probability_score(distribution: Floats, truth: Ints) -> Floats:
    """Squared distance of the cumulative distributions over four steps, 0 best, 1 worst, (n,) (Epstein 1969)."""
    certain = truth[:, None] <= np.arange(1, 5)
    return ((np.cumsum(distribution, axis=1)[:, :4] - certain) ** 2).mean(axis=1)


def equal_mass_bins(values: Floats, bins: int) -> Ints:
    """A bin 0 … bins − 1 for each value, equally many in each but that equal values share one, (n,)."""
    smaller = np.searchsorted(np.sort(values), values, side="left")
    return smaller * bins // len(values)


def calibration_error(correct: Floats, confidence: Floats, pairs: Floats) -> Floats:
    """Expected calibration error: Σ |correct − confidence| / Σ pairs over bins, each argument a sum, (..., bins)."""
    return ratio(np.abs(correct - confidence).sum(-1), pairs.sum(-1))


# -- of one query each, to be averaged; `query` numbers the queries 0 … and ties share what their places would earn --


def ndcg(scores: Floats, gains: Floats, query: Ints, k: int) -> Floats:
    """Normalised discounted cumulative gain of the first k per query; NaN where a query has no gain at all.

    Linear gain over log2(rank + 1) (Järvelin & Kekäläinen 2002), and the expectation over all orders of tied scores
    (McSherry & Najork 2008).
    """
    discounts = 1 / np.log2(np.arange(k) + 2)
    return ratio(_expected_sum(scores, gains, query, discounts), _expected_sum(gains, gains, query, discounts))


def precision(scores: Floats, relevant: NDArray[np.bool_], query: Ints, k: int) -> Floats:
    """Expected share of relevant pairs among the first k per query; places that no pair fills count as irrelevant."""
    return _expected_sum(scores, relevant.astype(np.float64), query, np.full(k, 1 / k))


def _expected_sum(scores: Floats, gains: Floats, query: Ints, discounts: Floats) -> Floats:
    """Σ discount(rank) × gain per query, averaged over all orders of tied scores, (queries,)."""
    order = np.lexsort((-scores, query))
    scores, gains, query = scores[order], gains[order], query[order]
    first = np.diff(query, prepend=-1) > 0
    rank = np.arange(len(query)) - np.flatnonzero(first)[np.cumsum(first) - 1]
    discount = np.where(rank < len(discounts), discounts[np.minimum(rank, len(discounts) - 1)], 0.0)
    ties = np.flatnonzero(first | (np.diff(scores, prepend=np.inf) != 0))
    size = np.diff(ties, append=len(query))
    earned = np.add.reduceat(gains, ties) * np.add.reduceat(discount, ties) / size
    return np.bincount(query[ties], weights=earned).astype(np.float64)


# -- of several raters --


def coincidences(counts: Floats) -> Floats:
    """Krippendorff's coincidence matrix of each pair, (n, 5, 5), from how many raters chose which level, (n, 5)."""
    raters = counts.sum(1)
    ordered = counts[:, :, None] * counts[:, None, :] - counts[:, :, None] * np.eye(5)
    return ordered / np.maximum(raters - 1, 1)[:, None, None]


def krippendorff_alpha(matrix: Floats) -> Floats:
    """Krippendorff's alpha for ordinal levels from (summed) coincidences, (..., 5, 5) (Krippendorff 2011)."""
    levels = matrix.sum(-1)
    upto = np.cumsum(levels, -1) - levels / 2
    distance = (upto[..., :, None] - upto[..., None, :]) ** 2
    observed = (matrix * distance).sum((-1, -2))
    expected = np.einsum("...i,...j,...ij->...", levels, levels, distance)
    return 1 - ratio(observed * (levels.sum(-1) - 1), expected)


# -- inside --


def _as_weights(weights: Floats | None, rows: int) -> Floats:
    """Weights as (resamples, n)."""
    return np.ones((1, rows)) if weights is None else np.atleast_2d(weights)


def _squeeze(values: Floats) -> Floats:
    """A plain number where there is one sample only."""
    return values[0] if len(values) == 1 else values
