"""How a Pin is expected to be engaged with for a query, as one number between 0 and 1: what search blends in."""

from collections.abc import Sequence

import numpy as np

from limbeck.signals.engagement import COLUMNS, Engagement

RATES = len(COLUMNS) - 1  # of clicks, long clicks and saves; the last column tells of looks


def rates(engagement: Engagement, query: str, rows: np.ndarray) -> np.ndarray:
    """Expected clicks, long clicks and saves per look, (n, 3): the pair's; else the Pin's; else those of all Pins."""
    known = (engagement.of_side("pin", query, rows), engagement.of_side("pair", query, rows))
    pin, pair = (np.exp(columns[:, :RATES].astype(np.float64)) for columns in known)
    usual = np.broadcast_to(engagement.population.rates, pin.shape)
    return np.where(np.isnan(pair), np.where(np.isnan(pin), usual, pin), pair)


def share(expected: np.ndarray, usual: Sequence[float], weights: Sequence[float]) -> np.ndarray:
    """Worth of expected rates (n, 3) as v / (v + u), u being that of the usual ones: (n,); 0.5 for a usual Pin."""
    worth, ordinary = expected @ np.asarray(weights), float(np.asarray(usual) @ np.asarray(weights))
    total = worth + ordinary
    return np.divide(worth, total, out=np.full(len(worth), 0.5), where=total > 0)
