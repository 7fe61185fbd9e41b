"""The one way in for what the student is told of a pair besides vectors and match features (docs/signals.md)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

Side = Literal["pin", "query", "pair"]
UNASKED = ""  # the query where columns about Pins alone are asked for
Read = Callable[[Sequence[str]], np.ndarray]  # texts to untuned vectors, float32 (n, d), in their order


@dataclass(frozen=True)
class Group:
    """Columns that are known or missing together, and what they tell of: a Pin, a query, or both together."""

    name: str
    of: Side
    columns: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names among all features."""
        return tuple(f"{self.name}.{column}" for column in self.columns)


class Signal(Protocol):
    """Columns of (query, Pin) pairs. It knows the Pins by the row numbers it was opened with.

    To be inherited from, for `of_side`, `pairs_into` and `over`. Whoever gives one side at less cost than all says how,
    and whoever knows a Pin by what it says.
    """

    groups: tuple[Group, ...]

    def columns(self, queries: Sequence[str], asked: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """All columns, group by group, float32 (n, f), of the queries `queries[asked]` (n,) and the Pins `rows` (n,).

        Row −1 is an unknown Pin. A group that is missing for a pair is NaN in all its columns, and never in some.
        """
        ...

    def of_side(self, side: Side, query: str, rows: np.ndarray) -> np.ndarray:
        """The columns of the groups about one side alone, of a query and the Pins `rows`: float32 (n, f)."""
        mine = [group.of == side for group in self.groups for _ in group.columns]
        return self.columns([query], np.zeros(len(rows), np.int64), rows)[:, np.asarray(mine, dtype=bool)]

    def pairs_into(self, query: str, rows: np.ndarray, out: np.ndarray, column: int) -> None:
        """Put the columns of the groups about both together, of a query and the Pins `rows`, into `out` (n, …).

        From `column` on. A slice of one row would be of another type to Numba, and kernels be compiled once more.
        """
        found = self.of_side("pair", query, rows)
        out[:, column : column + found.shape[1]] = found

    def over(self, base: np.ndarray, known: np.ndarray) -> "Signal":
        """The same signal of n other Pins, whose rows are 0 to n − 1; all that is of a Pin alone is worked out now.

        Those of them that are Pins of this signal have its row in `known` (n,), others −1: they are known by `base`
        (n, d), untuned vectors of what they say, NaN where they say nothing.
        """
        return _Known(self, known)


class _Known(Signal):
    """A signal to which other Pins are known as its own, or not at all."""

    def __init__(self, signal: Signal, known: np.ndarray) -> None:
        self._signal, self.groups = signal, signal.groups
        self._known = np.append(known, -1)

    def columns(self, queries: Sequence[str], asked: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """As `Signal.columns`."""
        return self._signal.columns(queries, asked, self._known[rows])

    def of_side(self, side: Side, query: str, rows: np.ndarray) -> np.ndarray:
        """As `Signal.of_side`."""
        return self._signal.of_side(side, query, self._known[rows])

    def pairs_into(self, query: str, rows: np.ndarray, out: np.ndarray, column: int) -> None:
        """As `Signal.pairs_into`."""
        self._signal.pairs_into(query, self._known[rows], out, column)
