"""Two ways of ranking, side by side for one query: their first Pins, where they stand, what people said of them."""

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from limbeck.records import empty
from limbeck.relevance import normalise_query
from limbeck.serve.ranked import Ranked

DEPTH = 10
MOST_ASKED = 6  # queries that the first page proposes
MEANT = ("query", "pin_id", "level")
Levels = Mapping[str, float]  # of the Pins that people judged for a query, the mean of what they said


@dataclass(frozen=True)
class Column:
    """The first Pins of one ranker, how each has moved against the other, and measures over those that were judged.

    `ndcg`: of the judged Pins among these, in their order, against the best order of all that were judged for the query
    (linear gain from level 1; Järvelin and Kekäläinen 2002); `mean`: of their levels. Both None where none was judged.
    """

    name: str
    pins: Sequence[Ranked]
    moves: Sequence[str]
    judged: int
    ndcg: float | None
    mean: float | None


@dataclass(frozen=True)
class Comparison:
    """Two columns; `lines` lead from the place of a Pin in the left one to its place in the right one, from 0."""

    columns: tuple[Column, Column]
    lines: Sequence[tuple[int, int]]


class Judgments:
    """What people said, by query."""

    def __init__(self, tables: Iterable[pa.Table]) -> None:
        rows = pa.concat_tables(
            [table.select(list(MEANT)) for table in tables] or [empty("judgments").select(list(MEANT))]
        )
        normal = pa.array(map(normalise_query, rows.column("query").to_pylist()), pa.string())
        self._rows = rows.set_column(0, "query", normal)

    @functools.cached_property
    def queries(self) -> Sequence[str]:
        """Those of which most Pins were judged, up to `MOST_ASKED`."""
        counts = self._rows.group_by("query").aggregate([("pin_id", "count_distinct")])
        order = [("pin_id_count_distinct", "descending"), ("query", "ascending")]
        return list(counts.sort_by(order).column("query").to_pylist()[:MOST_ASKED])

    def of(self, query: str) -> Levels:
        """The judged Pins of a query, and the mean level of each."""
        rows = self._rows.filter(pc.equal(self._rows.column("query"), normalise_query(query)))
        means = rows.group_by("pin_id").aggregate([("level", "mean")])
        return dict(zip(means.column("pin_id").to_pylist(), means.column("level_mean").to_pylist()))


def compare(names: tuple[str, str], left: Sequence[Ranked], right: Sequence[Ranked], levels: Levels) -> Comparison:
    """The first Pins of the rankers of these names."""
    places = [{pin.pin_id: place for place, pin in enumerate(pins)} for pins in (left, right)]
    lines = [(place, places[1][pin]) for pin, place in places[0].items() if pin in places[1]]
    moves = (
        [_move(places[1].get(pin.pin_id), place, "drops out") for place, pin in enumerate(left)],
        [_move(place, places[0].get(pin.pin_id), "new") for place, pin in enumerate(right)],
    )
    columns = [_column(name, pins, move, levels) for name, pins, move in zip(names, (left, right), moves)]
    return Comparison((columns[0], columns[1]), lines)


def _move(after: int | None, before: int | None, apart: str) -> str:
    if after is None or before is None:
        return apart
    return "stays" if after == before else f"▲ {before - after}" if after < before else f"▼ {after - before}"


def _column(name: str, pins: Sequence[Ranked], moves: Sequence[str], levels: Levels) -> Column:
    said = [levels[pin.pin_id] for pin in pins if pin.pin_id in levels]
    best = _gained(sorted(levels.values(), reverse=True)[: len(pins)])
    return Column(
        name=name,
        pins=pins,
        moves=moves,
        judged=len(said),
        ndcg=_gained(said) / best if said and best else None,
        mean=float(np.mean(said)) if said else None,
    )


def _gained(levels: Sequence[float]) -> float:
    return float(sum((level - 1) / np.log2(place + 2) for place, level in enumerate(levels)))
