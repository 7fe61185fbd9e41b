"""All that is known of a (query, Pin) besides vectors: match features, then the columns of every signal there is."""

import functools
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from limbeck.remembered import Remembered
from limbeck.signals import engagement, interests, match_index, sage, visual
from limbeck.signals.aligned import Aligned
from limbeck.signals.engagement import Before, Engagement
from limbeck.signals.interests import Interests
from limbeck.signals.match_index import MatchIndex
from limbeck.signals.pinsage import PinSage
from limbeck.signals.sage import SearchSage
from limbeck.signals.signal import Read, Side, Signal
from limbeck.signals.visual import TEXTS, Visual
from limbeck.workspace import Workspace

if TYPE_CHECKING:
    from limbeck.signals.clip import TextTower

# Of a workspace, besides the match index: what a student is made from, where it is there.
OPTIONAL = (
    "signals/engagement",
    "signals/searchsage",
    "signals/pinsage",
    "signals/interests",
    "signals/visual",
)
LEARNT = OPTIONAL[1:]  # vectors: a student understands those alone that it was trained on
TRAINED = "as it was trained"  # among what vectors were made from: the digest of those that were made with the training
MATCH = "match"  # the part of the features that are no signal's
QUERIES = 20_000  # whose columns, and vectors by the visual model, are kept


class Joined:
    """Match features and signals side by side. Pins are known by their rows in the match index."""

    def __init__(self, match: MatchIndex, signals: Sequence[Signal]) -> None:
        self.match, self._signals = match, signals
        self.groups = tuple(group for signal in signals for group in signal.groups)
        self.names = (*match.names, *(name for group in self.groups for name in group.names))
        begins = np.cumsum([len(match.names), *(len(_names(signal)) for signal in signals)]).tolist()
        of_signals = {_called(s): (a, b) for s, (a, b) in zip(signals, itertools.pairwise(begins))}
        self._widths = [sum(len(group.columns) for group in s.groups if group.of == "pair") for s in signals]
        self.parts = {MATCH: (0, len(match.names)), **of_signals}  # where the columns of each begin and end
        # Of the signals, not of `self`: in a circle with itself, what was replaced would stay in memory.
        self._of_query = functools.lru_cache(QUERIES)(functools.partial(_of_query, signals))

    @property
    def engagement(self) -> Engagement | None:
        """What users do with Pins, where there is a log that says it."""
        return next((signal for signal in self._signals if isinstance(signal, Engagement)), None)

    def interest(self, query: str) -> str | None:
        """What a query is most likely about; None where nothing says it."""
        of = next((signal for signal in self._signals if isinstance(signal, Interests)), None)
        return of.name_of(query) if of else None

    def rows(self, pin_ids: Sequence[str]) -> np.ndarray:
        """Row numbers of Pins, int64 (n,); −1 for unknown ones."""
        return self.match.rows(pin_ids)

    def features(self, query: str, rows: np.ndarray) -> np.ndarray:
        """Features of one query and many Pins, float32 (n, f), named by `names`; NaN where a signal is missing."""
        matched = self.match.features(query, rows)
        return _beside(matched, self._signals, [query], np.zeros(len(rows), np.int64), rows)

    def pairs(self, queries: Sequence[str], rows: np.ndarray) -> np.ndarray:
        """Features of row-aligned queries and Pins, float32 (n, f)."""
        return _beside(self.match.pairs(queries, rows), self._signals, *_numbered(queries), rows)

    def of_part(self, part: str, queries: Sequence[str], rows: np.ndarray) -> np.ndarray:
        """The columns of one of `parts`, of row-aligned queries and Pins: float32 (n, f)."""
        if part == MATCH:
            return self.match.pairs(queries, rows)
        signal = next(signal for signal in self._signals if _called(signal) == part)
        return signal.columns(*_numbered(queries), rows)

    def of_side(self, side: Side, query: str, rows: np.ndarray) -> np.ndarray:
        """Those features that tell of one side alone, of a query and many Pins: float32 (n, f).

        Match features are of the pair. Of the query there is one row, whatever Pins are asked about.
        """
        if side == "query":
            return self._of_query(query)
        if side == "pin":
            return _side_by_side([signal.of_side(side, query, rows) for signal in self._signals], len(rows))
        found, column = self.match.features(query, rows, sum(self._widths)), len(self.match.names)
        for signal, width in zip(self._signals, self._widths):
            signal.pairs_into(query, rows, found, column)
            column += width
        return found

    def features_of(self, query: str, documents: Sequence[Mapping[str, object]], base: np.ndarray) -> np.ndarray:
        """Features of a query and documents with any of the fields of a Pin's texts: to the signals, unknown Pins.

        `base` (n, d) are untuned vectors of what the documents say.
        """
        unknown = np.full(len(documents), -1, dtype=np.int64)
        signals = [signal.over(base, unknown) for signal in self._signals]
        matched = self.match.features_of(query, documents)
        return _beside(matched, signals, [query], np.zeros_like(unknown), np.arange(len(documents)))

    def over(self, pin_texts: pa.Table, base: np.ndarray, known: np.ndarray | None = None) -> "Joined":
        """The features of other Pins (pin_texts), known to the signals by their untuned vectors (n, d) alone.

        Those of them that are Pins of the index which say something new have its row in `known` (n,), others −1.
        """
        known = np.full(len(base), -1, dtype=np.int64) if known is None else known
        return Joined(self.match.over(pin_texts), [signal.over(base, known) for signal in self._signals])


