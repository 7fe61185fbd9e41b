"""Calibration of the teacher: one temperature, fitted on the validation queries' judgments (arXiv 1706.04599).

It is divided into the last linear layer of the saved folder. So it holds wherever the folder is loaded, by Limbeck or
not, and no level that was the likeliest ceases to be.
"""

import json
from pathlib import Path

import numpy as np
from safetensors.torch import load_file, save_file
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

LOWEST, HIGHEST = 0.2, 5.0
FEWEST = 30  # validation pairs; below, chance would decide


def cross_entropy(distribution: np.ndarray, target: np.ndarray, temperature: float = 1.0) -> float:
    """Mean cross-entropy, in nats, of targets (n, 5) and a distribution (n, 5) at a temperature."""
    logits = np.log(np.maximum(np.asarray(distribution, np.float64), np.finfo(np.float32).tiny))
    return float(-(target * log_softmax(logits / temperature, axis=1)).sum(axis=1).mean())


def fit(distribution: np.ndarray, target: np.ndarray) -> float:
    """The temperature that gives (n, 5) targets the least cross-entropy; 1 where there are too few rows to tell.

    Cross-entropy is convex in 1/T, so there is one minimum; it is looked for between LOWEST and HIGHEST.
    """
    if len(distribution) < FEWEST:
        return 1.0
    bounds = (float(np.log(LOWEST)), float(np.log(HIGHEST)))
    found = minimize_scalar(lambda t: cross_entropy(distribution, target, np.exp(t)), bounds=bounds, method="bounded")
    return float(np.exp(found.x))


def apply(folder: Path, temperature: float) -> None:
    """Divide the scores of a saved teacher by the temperature: weight and bias of its last module, a Dense."""
    modules = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
    path = folder / modules[-1]["path"] / "model.safetensors"
    save_file({name: weights / temperature for name, weights in load_file(path).items()}, path)
