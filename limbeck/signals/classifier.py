"""A small model that tells the class of a text by its untuned vector: multinomial logistic regression."""

from dataclasses import dataclass

import numpy as np

from limbeck.relevance import softmax
from limbeck.signals.sage import product, unit

ROWS_AT_ONCE = 65_536


@dataclass(frozen=True)
class Accuracy:
    """How often a model was right on texts it had not learnt from, and how often the commonest class is."""

    held_out: int
    right: float | None
    commonest: float | None


@dataclass(frozen=True)
class Classifier:
    """Weights (k, d) and biases (k,) over unit vectors (n, d)."""

    weight: np.ndarray
    bias: np.ndarray

    def probabilities(self, base: np.ndarray) -> np.ndarray:
        """The probability of each class by untuned vectors (n, d): float32 (n, k); NaN for a vector of NaN."""
        return softmax(product(unit(base), self.weight) + self.bias)
