"""Random numbers that depend on the seed, a name and a shard alone: never on what was drawn before, or elsewhere."""

import random
import zlib

import numpy as np


def stream(seed: int, name: str, shard: int = 0) -> np.random.Generator:
    """For arrays."""
    return np.random.default_rng(_sequence(seed, name, shard))


def word_stream(seed: int, name: str, shard: int = 0) -> random.Random:
    """For one choice at a time, where NumPy is slow."""
    return random.Random(int(_sequence(seed, name, shard).generate_state(1, np.uint64)[0]))


def _sequence(seed: int, name: str, shard: int) -> np.random.SeedSequence:
    return np.random.SeedSequence(seed, spawn_key=(zlib.crc32(name.encode()), shard))


def weighted(rng: np.random.Generator, weights: np.ndarray, n: int) -> np.ndarray:
    """`n` indices drawn with replacement, in proportion to `weights`."""
    cumulative = np.cumsum(weights, dtype=np.float64)
    return np.minimum(np.searchsorted(cumulative, rng.random(n) * cumulative[-1], "right"), len(weights) - 1)
