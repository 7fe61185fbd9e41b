"""What Pins and queries are about, and whether they are for shopping: classes, told by a small model where nobody did.

The classes are those of a taxonomy table, else clusters of what the Pins say. Whether something is for shopping is
known from the table alone, and left out without it.
"""

import copy
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pyarrow as pa
from safetensors.numpy import load_file, save_file

from limbeck import ahead, compiled
from limbeck.relevance import normalise_query
from limbeck.signals import classes
from limbeck.signals.aligned import Aligned, places
from limbeck.signals.classes import Classes
from limbeck.signals.classifier import ROWS_AT_ONCE, Accuracy, Classifier
from limbeck.signals.sage import QUERIES
from limbeck.signals.signal import Group, Read, Side, Signal

if TYPE_CHECKING:
    from scipy.sparse import csr_array

VERSION = 1  # raise it when the same tables are to give other classes
LIKELY = 0.5  # share from which a query is said to be about something
SIZE = 16  # columns that say what something is about
SUMMARY, WEIGHTS = "interests.json", "models.safetensors"
PINS = "pins.arrow"
_AHEAD = 8  # Pins ahead of the one that is read


@dataclass(frozen=True)
class Summary:
    """What the classes are, where they come from, and how well each column is told of Pins and of queries."""

    source: str
    names: tuple[str, ...]
    accuracy: dict[str, dict[str, Accuracy]]

    @property
    def wording(self) -> str:
        """For people."""
        what = f"{len(self.names)} " + ("interests of the table" if self.source == "table" else "clusters of Pins")
        parts = [
            f"{column} of {side} {a.right:.1%} right on {a.held_out:,} (the commonest: {a.commonest:.1%})"
            for column, sides in self.accuracy.items()
            for side, a in sides.items()
            if a.held_out
        ]
        left_out = [] if "shopping" in self.accuracy else ["no shopping column: that intent is left out"]
        return "; ".join([what, *parts, *left_out])


@dataclass(frozen=True)
class Models:
    """What tells classes, what tells shopping if anything does, and `places` (k, s) of classes, near if alike."""

    interest: Classifier
    shopping: Classifier | None
    places: np.ndarray

    def classes(self, base: np.ndarray, told: "Mapping[str, csr_array]" = MappingProxyType({})) -> Classes:
        """The likeliest classes of texts: as `told` (n, k) by column, else by their untuned vectors (n, d)."""
        parts = []
        for begin in range(0, max(len(base), 1), ROWS_AT_ONCE):
            rows = slice(begin, begin + ROWS_AT_ONCE)
            some = {column: shares[rows].toarray() for column, shares in told.items()}
            interest = _else(some.get("interest"), self.interest.probabilities(base[rows]))
            shopping = self._shopping(base[rows], some.get("shopping"))
            parts.append(classes.likeliest(interest, shopping))
        return classes.joined(parts)

    def _shopping(self, base: np.ndarray, told: np.ndarray | None) -> np.ndarray:
        if self.shopping is None:
            return np.full(len(base), np.nan, np.float32)
        return _else(told, self.shopping.probabilities(base))[:, 1]

    def save(self, folder: Path) -> None:
        """Write them."""
        told = {"interest": self.interest, **({"shopping": self.shopping} if self.shopping else {})}
        weights = {f"{name}.{part}": value for name, model in told.items() for part, value in vars(model).items()}
        save_file({"places": self.places, **weights}, folder / WEIGHTS)

    @classmethod
    def load(cls, folder: Path) -> "Models":
        """What `save` wrote."""
        found = load_file(folder / WEIGHTS)
        told = [
            Classifier(found[f"{name}.weight"], found[f"{name}.bias"]) if f"{name}.bias" in found else None
            for name in ("interest", "shopping")
        ]
        assert told[0] is not None
        return cls(told[0], told[1], found["places"])


def _else(told: np.ndarray | None, likely: np.ndarray) -> np.ndarray:
    """Shares (n, k) where they are told, and probabilities elsewhere."""
    return likely if told is None else np.where(told.sum(axis=1, keepdims=True) > 0, told, likely)


def _of_queries(models: Models, read: Read, place: Mapping[str, int], told: Classes, queries: Sequence[str]) -> Classes:
    """Classes of queries, as the table says, else as the model does."""
    known = np.asarray([place.get(normalise_query(query), -1) for query in queries])
    return models.classes(read(queries)).replaced(known >= 0, told.take(known))


def _of_one(of_queries: Callable[[Sequence[str]], Classes], query: str) -> Classes:
    return of_queries([query])


