"""What is near a Pin, a board or a text: Pins, boards or queries, by the vectors of one space (docs/embeddings.md)."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from limbeck import embeddings
from limbeck.embeddings import KEYS
from limbeck.errors import InputError
from limbeck.settings import Recipe
from limbeck.workspace import Workspace


@dataclass(frozen=True)
class Near:
    """A Pin, a board or a query by its id, which is a query's text; a query has no title."""

    id: str
    title: str | None
    similarity: float  # cosine


def similar(recipe: Recipe, ws: Workspace, by: str, asked: tuple[str, str], find: str, k: int) -> list[Near]:
    """The `k` nearest of a kind to what is `asked`, a kind and an id or ("texts", text), nearest first.

    A Pin is not near itself, nor a board. `InputError` where there is no such space, kind, Pin or board.
    """
    kind, name = asked
    if find not in KEYS:
        raise InputError(f"nothing to find called {find!r}", remedy=f"Choose one of {', '.join(KEYS)}")
    folder = embeddings.up_to_date(recipe, ws, by)
    said = kind == "texts"
    vector = embeddings.space(recipe, ws, by).texts([name])[0] if said else _vector_of(folder, kind, name)
    hits = nearest(folder, find, vector, k, but=name if find == kind else None)
    titles = _titles(ws, find, [hit for hit, _ in hits])
    return [Near(hit, titles.get(hit), round(score, 6)) for hit, score in hits]


def nearest(folder: Path, find: str, vector: np.ndarray, k: int, but: str | None = None) -> list[tuple[str, float]]:
    """The `k` nearest of a kind to a unit vector (d,), with cosines, nearest first, equal ones by id; never `but`."""
    ids = _ids(folder, find)
    scores = np.asarray(np.load(folder / f"{find}.npy", mmap_mode="r") @ vector)
    if but is not None:
        scores[_row(ids, but)] = -np.inf
    least = np.sort(scores)[-min(k, len(scores))] if len(scores) else 0.0
    few = np.flatnonzero(scores >= least)
    found = zip(ids.take(pa.array(few, pa.int64())).to_pylist(), scores[few].tolist())
    return sorted((hit for hit in found if hit[0] != but), key=lambda hit: (-hit[1], hit[0]))[:k]


def _vector_of(folder: Path, kind: str, name: str) -> np.ndarray:
    row = _row(_ids(folder, kind), name)
    if row < 0:
        raise InputError(f"no vector of {name!r} among the {kind}", remedy=f"Give a {KEYS[kind]} of your tables")
    vector: np.ndarray = np.load(folder / f"{kind}.npy", mmap_mode="r")[row]
    return vector


def _ids(folder: Path, kind: str) -> pa.ChunkedArray:
    return pq.read_table(folder / f"{kind}.parquet", columns=[KEYS[kind]]).column(0)


def _row(ids: pa.ChunkedArray, name: str) -> int:
    return int(pc.index(ids, pa.scalar(name, pa.string())).as_py())


def _titles(ws: Workspace, find: str, ids: list[str]) -> dict[str, str | None]:
    """Titles of Pins or boards, by id."""
    if find == "queries":
        return {}
    rows = ws.table(find, [KEYS[find], "title"])
    rows = rows.filter(pc.is_in(rows.column(0), pa.array(ids, pa.string())))
    return dict(zip(rows.column(0).to_pylist(), rows.column(1).to_pylist()))
