"""Rank statistics under thousands of weightings of the same pairs: one sort, then one compiled pass per weighting."""

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def runs(values: Floats) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The ascending order of the values, and where in it a run of equal values ends."""
    order = np.argsort(values, kind="stable")
    return order, np.append(np.diff(values[order]) > 0, True)


@numba.njit(cache=True)
def area(order: NDArray[np.int64], last: NDArray[np.bool_], positive: Floats, weights: Floats) -> Floats:
    """Area under the ROC curve for each row of weights (resamples, n); NaN where a class is absent."""
    areas = np.empty(len(weights))
    for b in range(len(weights)):
        good = bad = won = tied_good = tied_bad = 0.0
        for i in range(len(order)):
            row = order[i]
            tied_good += weights[b, row] * positive[row]
            tied_bad += weights[b, row] * (1 - positive[row])
            if last[i]:
                won += tied_good * (bad + tied_bad / 2)
                good += tied_good
                bad += tied_bad
                tied_good = tied_bad = 0.0
        areas[b] = won / (good * bad) if good * bad > 0 else np.nan
    return areas


@numba.njit(cache=True)
def centred_ranks(order: NDArray[np.int64], last: NDArray[np.bool_], weights: Floats, ranks: Floats) -> float:
    """Fill in mid-ranks less their mean under one row of weights (n,); returns their weighted sum of squares."""
    middle = weights.sum() / 2  # the mean of mid-ranks is always half the total weight
    below = tied = spread = 0.0
    begin = 0
    for i in range(len(order)):
        tied += weights[order[i]]
        if last[i]:
            rank = below + tied / 2 - middle
            for j in range(begin, i + 1):
                ranks[order[j]] = rank
            spread += tied * rank * rank
            below += tied
            tied = 0.0
            begin = i + 1
    return spread


@numba.njit(cache=True)
def rank_correlation(
    order_x: NDArray[np.int64],
    last_x: NDArray[np.bool_],
    order_y: NDArray[np.int64],
    last_y: NDArray[np.bool_],
    weights: Floats,
) -> Floats:
    """Spearman's correlation for each row of weights (resamples, n); NaN where one side is all ties."""
    correlations = np.empty(len(weights))
    ranks_x, ranks_y = np.empty(len(order_x)), np.empty(len(order_x))
    for b in range(len(weights)):
        spread = centred_ranks(order_x, last_x, weights[b], ranks_x) * centred_ranks(
            order_y, last_y, weights[b], ranks_y
        )
        together = (weights[b] * ranks_x * ranks_y).sum()
        correlations[b] = together / np.sqrt(spread) if spread > 0 else np.nan
    return correlations