class Interests(Signal):
    """The classes of the query, those of the Pin, and how far they agree, as a signal."""

    def __init__(self, folder: Path, aligned: Aligned, read: Read) -> None:
        """Open what `build` wrote; Pins are known by the rows that are `aligned`, queries by what is `read` of them."""
        self.models = Models.load(folder)
        self.names = msgspec.json.decode((folder / SUMMARY).read_bytes(), type=Summary).names
        self._pins = Classes(**aligned)
        asked, told = classes.load(folder / "queries.arrow")
        place = {query: row for row, query in enumerate(asked.to_pylist())}
        # Of its parts, not of `self`: in a circle with itself, what was replaced would stay in memory.
        self.of_queries: Callable[[Sequence[str]], Classes] = functools.partial(
            _of_queries, self.models, read, place, told
        )
        self._of_query = functools.lru_cache(QUERIES)(functools.partial(_of_one, self.of_queries))
        columns = (*map(str, range(self.models.places.shape[1])), *(["shopping"] if self.models.shopping else []))
        self.groups: tuple[Group, ...] = (
            Group("interests.query", "query", columns),
            Group("interests.pin", "pin", columns),
            Group("interests", "pair", ("agreement",)),
        )

    def columns(self, queries: Sequence[str], asked: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """As `Signal.columns`."""
        if not len(rows):
            return np.zeros((0, sum(len(group.columns) for group in self.groups)), np.float32)
        query, pin = self.of_queries(queries), self._pins.take(rows)
        return np.column_stack([self._columns(query)[asked], self._columns(pin), agreement(query.take(asked), pin)])

    def of_side(self, side: Side, query: str, rows: np.ndarray) -> np.ndarray:
        """As `Signal.of_side`."""
        if side == "query":
            return self._columns(self._of_query(query)).repeat(len(rows), axis=0)
        return self._columns(self._pins.take(rows)) if side == "pin" else super().of_side(side, query, rows)

    def pairs_into(self, query: str, rows: np.ndarray, out: np.ndarray, column: int) -> None:
        """As `Signal.pairs_into`."""
        asked, pins = self._of_query(query), self._pins
        has = asked.number[0], asked.share[0]
        _agree(len(self.names), has, (pins.number, pins.share), rows, out, column)

    def over(self, base: np.ndarray, known: np.ndarray) -> "Interests":
        """As `Signal.over`."""
        other, unknown = copy.copy(self), self._pins.take(np.asarray([-1]))
        told = self.models.classes(base) if len(base) else self._pins.take(known)
        other._pins = classes.joined([self._pins.take(known).replaced(known < 0, told), unknown])
        for each in vars(other._pins).values():
            each.setflags(write=False)  # as those that are mapped are: the kernel is compiled once for both
        return other

    def name_of(self, query: str) -> str | None:
        """The likeliest class of a query, where it is likelier than all others together."""
        found = self._of_query(query)
        return self.names[found.number[0, 0]] if found.share[0, 0] > LIKELY else None

    def _columns(self, of: Classes) -> np.ndarray:
        about = np.zeros((len(of.share), self.models.places.shape[1]), np.float32)
        for share, number in zip(of.share.T, of.number.T):
            about += share[:, None] * self.models.places[number]
        return np.column_stack([about, of.shopping]) if self.models.shopping else about


@compiled.making
def _agree(classes, query, pins, rows, out, column):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """As `agreement` of one query's classes (k,) with Pins', into a column of `out`; NaN where either is unknown."""
    (asked, likely), (number, share) = query, pins
    has, unknown = np.empty(classes, np.float32), np.float32(0)
    for k in range(len(likely)):
        unknown += np.float32(0) * likely[k]
    has[:] = unknown
    for k in range(len(likely)):
        has[asked[k]] += likely[k]
    _add_shares(has, number, share, rows, out, column)


@compiled.within
def _add_shares(has, number, share, rows, out, column):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Add up how much of its shares each of these Pins has in classes of which so much is asked for."""
    for i in range(len(rows)):
        ahead.fetch_row(number, rows, i + _AHEAD)
        ahead.fetch_row(share, rows, i + _AHEAD)
        total = np.float32(0)
        for j in range(number.shape[1]):
            total += has[number[rows[i], j]] * share[rows[i], j]
        out[i, column] = total


def agreement(some: Classes, others: Classes) -> np.ndarray:
    """How likely it is that row-aligned texts are of the same class (n,)."""
    same = some.number[:, :, None] == others.number[:, None, :]
    return np.einsum("nij,ni,nj->n", same, some.share, others.share)


def aligned(folder: Path, pins: pa.Array) -> Aligned:
    """The classes of these Pins in what `build` wrote."""
    known, found = classes.load(folder / PINS)
    return vars(found.take(places(pins, known)))
