"""The human ceiling: how well a rater does against the other raters of the same pair.

Each rater of a pair is held against the median of the others, and so are the graders: same pairs, same targets.
"""

from collections.abc import Callable, Mapping

import numpy as np

from limbeck.measure import metrics
from limbeck.measure.compare import estimate, number
from limbeck.measure.evaluation import Ceiling, Estimate
from limbeck.measure.intervals import resamples
from limbeck.measure.metrics import Floats
from limbeck.measure.sample import Sample, median_level

_FORMULAS = {
    "accuracy": metrics.accuracy,
    "off_by_one": metrics.off_by_one_accuracy,
    "kappa": metrics.quadratic_kappa,
}


def ceiling(sample: Sample, grades: Mapping[str, Floats], times: int, confidence: float, seed: int) -> Ceiling | None:
    """Raters against each other, and graders beside them; None where fewer than two pairs have several raters."""
    several = sample.counts.sum(axis=1) >= 2
    if several.sum() < 2:
        return None
    part = sample.restrict(several)
    tables = {"": _rater_confusions(part)}
    tables |= {g: _grader_confusions(part, d[several].argmax(axis=1)) for g, d in grades.items()}
    tables |= {" alpha": _by_query(part, metrics.coincidences(part.counts))}
    drawn = _resampled(tables, part, times, seed)
    found = {name: _estimates(table, drawn.get(name), confidence) for name, table in tables.items() if name != " alpha"}
    alpha = _estimate(metrics.krippendorff_alpha, tables[" alpha"], drawn.get(" alpha"), confidence)
    per_pair = float(part.counts.sum() / len(part))
    rater = found.pop("")
    return Ceiling(len(part), part.queries, per_pair, alpha, rater, found)


def leave_one_out(counts: Floats) -> tuple[Floats, np.ndarray]:
    """For each pair and level: how many raters chose it, and the median of the others' levels, each (n, 5)."""
    others = np.maximum(counts[:, None, :] - np.eye(5), 0).reshape(-1, 5)  # rows of levels nobody chose have no weight
    return counts, median_level(others).reshape(-1, 5)


def _rater_confusions(sample: Sample) -> Floats:
    """Per query: the others' median by the rater's level, (queries, 5, 5), each rater of each pair once."""
    counts, targets = leave_one_out(sample.counts)
    return _confusions(sample, targets, np.broadcast_to(np.arange(5), targets.shape), counts)


def _grader_confusions(sample: Sample, predicted: np.ndarray) -> Floats:
    """As `_rater_confusions`, the grader's level in the place of each rater's."""
    counts, targets = leave_one_out(sample.counts)
    return _confusions(sample, targets, np.broadcast_to(predicted[:, None], targets.shape), counts)


def _confusions(sample: Sample, targets: np.ndarray, answers: np.ndarray, weights: Floats) -> Floats:
    cell = sample.query[:, None] * 25 + (targets - 1) * 5 + answers
    return np.bincount(cell.ravel(), weights.ravel(), sample.queries * 25).astype(np.float64).reshape(-1, 5, 5)


def _by_query(sample: Sample, matrices: Floats) -> Floats:
    """(n, 5, 5) summed per query."""
    out = np.zeros((sample.queries, 5, 5))
    np.add.at(out, sample.query, matrices)
    return out


def _resampled(tables: Mapping[str, Floats], sample: Sample, times: int, seed: int) -> dict[str, Floats]:
    """Each table summed over resampled queries, (resamples, 5, 5); nothing where there are no two of either."""
    if sample.queries < 2 or times < 2:
        return {}
    flat = {name: table.reshape(sample.queries, 25) for name, table in tables.items()}
    chunks = list(resamples(sample.queries, times, len(sample), seed))
    return {name: np.concatenate([w @ t for w in chunks]).reshape(-1, 5, 5) for name, t in flat.items()}


def _estimates(table: Floats, drawn: Floats | None, confidence: float) -> dict[str, Estimate]:
    return {name: _estimate(formula, table, drawn, confidence) for name, formula in _FORMULAS.items()}


def _estimate(formula: Callable[[Floats], Floats], table: Floats, drawn: Floats | None, confidence: float) -> Estimate:
    value = float(formula(table.sum(0)))
    return Estimate(number(value)) if drawn is None else estimate(value, formula(drawn), confidence)
