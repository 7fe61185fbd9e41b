"""Which rows are of the same Pin: of the catalogue, the match index and the lexical one, and of every signal.

To find that out is to look at every id; the run does it once, so that opening maps what it found and reads nothing,
whatever the number of Pins.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from limbeck.errors import WorkspaceError
from limbeck.index import catalogue, lexical
from limbeck.signals import joined, match_index
from limbeck.signals.aligned import Aligned
from limbeck.workspace import Workspace

NAME = "index/alignment"
VERSION = 2  # raise it when the same rows are to be kept otherwise
MADE_OF = ("index/catalogue", "index/lexical", "signals/match", *joined.OPTIONAL)
MATCH, WORDS, SERVED = "match_rows", "rows_of_words", "served"


@dataclass(frozen=True)
class Alignment:
    """What `build` wrote, memory-mapped."""

    match_rows: np.ndarray  # of each Pin of the catalogue the row in the match index; −1: neither graded nor shown
    rows_of_words: np.ndarray  # of each Pin of the lexical index the row in the catalogue; −1: neither graded nor shown
    served: int  # how many of the catalogue's Pins can be graded and shown
    signals: Aligned  # what the signals keep of the match index's Pins, by signal and name

    def of(self, signal: str) -> Aligned:
        """What a signal (of `joined.OPTIONAL`) keeps of the Pins of the match index."""
        begin = _called(signal, "")
        found = {name.removeprefix(begin): rows for name, rows in self.signals.items() if name.startswith(begin)}
        if not found:
            raise WorkspaceError(f"{NAME} was made without {signal}. `limbeck run RECIPE` brings them together")
        return found

    def check(self, pins: int, words: int, matched: int) -> None:
        """`WorkspaceError` where it is not of so many Pins of the catalogue, the lexical index and the match index."""
        expected = {MATCH: (self.match_rows, pins), WORDS: (self.rows_of_words, words)}
        expected |= {name: (rows, matched + 1) for name, rows in self.signals.items()}  # the last is of no Pin
        for name, (rows, count) in expected.items():
            if len(rows) != count:
                raise WorkspaceError(f"{NAME}: {name} has {len(rows)} rows, not {count}. Delete it and run again")


def build(ws: Workspace, out: Path) -> None:
    """Write into `out` which rows of the workspace's catalogue, indexes and signals are of the same Pin."""
    for name, rows in _arrays(ws):
        np.save(out / f"{name}.npy", rows, allow_pickle=False)


def open(ws: Workspace) -> Alignment:
    """What `build` wrote into the workspace; `WorkspaceError` where a file of it is damaged or gone."""
    folder = ws.folder(NAME)
    found = {Path(file).stem: _mapped(folder / Path(file).name) for file in ws.manifest(NAME).files}
    if missing := {MATCH, WORDS, SERVED} - set(found):
        raise WorkspaceError(f"{folder}: there is no {', '.join(sorted(missing))}. `limbeck run RECIPE` makes it anew")
    return Alignment(found.pop(MATCH), found.pop(WORDS), int(found.pop(SERVED)), found)


def _mapped(path: Path) -> np.ndarray:
    try:
        return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    except (ValueError, EOFError, OSError) as error:
        raise WorkspaceError(f"{path}: cannot be read ({error}). Delete it and run again") from None


def _called(signal: str, name: str) -> str:
    return f"{signal.rpartition('/')[2]}.{name}"


def _arrays(ws: Workspace) -> Iterator[tuple[str, np.ndarray]]:
    pins, match = catalogue.open(ws.folder("index/catalogue")), match_index.open(ws.folder("signals/match"))
    rows = np.where(pins.known, match.pins.rows_of(pins.vectors.ids), -1)
    yield from ((MATCH, rows), (SERVED, np.asarray((rows >= 0).sum())))
    of_words = pins.vectors.rows_of(lexical.open(ws.folder("index/lexical")).pin_ids)
    yield WORDS, np.where((of_words >= 0) & (np.append(rows, -1)[of_words] >= 0), of_words, -1)
    for signal in filter(ws.has, joined.OPTIONAL):
        for name, aligned in joined.aligned(ws, signal, match.pins.texts).items():
            yield _called(signal, name), aligned
