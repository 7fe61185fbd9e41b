"""How users engage with a Pin, and with a Pin for a query: clicks, long clicks and saves per look (`rates.py`).

What counts is a window of days of the search log that ends before the pair's date: for pairs that are graded, the last
days; for pairs that are learnt from, those before the pair was last shown, or judged.
"""

import functools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.feather as feather
import pyarrow.parquet as pq

from limbeck import compiled, lookup
from limbeck.records import empty
from limbeck.relevance import normalise_query
from limbeck.signals import window
from limbeck.signals.aligned import PLACE, Aligned, places
from limbeck.signals.rates import (
    COUNTS,
    LEAST_RATE,
    Population,
    columns,
    measure,
    numbered,
    of_pins,
    summed,
    weighed,
)
from limbeck.signals.signal import Group, Side, Signal

VERSION = 2  # raise it when the same log is to give other columns
COLUMNS = ("click_rate", "long_click_rate", "save_rate", "looks")
GROUPS: tuple[Group, ...] = (Group("engagement.pin", "pin", COLUMNS), Group("engagement.pair", "pair", COLUMNS))
POPULATION, PINS = "population.json", "pins.arrow"
QUERIES = 20_000  # whose pairs' places are kept
END = np.iinfo(np.int32).max  # the date of what is graded now: all of the log is before it


