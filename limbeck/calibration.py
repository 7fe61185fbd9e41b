"""From one number to five probabilities: how a score that knows no levels (BM25, a cosine) becomes a grader.

Multinomial logistic regression of the level on the score and its square, fitted on training judgments alone.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression

from limbeck.relevance import LEVELS, softmax


@dataclass(frozen=True)
class Calibration:
    """Logits (5,) = `bias` + `weights` (5, 2) · [z, z²], with z the standardised score."""

    mean: float
    spread: float
    weights: tuple[tuple[float, ...], ...]
    bias: tuple[float, ...]

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        """Five probabilities for each score: (n,) to float32 (n, 5)."""
        inputs = _powers((scores - self.mean) / self.spread)
        return softmax((inputs @ np.asarray(self.weights).T + np.asarray(self.bias)).astype(np.float32))

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        path.write_text(json.dumps(vars(self), indent=1), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> "Calibration":
        """Read what `save` wrote."""
        data = json.loads(path.read_text(encoding="utf-8"))
        return cls(data["mean"], data["spread"], tuple(map(tuple, data["weights"])), tuple(data["bias"]))


def fit(scores: np.ndarray, target: np.ndarray) -> Calibration:
    """Fit scores (n,) to the raters' distributions (n, 5). A level that nobody gave keeps a probability near zero."""
    mean, spread = float(scores.mean()), float(scores.std())
    if spread <= 1e-9 * float(np.abs(scores).max()):  # all the same, but for the rounding of their mean
        spread = 1.0
    inputs = _powers((scores - mean) / spread)
    rows, levels = np.nonzero(target > 0)
    weights, bias = np.zeros((len(LEVELS), inputs.shape[1])), np.full(len(LEVELS), -20.0)
    found = np.unique(levels)
    if len(found) == 1:
        bias[found] = 0.0
    else:
        model = LogisticRegression(max_iter=1_000).fit(inputs[rows], levels, sample_weight=target[rows, levels])
        # With two levels scikit-learn fits one row of weights: that of the second against the first.
        weights[found[-len(model.coef_) :]], bias[found] = model.coef_, 0.0
        bias[found[-len(model.coef_) :]] = model.intercept_
    return Calibration(mean, spread, tuple(map(tuple, weights.tolist())), tuple(bias.tolist()))


def _powers(z: np.ndarray) -> np.ndarray:
    return np.stack([z, z * z], axis=1)
