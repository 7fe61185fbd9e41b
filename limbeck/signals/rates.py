"""What the search log says about the page and about Pins at large, and rates of actions per look made from it.

A rate is actions over expected looks, the sum of the examination of the positions shown (clicks over expected clicks:
Zhang and Jones 2007). What has hardly been seen is drawn to what is known of more: a pair's rate to its Pin's, a Pin's
to that of all (gamma–Poisson empirical Bayes; how strongly, the log itself says, by the method of moments).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from limbeck.records import ACTIONS
from limbeck.signals.examination import GRID, POSITIONS, comparisons, examination

COUNTS = ("looks", *ACTIONS)
LEAST_STRENGTH, MOST_STRENGTH = 0.1, 1e4  # looks that a prior rate counts as
LEAST_RATE = 1e-6  # of which a logarithm is taken


@dataclass(frozen=True)
class Population:
    """What the whole log says about the page and about Pins at large, and nothing about any one of them.

    `rates` of the three actions per look; `pin_strength` and `pair_strength`: looks that their priors count as. The log
    ends with `last_day`, counted from 1970.
    """

    examination: tuple[float, ...]
    rates: tuple[float, ...]
    pin_strength: tuple[float, ...]
    pair_strength: tuple[float, ...]
    last_day: int

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        path.write_bytes(msgspec.json.format(msgspec.json.encode(self)))

    @classmethod
    def load(cls, path: Path) -> "Population":
        """Read what `save` wrote."""
        return msgspec.json.decode(path.read_bytes(), type=cls)


def measure(exposures: Sequence[Path]) -> Population:
    """What the whole log says at large."""
    compared, last_day = np.zeros((POSITIONS, POSITIONS)), 0
    for rows in map(pq.read_table, exposures):
        pair, _ = numbered(rows, ["pin_id", "query"])
        compared += comparisons(pair, *(rows.column(c).to_numpy() for c in ("position", "shown", "clicks")))
        last_day = max(last_day, int(pc.max(rows.column("day")).as_py() or 0))
    looks = tuple(examination(compared).tolist())
    totals, moments = np.zeros(len(COUNTS)), np.zeros((2, 3, len(ACTIONS)))
    for rows in map(pq.read_table, exposures):
        counts = weighed(rows, looks)
        totals += counts.sum(axis=0)
        moments += _moments(rows, counts, _squared(rows, looks))
    rates = totals[1:] / max(totals[0], 1.0)
    pin, pair = (_variance(*moment) for moment in moments)
    of_pin, of_pair = _strength(rates, pin), _strength(rates, pair - np.maximum(pin, 0))
    return Population(looks, tuple(rates.tolist()), tuple(of_pin.tolist()), tuple(of_pair.tolist()), last_day)


def columns(pin: np.ndarray, pair: np.ndarray, population: Population) -> np.ndarray:
    """Counts (n, 4) of Pins and of pairs as logarithms of rates and of looks, float32 (n, 8); NaN where never seen."""
    return np.concatenate([of_pins(pin, population), of_pairs(pin, pair, population)], axis=1)


def of_pins(pin: np.ndarray, population: Population) -> np.ndarray:
    """The first half of `columns`."""
    return _told(pin, _pin_rates(pin, population))


def of_pairs(pin: np.ndarray, pair: np.ndarray, population: Population) -> np.ndarray:
    """The second half of `columns`."""
    return _told(pair, expected(pin, pair, population))


def expected(pin: np.ndarray, pair: np.ndarray, population: Population) -> np.ndarray:
    """Rates of pairs (n, 3) of which these counts (n, 4) are known: of nothing, what is known of more."""
    return _drawn(pair, _pin_rates(pin, population), population.pair_strength)


def _pin_rates(pin: np.ndarray, population: Population) -> np.ndarray:
    return _drawn(pin, np.asarray(population.rates), population.pin_strength)


def _told(counts: np.ndarray, rates: np.ndarray) -> np.ndarray:
    told = np.column_stack([np.log(np.maximum(rates, LEAST_RATE)), np.log1p(counts[:, 0])])
    return np.where(counts[:, :1] > 0, told, np.nan).astype(np.float32)


def _drawn(counts: np.ndarray, prior: np.ndarray, strength: tuple[float, ...]) -> np.ndarray:
    """The posterior mean of gamma–Poisson rates (n, 3): `prior` is believed as if seen in `strength` looks."""
    weight = np.asarray(strength)
    return (counts[:, 1:] + weight * prior) / (counts[:, :1] + weight)


def _moments(rows: pa.Table, counts: np.ndarray, squared: np.ndarray) -> np.ndarray:
    """Second moments of rates over Pins and over pairs, (2, 3, 3): see `_variance`.

    An action happens once or never where a Pin is shown, so what one impression says of chance and what it says of the
    rate cannot be told apart. Two can: of two impressions, both have it as often as their looks and the squared rate
    say. Impressions of a Pin for different queries tell of the Pin, those of one pair of the pair.
    """
    (pin, pins), (pair, pairs) = numbered(rows, ["pin_id"]), numbered(rows, ["pin_id", "query"])
    of_pair, of_pin = summed(pair, counts, len(pairs)), summed(pin, counts, len(pins))
    apart = of_pair[:, :1] ** 2 - np.bincount(pair, squared, len(pairs))[:, None]
    both = of_pair[:, 1:] * (of_pair[:, 1:] - 1)
    found = [np.stack([both.sum(axis=0), *_weighted(of_pair, apart)])]
    owner = pin[pairs]
    within = summed(owner, np.column_stack([apart, both]), len(pins))
    apart = of_pin[:, :1] ** 2 - np.bincount(pin, squared, len(pins))[:, None] - within[:, :1]
    both = of_pin[:, 1:] * (of_pin[:, 1:] - 1) - within[:, 1:]
    return np.stack([np.stack([both.sum(axis=0), *_weighted(of_pin, apart)]), *found])


def _weighted(counts: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The sums of rates by weight (n, 1), and of the weights."""
    rates = counts[:, 1:] / np.maximum(counts[:, :1], 1 / GRID)
    return (rates * weight).sum(axis=0), np.broadcast_to(weight.sum(), rates.shape[1:])


