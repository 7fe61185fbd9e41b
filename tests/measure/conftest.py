"""A small set of labelled pairs and graders of known strength."""

import numpy as np
import pyarrow as pa
import pytest

from limbeck.records import PROBABILITIES
from limbeck.relevance import softmax


def labelled_world(seed: int, queries: int = 60) -> tuple[dict[str, np.ndarray], pa.Table]:
    """Graders "good", "fair" and "poor" of labels by one to three raters, and the labels."""
    rng = np.random.default_rng(seed)
    pairs = rng.integers(2, 12, queries)
    query = np.repeat(np.arange(queries), pairs)
    latent = rng.normal(0, 1, len(query)) + rng.normal(0, 0.5, queries)[query]
    raters = rng.integers(1, 4, len(query))
    cuts = [-1.2, -0.4, 0.4, 1.2]
    shares = []
    for value, n in zip(latent, raters):
        levels = np.digitize(value + rng.normal(0, 0.4, n), cuts)
        shares.append(np.bincount(levels, minlength=5) / n)
    language = np.asarray(["en", "de", "es"])[query % 3]
    frequency = np.asarray(["head", "torso", "tail", "unseen"])[query % 4]
    columns = {
        "query": [f"query {q}" for q in query],
        "pin_id": [f"pin {i}" for i in range(len(query))],
        "language": language.tolist(),
        "country": [None] * len(query),
        "raters": raters.tolist(),
        **{p: pa.array(np.asarray(shares)[:, i], pa.float32()) for i, p in enumerate(PROBABILITIES)},
        "frequency": frequency.tolist(),
    }
    noise = {"good": 0.3, "fair": 0.9, "poor": 3.0}
    grades = {}
    for name, spread in noise.items():
        seen = latent + rng.normal(0, spread, len(query))
        distance = (seen[:, None] - np.asarray([-1.6, -0.8, 0.0, 0.8, 1.6])) ** 2
        grades[name] = softmax((-distance / (1 + spread)).astype(np.float32))
    return grades, pa.table(columns)


@pytest.fixture(scope="session")
def labelled() -> tuple[dict[str, np.ndarray], pa.Table]:
    return labelled_world(7)


@pytest.fixture(scope="session")
def make_labelled():
    return labelled_world