class Engagement(Signal):
    """The columns as they are now, for pairs that are to be graded: of the last days of the log."""

    groups = GROUPS

    def __init__(self, folder: Path, aligned: Aligned) -> None:
        """Open what `build` wrote; Pins are known by the rows that are `aligned`."""
        self.population = Population.load(folder / POPULATION)
        self._own, self._query = aligned[PLACE], lookup.open(folder, "queries")
        self._key, self._pin, self._pair = (
            np.asarray(np.load(folder / f"{name}.npy", mmap_mode="r")) for name in ("keys", "pins", "pairs")
        )
        self._pins, known = len(self._pin) - 1, self.population
        beliefs = map(np.asarray, (known.rates, known.pin_strength, known.pair_strength))
        self._counted = _Counted(self._key, self._own, self._pin, self._pair, *beliefs)
        # Of its parts, not of `self`: in a circle with itself, what was replaced would stay mapped.
        self._seen = functools.lru_cache(QUERIES)(functools.partial(_seen, self._query, self._key, self._pins))

    def columns(self, queries: Sequence[str], asked: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """As `Signal.columns`."""
        own = self._own[rows]
        place = _found(self._key, _keys(self._query, queries, asked, own, self._pins))
        return columns(_wide(self._pin[own]), _wide(self._pair[place]), self.population)

    def of_side(self, side: Side, query: str, rows: np.ndarray) -> np.ndarray:
        """As `Signal.of_side`."""
        if side == "pin":
            return of_pins(_wide(self._pin[self._own[rows]]), self.population)
        return super().of_side(side, query, rows)

    def pairs_into(self, query: str, rows: np.ndarray, out: np.ndarray, column: int) -> None:
        """As `Signal.pairs_into`."""
        _tell(self._counted, self._seen(query), rows, out, column)

    def expected(self, query: str, rows: np.ndarray) -> np.ndarray:
        """Clicks, long clicks and saves per look that a query and Pins are expected to have, float64 (n, 3).

        The pair's own rates; those of the Pin for a pair that was never seen, those of all Pins for such a Pin.
        """
        rates = np.empty((len(rows), len(COUNTS) - 1))
        _expect(self._counted, self._seen(query), rows, rates)
        return rates


class _Counted(NamedTuple):
    """What the kernels read: pairs by their sorted keys, Pins by the places that their rows have, and what is believed
    of either before it is seen (`rates.Population`)."""

    keys: np.ndarray
    places: np.ndarray
    pins: np.ndarray  # counts
    pairs: np.ndarray
    rates: np.ndarray
    of_pin: np.ndarray
    of_pair: np.ndarray


def _seen(number: lookup.Lookup, keys: np.ndarray, pins: int, query: str) -> tuple[int, int, int]:
    """Where the keys of a query's pairs begin and end, and what each is above the Pin's place; of none, nowhere."""
    base = number.get(normalise_query(query)) * pins
    begin, end = np.searchsorted(keys, (base, base + pins))
    return int(begin), int(end), base


@compiled.kernel
def _tell(counted, seen, rows, out, column):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """As `rates.of_pairs`, of the pairs of one query and these Pins, into columns of `out`."""
    last = len(counted.rates)
    for i in range(len(rows)):
        own = counted.places[rows[i]]
        place = _place(counted.keys, seen, own)
        pin, pair = counted.pins[own], counted.pairs[place]
        if place < 0 or not pair[0]:
            for j in range(last + 1):
                out[i, column + j] = np.nan
        else:
            for j in range(last):
                rate = _rate(counted, j, pin, pair[0], pair[1 + j])
                out[i, column + j] = np.log(max(rate, LEAST_RATE))
            out[i, column + last] = np.log1p(np.float64(pair[0]))


@compiled.kernel
def _expect(counted, seen, rows, out):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """As `rates.expected`, of the pairs of one query and these Pins, into `out` (n, 3)."""
    for i in range(len(rows)):
        own = counted.places[rows[i]]
        place = _place(counted.keys, seen, own)
        pin, pair = counted.pins[own], counted.pairs[place]
        for j in range(out.shape[1]):
            actions, looks = (pair[1 + j], pair[0]) if place >= 0 else (np.float32(0), np.float32(0))
            out[i, j] = _rate(counted, j, pin, looks, actions)


@compiled.within
def _place(keys, seen, own):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Where a query's pair with the Pin of this place stands among those that were `seen`, few; −1 if none."""
    begin, end, base = seen
    low, high = begin, end
    while low < high:
        middle = (low + high) // 2
        if keys[middle] < base + own:
            low = middle + 1
        else:
            high = middle
    return low if low < end and own >= 0 and keys[low] == base + own else -1


@compiled.within
def _rate(counted, j, pin, looks, actions):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """The rate of action j of a pair that was seen so, drawn to that of its Pin, and that to the rate of all Pins."""
    of_pin, of_pair = counted.of_pin[j], counted.of_pair[j]
    drawn = (pin[1 + j] + of_pin * counted.rates[j]) / (pin[0] + of_pin)
    return (actions + of_pair * drawn) / (looks + of_pair)


def aligned(folder: Path, pins: pa.Array) -> Aligned:
    """Where these Pins are in what `build` wrote."""
    return {PLACE: places(pins, feather.read_table(folder / PINS, memory_map=True).column("pin_id"))}


class Before(Signal):
    """The columns as they were before each of the pairs that are learnt from; missing for any other pair."""

    groups = GROUPS

    def __init__(
        self, folder: Path, exposures: Sequence[Path], past: pa.Table, pin_ids: Sequence[str], days: int
    ) -> None:
        """`past` (query, pin_id, day): distinct pairs, each with a day (since 1970); only the `days` before it count.

        A pair of the log is of the last day on which it was shown, where that is earlier.
        """
        normal = pa.array(map(normalise_query, past.column("query").to_pylist()), pa.string()).dictionary_encode()
        past = past.set_column(past.column_names.index("query"), "query", normal.cast(pa.string()))
        self._query = {query: number for number, query in enumerate(normal.dictionary.to_pylist())}
        self._pins = len(pin_ids)
        row = pc.index_in(past.column("pin_id"), pa.array(pin_ids, pa.string()))
        known = pc.is_valid(row).to_numpy()
        key = normal.indices.to_numpy()[known].astype(np.int64) * self._pins + row.drop_null().to_numpy()
        order, population = np.argsort(key, kind="stable"), Population.load(folder / POPULATION)
        self._key = key[order]
        counts = before(exposures, population, past.filter(pa.array(known)), days)
        unknown = np.full((1, sum(len(g.columns) for g in GROUPS)), np.nan, dtype=np.float32)
        self._columns = np.concatenate([columns(*counts, population)[order], unknown])

    def columns(self, queries: Sequence[str], asked: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """As `Signal.columns`."""
        return self._columns[_found(self._key, _keys(self._query, queries, asked, rows, self._pins))]


def build(exposures: Sequence[Path], days: int, out: Path) -> None:
    """Write into `out` what the log says at large, and the counts of every Pin and pair in its last `days` days.

    Shards of the exposures are read one after the other, a few times; one is in memory at a time, and of each pair 24
    bytes. A Pin is in one shard alone. Counts are mapped when they are read; the last row is of what was never shown.
    """
    population = measure(exposures)
    population.save(out / POPULATION)
    numbers: dict[str, int] = {}  # of queries
    parts = [_Part.of(_recent(rows, population, days), population, numbers) for rows in map(pq.read_table, exposures)]
    parts.append(_Part.of(empty("exposures"), population, numbers))
    names = pa.concat_arrays([part.names for part in parts])
    begins = np.cumsum([0, *(len(part.names) for part in parts[:-1])])
    key = np.concatenate([part.query * len(names) + part.pin + begin for part, begin in zip(parts, begins)])
    order, nothing = np.argsort(key, kind="stable"), np.zeros((1, len(COUNTS)), np.float32)
    feather.write_feather(pa.table({"pin_id": names}), out / PINS, "uncompressed")
    lookup.save(list(numbers), out, "queries")
    np.save(out / "keys.npy", key[order], allow_pickle=False)
    of_pairs = np.concatenate([part.of_pairs for part in parts])[order]
    np.save(out / "pairs.npy", np.concatenate([of_pairs, nothing]), allow_pickle=False)
    np.save(out / "pins.npy", np.concatenate([*(part.of_pins for part in parts), nothing]), allow_pickle=False)


def _recent(rows: pa.Table, population: Population, days: int) -> pa.Table:
    return rows.filter(pc.greater(rows.column("day"), population.last_day - days))


class _Part(NamedTuple):
    """What one shard says: its Pins, query and Pin of its pairs by number (n,), counts (n, 4) of pairs and of Pins."""

    names: pa.Array
    query: np.ndarray
    pin: np.ndarray
    of_pairs: np.ndarray
    of_pins: np.ndarray

    @classmethod
    def of(cls, rows: pa.Table, population: Population, numbers: dict[str, int]) -> "_Part":
        """Of these rows; queries that have no number yet get the next ones."""
        counts = weighed(rows, population.examination)
        (pin, pins), (pair, pairs) = numbered(rows, ["pin_id"]), numbered(rows, ["pin_id", "query"])
        asked = rows.column("query").take(pa.array(pairs)).to_pylist()
        query = np.fromiter((numbers.setdefault(q, len(numbers)) for q in asked), np.int64, len(asked))
        names = pa.concat_arrays([pa.array([], pa.string()), *rows.column("pin_id").take(pa.array(pins)).chunks])
        sums = (summed(number, counts, len(of)).astype(np.float32) for number, of in ((pair, pairs), (pin, pins)))
        return cls(names, query, pin[pairs], *sums)


def before(
    exposures: Iterable[Path], population: Population, past: pa.Table, days: int
) -> tuple[np.ndarray, np.ndarray]:
    """Counts (n, 4) of the Pin and of the pair for each row of `past`, strictly before its day: looks and actions."""
    pin, pair = (np.zeros((past.num_rows, len(COUNTS))) for _ in range(2))
    until = np.minimum(past.column("day").to_numpy(), population.last_day + 1)
    for rows in map(pq.read_table, exposures):
        pins, queries = (rows.column(c).combine_chunks().dictionary_encode() for c in ("pin_id", "query"))
        asked = [pc.index_in(past.column(c), d.dictionary) for c, d in (("pin_id", pins), ("query", queries))]
        mine = np.flatnonzero(pc.is_valid(asked[0]).to_numpy(zero_copy_only=False))
        pin_key, query_key = (pc.fill_null(a, -1).to_numpy()[mine].astype(np.int64) for a in asked)
        log_pin, log_query = (d.indices.to_numpy().astype(np.int64) for d in (pins, queries))
        width = len(queries.dictionary) + 1
        counts, day = weighed(rows, population.examination), rows.column("day").to_numpy()
        of_pins = window.Log(log_pin, day, counts)
        of_pairs = window.Log(log_pin * width + log_query + 1, day, counts)
        key = pin_key * width + query_key + 1
        ends = np.minimum(until[mine], of_pairs.last_day(key, END))
        pin[mine], pair[mine] = (log.between(k, ends - days, ends) for log, k in ((of_pins, pin_key), (of_pairs, key)))
    return pin, pair


def _keys(
    number: Mapping[str, int] | lookup.Lookup, queries: Sequence[str], asked: np.ndarray, rows: np.ndarray, pins: int
) -> np.ndarray:
    """One number for each pair of a query that has a number and of a known Pin; −1 for others."""
    query = np.asarray([number.get(normalise_query(q), -1) for q in queries], dtype=np.int64)[asked]
    return np.where((query >= 0) & (rows >= 0), query * pins + rows, -1)


def _found(keys: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Where the asked keys stand among the sorted ones; −1 where they do not."""
    if not len(keys):
        return np.full(len(asked), -1, dtype=np.int64)
    place = np.minimum(np.searchsorted(keys, asked), len(keys) - 1)
    return np.where(keys[place] == asked, place, -1)


def _wide(counts: np.ndarray) -> np.ndarray:
    """Counts as they are worked with."""
    return counts.astype(np.float64)
