"""How sure a number is: bootstrap over queries, paired tests, and Holm's correction.

The query, not the pair, is what was sampled: the pairs of one query share its difficulty. So whole queries are drawn.
"""

from collections.abc import Iterator

import numpy as np
from scipy.special import ndtr

from limbeck.measure.metrics import Floats

FLIPS = 100_000
_CELLS = 1_000_000  # of the matrices worked on at once: 8 MB


def resamples(queries: int, times: int, pairs: int, seed: int) -> Iterator[Floats]:
    """How often each query is drawn in each resample, (some resamples, queries), `times` of them in all."""
    rng = np.random.default_rng(seed)
    step = max(1, min(times, _CELLS // pairs))
    for begin in range(0, times, step):
        some = min(step, times - begin)
        drawn = rng.integers(0, queries, (some, queries)) + np.arange(some)[:, None] * queries
        yield np.bincount(drawn.ravel(), minlength=some * queries).reshape(some, queries).astype(np.float64)


def interval(value: float, resampled: Floats, confidence: float) -> tuple[float, float]:
    """The percentile interval of the resampled values, moved so that their mean is the value; NaNs where unknown.

    Without the move, a metric that resampling biases (calibration error grows with noise) could lie outside its own
    interval.
    """
    known = resampled[np.isfinite(resampled)]
    if len(known) < len(resampled) / 2 or not np.isfinite(value):
        return float("nan"), float("nan")
    tail = (1 - confidence) / 2
    low, high = np.quantile(known, [tail, 1 - tail]) - (known.mean() - value)
    return float(low), float(high)


def sign_flip(differences: Floats, seed: int, flips: int = FLIPS) -> Floats:
    """Two-sided p-values of paired permutation tests (Fisher): how often random signs make as large a sum.

    `differences` is (queries, tests): what each query adds to the grader less what it adds to the baseline.
    """
    rng = np.random.default_rng(seed)
    observed = np.abs(differences.sum(axis=0))
    as_large, step = np.zeros(len(observed)), max(1, _CELLS // len(differences))
    for begin in range(0, flips, step):
        heads = rng.integers(0, 2, (min(step, flips - begin), len(differences)), dtype=np.int8)
        sums = 2 * (heads.astype(np.float64) @ differences) - differences.sum(axis=0)
        as_large += (np.abs(sums) >= observed * (1 - 1e-9)).sum(axis=0)
    return (as_large + 1) / (flips + 1)


def paired_bootstrap(difference: float, resampled: Floats) -> float:
    """Two-sided p-value of a difference by its spread over paired resamples, taken as normal."""
    spread = float(np.std(resampled[np.isfinite(resampled)], ddof=1)) if np.isfinite(resampled).sum() > 1 else np.nan
    if not np.isfinite(difference) or not np.isfinite(spread):
        return float("nan")
    if spread == 0:
        return 1.0 if difference == 0 else 1 / (len(resampled) + 1)
    return float(2 * ndtr(-abs(difference) / spread))


def holm(p_values: Floats) -> Floats:
    """Holm's step-down correction (1979): p-values for many questions asked at once. NaNs stay, uncounted."""
    adjusted = np.full(len(p_values), np.nan)
    known = np.flatnonzero(np.isfinite(p_values))
    order = known[np.argsort(p_values[known], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(p_values[order] * factors), 1.0) if len(order) else []
    return adjusted