def _variance(both: np.ndarray, rates: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """How much rates differ (3,): the mean of their squares less the square of their mean."""
    return (both - rates**2 / np.maximum(weight, 1 / GRID)) / np.maximum(weight, 1 / GRID)


def _strength(rates: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """A gamma distribution of mean m that comes from s looks has a variance of m / s."""
    return np.clip(rates / np.maximum(variance, 1e-9), LEAST_STRENGTH, MOST_STRENGTH)


def _squared(rows: pa.Table, looks: Sequence[float]) -> np.ndarray:
    """The sum of each impression's squared look, by row (n,)."""
    place = np.clip(rows.column("position").to_numpy(), 1, POSITIONS) - 1
    return np.asarray(looks)[place] ** 2 * rows.column("shown").to_numpy()


def weighed(rows: pa.Table, looks: Sequence[float]) -> np.ndarray:
    """Looks and actions of rows of the exposures, float64 (n, 4)."""
    place = np.clip(rows.column("position").to_numpy(), 1, POSITIONS) - 1
    seen = np.asarray(looks)[place] * rows.column("shown").to_numpy()
    return np.column_stack([seen, *(rows.column(a).to_numpy() for a in ACTIONS)])


def numbered(rows: pa.Table, names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Each row's number among the distinct values of the columns that it is sorted by, and each number's first row."""
    new = np.zeros(rows.num_rows, dtype=bool)
    new[:1] = True
    for name in names:
        column = rows.column(name).combine_chunks()
        new[1:] |= pc.not_equal(column[1:], column[:-1]).to_numpy(zero_copy_only=False)
    return np.cumsum(new) - 1, np.flatnonzero(new)


def summed(number: np.ndarray, counts: np.ndarray, groups: int) -> np.ndarray:
    """Sums of counts (n, c) by number (n,): (groups, c)."""
    return np.stack([np.bincount(number, column, groups) for column in counts.T], axis=1)