def _of_query(signals: Sequence[Signal], query: str) -> np.ndarray:
    """The columns about a query alone, (1, f); nobody may change them."""
    found = _side_by_side([signal.of_side("query", query, np.full(1, -1)) for signal in signals], 1)
    found.setflags(write=False)
    return found


def _side_by_side(told: Sequence[np.ndarray], rows: int) -> np.ndarray:
    """Columns of these rows as one array, which there may be none of."""
    return np.concatenate([np.zeros((rows, 0), np.float32), *told], axis=1)


def _beside(
    matched: np.ndarray, signals: Sequence[Signal], queries: Sequence[str], asked: np.ndarray, rows: np.ndarray
) -> np.ndarray:
    """Match features, and behind them the columns of signals."""
    if not signals:
        return matched
    return np.concatenate([matched, *(signal.columns(queries, asked, rows) for signal in signals)], axis=1)


def _names(signal: Signal) -> list[str]:
    return [name for group in signal.groups for name in group.names]


def _called(signal: Signal) -> str:
    """A signal's name, with which the names of its groups begin."""
    return signal.groups[0].name.partition(".")[0]


def _numbered(queries: Sequence[str]) -> tuple[list[str], np.ndarray]:
    """The distinct ones of some queries, and the number of each (n,)."""
    place: dict[str, int] = {}
    asked = np.fromiter((place.setdefault(q, len(place)) for q in queries), np.int64, len(queries))
    return list(place), asked


def open(
    ws: Workspace, read: Read, past: pa.Table | None = None, known: Callable[[str], Aligned] | None = None
) -> Joined:
    """The features of a workspace, with the signals that are there; `read` gives the untuned vectors of queries.

    `past` (query, pin_id, day) are the pairs that are to be learnt from: what users did counts before each one's day.
    `known` has, by signal, what `aligned` would give; else that is worked out now, which takes a look at every Pin.
    """
    match = match_index.open(ws.folder("signals/match"))
    known = known or (lambda name: aligned(ws, name, match.pins.texts))
    return Joined(match, list(_signals(ws, match, known, read, past)))


def aligned(ws: Workspace, name: str, pins: pa.Array) -> Aligned:
    """What one of the `OPTIONAL` keeps of these Pins, those of the match index, row by row."""
    return _ALIGNED[name](ws.folder(name), pins)


_ALIGNED: Mapping[str, Callable[[Path, pa.Array], Aligned]] = {
    "signals/engagement": engagement.aligned,
    "signals/searchsage": sage.aligned,
    "signals/pinsage": sage.aligned,
    "signals/interests": interests.aligned,
    "signals/visual": visual.aligned,
}


def trained(ws: Workspace, name: str) -> str:
    """The digest of one of the `LEARNT` as it was trained, whether or not vectors of Pins were made by it since."""
    return ws.manifest(name).made.inputs.get(TRAINED, ws.digest(name))


def versions(ws: Workspace) -> dict[str, str]:
    """By part, what its columns mean: columns of one version, of the same texts, are told by the same rules and models.

    What is counted, words and clicks alike, goes on being counted under one version; what is learnt is learnt anew.
    """
    found = {MATCH: str(match_index.VERSION)}
    if ws.has("signals/engagement"):
        found["engagement"] = f"{engagement.VERSION}, {_window(ws)} days"
    return found | {name.rpartition("/")[2]: ws.digest(name) for name in LEARNT if ws.has(name)}


def _window(ws: Workspace) -> int:
    return int(ws.manifest("signals/engagement").made.settings["window_days"])


def _signals(
    ws: Workspace, match: MatchIndex, known: Callable[[str], Aligned], read: Read, past: pa.Table | None
) -> Iterator[Signal]:
    if ws.has("signals/engagement"):
        folder = ws.folder("signals/engagement")
        if past is None:
            yield Engagement(folder, known("signals/engagement"))
        else:
            yield Before(folder, ws.shards("exposures"), past, match.pin_ids, _window(ws))
    if ws.has("signals/searchsage"):
        yield SearchSage(ws.folder("signals/searchsage"), known("signals/searchsage"), read)
    if ws.has("signals/pinsage"):
        yield PinSage(ws.folder("signals/pinsage"), known("signals/pinsage"), read)
    if ws.has("signals/interests"):
        yield Interests(ws.folder("signals/interests"), known("signals/interests"), read)
    if ws.has("signals/visual"):
        folder = ws.folder("signals/visual")
        yield Visual(folder, known("signals/visual"), _texts(folder) if (folder / TEXTS).exists() else None)


def _texts(folder: Path) -> Read:
    """Vectors of queries by the text tower of the visual signal, loaded when first needed, and PyTorch with it."""

    @functools.cache
    def tower() -> "TextTower":
        from limbeck.signals.clip import TextTower

        return TextTower(folder / TEXTS)

    return Remembered(lambda texts: tower().read(texts), QUERIES)
