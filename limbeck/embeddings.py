"""Vectors of Pins, boards and queries for use elsewhere (docs/embeddings.md).

Each space is one way from texts to vectors, beside the vectors of all Pins. All that are written have length one: their
inner product is their cosine.
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from limbeck import assembly
from limbeck.errors import InputError
from limbeck.index import board_vectors
from limbeck.making import Run
from limbeck.relevance import normalise_query
from limbeck.settings import Recipe
from limbeck.signals import sage
from limbeck.signals.pinsage import Convolution
from limbeck.signals.signal import Read
from limbeck.student import encode
from limbeck.student.grade import Student
from limbeck.workspace import Made, Workspace

VERSION = 1  # raise it when the same models are to give other vectors
KEYS = {"pins": "pin_id", "boards": "board_id", "queries": "query"}


@dataclass(frozen=True)
class Space:
    """Vectors of all Pins, unit ones, float32 (n, d), and how any text gets one: as a query does."""

    pin_ids: Sequence[str]
    pins: np.ndarray
    read: Read

    def texts(self, texts: Sequence[str]) -> np.ndarray:
        """Unit vectors of texts, float32 (n, d); zeros for those that say nothing."""
        found = np.zeros((len(texts), self.pins.shape[1]), np.float32)
        said = [i for i, text in enumerate(texts) if text.strip()]
        if said:
            found[said] = board_vectors.unit(self.read([texts[i] for i in said]))
        return found


def _student(recipe: Recipe, ws: Workspace) -> Space:
    pins = encode.Vectors(ws.table("pin_vectors"))
    return Space(pins.pin_ids, board_vectors.unit(pins.matrix), Student(ws.folder("models/student")).vectors)


def _untuned(recipe: Recipe, ws: Workspace) -> Space:
    pins = encode.Vectors(ws.table("encoder_vectors"))
    return Space(pins.pin_ids, board_vectors.unit(pins.matrix), assembly.reader(recipe, ws))


def _searchsage(recipe: Recipe, ws: Workspace) -> Space:
    folder, read = ws.folder("signals/searchsage"), assembly.reader(recipe, ws)
    towers, pin_ids = sage.Towers.load(folder), _known(ws)
    return Space(pin_ids, sage.vectors(folder, pin_ids), lambda texts: towers.queries(read(texts)))


def _pinsage(recipe: Recipe, ws: Workspace) -> Space:
    folder, read = ws.folder("signals/pinsage"), assembly.reader(recipe, ws)
    convolution, pin_ids = Convolution.load(folder), _known(ws)
    return Space(pin_ids, sage.vectors(folder, pin_ids), lambda texts: convolution.alone(read(texts)))


def _known(ws: Workspace) -> list[str]:
    pin_ids: list[str] = ws.table("encoder_vectors", ["pin_id"]).column("pin_id").to_pylist()
    return pin_ids


# By name: what a space is made of, and how it is opened.
SPACES: Mapping[str, tuple[tuple[str, ...], Callable[[Recipe, Workspace], Space]]] = {
    "student": (("models/student", "pin_vectors"), _student),
    "searchsage": (("signals/searchsage", "encoder_vectors"), _searchsage),
    "pinsage": (("signals/pinsage", "encoder_vectors"), _pinsage),
    "untuned": (("encoder_vectors",), _untuned),
}


def space(recipe: Recipe, ws: Workspace, by: str) -> Space:
    """One of `SPACES` as it is in the workspace; `InputError` where there is none of this name, or not yet."""
    if by not in SPACES:
        raise InputError(f"no vectors by {by!r}", remedy=f"Choose one of {', '.join(SPACES)}")
    needed, opened = SPACES[by]
    for name in needed:
        ws.manifest(name)
    return opened(recipe, ws)


def up_to_date(recipe: Recipe, ws: Workspace, by: str) -> Path:
    """The folder with the vectors of all Pins, boards and queries, made where it is out of date."""
    if by not in SPACES:
        space(recipe, ws, by)
    name, made = f"embeddings/{by}", _made(ws, by)
    if ws.outdated(name, made) is not None:
        opened = space(recipe, ws, by)
        with ws.writing():
            Run(recipe, ws, {}).folder(name, made, lambda out, _: build(ws, opened, out))
    return ws.folder(name)


def _made(ws: Workspace, by: str) -> Made:
    return ws.made_from([*SPACES[by][0], "saves", "boards", "impressions", "judgments"], version=VERSION)


def build(ws: Workspace, space: Space, out: Path) -> None:
    """Write `pins`, `boards` and `queries` into `out`, each as Parquet (its columns and the vector) and as NumPy."""
    _write(out, "pins", pa.table({"pin_id": pa.array(space.pin_ids, pa.string())}), space.pins)
    saves, titled = ws.table("saves", ["board_id", "pin_id"]), ws.table("boards")
    found, pin, board = board_vectors.numbered(saves, titled, pa.array(space.pin_ids, pa.string()))
    titles = space.texts([title or "" for title in found.column("title").to_pylist()])
    _write(out, "boards", found, board_vectors.vectors(space.pins, pin, board, titles))
    asked = sorted(_queries(ws))
    _write(out, "queries", pa.table({"query": pa.array(asked, pa.string())}), space.texts(asked))


def _queries(ws: Workspace) -> set[str]:
    """The distinct queries of the log and of the judgments, in their normal form."""
    found: set[str] = set()
    for table in ("impressions", "judgments"):
        found |= {normalise_query(q) for q in ws.table(table, ["query"]).column("query").unique().to_pylist()}
    return found


def _write(out: Path, kind: str, rows: pa.Table, matrix: np.ndarray) -> None:
    """Only what has a vector that is not all zeros, or missing."""
    there = np.abs(matrix).sum(axis=1) > 0
    rows, matrix = rows.filter(pa.array(there)), np.ascontiguousarray(matrix[there])
    np.save(out / f"{kind}.npy", matrix, allow_pickle=False)
    offsets = pa.array(np.arange(len(matrix) + 1, dtype=np.int64) * matrix.shape[1])
    vectors = pa.LargeListArray.from_arrays(offsets, pa.array(matrix.ravel()))
    pq.write_table(rows.append_column("vector", vectors), out / f"{kind}.parquet", compression="zstd")


def export(recipe: Recipe, ws: Workspace, by: str, out: Path) -> None:
    """Put the vectors of a space into the folder `out`, which is not there yet or empty."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError("there is something already", file=out, remedy="Name another folder")
    shutil.copytree(up_to_date(recipe, ws, by), out, dirs_exist_ok=True)
