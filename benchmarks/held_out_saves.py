"""How well the last save of each board is found again, by whose vectors: student, SearchSAGE, PinSAGE, untuned encoder.

    python benchmarks/held_out_saves.py recipes/world.toml [--pins 6000] [--folder FOLDER]

The tables of the recipe are written out without the last save of every board that has five or more, and Limbeck is run
on what is left, up to the index: no text of a Pin, no teacher, no student and no graph has met the saves that are held
out. Then each board, by the Pins that are left on it, by its title, or by both, has to find the Pin it lost among all
Pins that are not on it. Printed are recalls at 10 and 100 with 95 % intervals by bootstrap over boards.

With --folder, what was made stays there, and a second run makes only what is missing. --queries also walks along
queries (`signals.pinsage_queries`); --only names the vectors that are measured: without the student,
nothing is trained but the signals.
"""

import argparse
import contextlib
import dataclasses
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from limbeck import assembly, embeddings, pipeline, progress
from limbeck.index import board_vectors
from limbeck.making import Run
from limbeck.measure import finding
from limbeck.recipe_file import read
from limbeck.records import INPUTS
from limbeck.settings import Recipe, TableMapping
from limbeck.workspace import Workspace

LEAST = 5  # saves of a board that loses its last
DEPTHS, TIMES, CONFIDENCE = (10, 100), 1_000, 0.95


def last_saves(saves: pa.Table) -> tuple[pa.Table, pa.Table]:
    """The saves that are left, and those held out: the newest Pin of each board with at least `LEAST` of them."""
    once = saves.group_by(["board_id", "pin_id"]).aggregate([("saved_at", "min")])
    once = once.sort_by([("board_id", "ascending"), ("saved_at_min", "ascending"), ("pin_id", "ascending")])
    board = once.column("board_id").combine_chunks().dictionary_encode().indices.to_numpy()
    last = np.append(board[1:] != board[:-1], True) if len(board) else np.zeros(0, bool)
    held = once.filter(pa.array(last & (np.bincount(board)[board] >= LEAST))).select(["board_id", "pin_id"])
    keys = ["board_id", "pin_id"]
    return saves.join(held, keys, join_type="left anti").sort_by([("saved_at", "ascending")]), held


def without_last_saves(recipe: Recipe, folder: Path) -> tuple[Recipe, pa.Table]:
    """The same recipe over files of its tables without the held-out saves, and these."""
    ws = Workspace(folder / "whole")
    pipeline.run(recipe, ws, "source")
    left, held = last_saves(ws.table("saves"))
    mapped = {}
    for name in INPUTS:
        rows = left if name == "saves" else ws.table(name)
        if rows.num_rows:
            pq.write_table(rows, folder / f"{name}.parquet")
            columns = {column: column for column in rows.column_names}
            mapped[name] = (TableMapping((str((folder / f"{name}.parquet").resolve()),), columns),)
    return dataclasses.replace(recipe, world=None, tables=mapped), held


def bring_up_to_date(recipe: Recipe, ws: Workspace, names: list[str]) -> None:
    """Run up to the index; where the student is not asked for, as far as the others' vectors."""
    pipeline.run(recipe, ws, "index" if "student" in names else "enrich")
    if "student" not in names:
        with ws.writing():
            pipeline.signals(Run(recipe, ws, {}), assembly.reader(recipe, ws))


def asking(ws: Workspace, space: embeddings.Space, held: pa.Table) -> Iterator[tuple[str, np.ndarray]]:
    """By what a board asks, and the places at which the boards of `held` find what they lost."""
    pin_ids = pa.array(space.pin_ids, pa.string())
    found, pin, board = board_vectors.numbered(ws.table("saves"), ws.table("boards"), pin_ids)
    row = pc.index_in(held.column("board_id"), found.column("board_id")).to_numpy()
    wanted = pc.index_in(held.column("pin_id"), pin_ids).to_numpy()
    ends = np.searchsorted(board, np.arange(found.num_rows + 1))
    known = [pin[ends[r] : ends[r + 1]] for r in row]
    titles = space.texts([title or "" for title in found.column("title").to_pylist()])
    nothing, nobody = np.zeros_like(titles), np.zeros(0, np.int64)
    for by, vectors in {
        "its Pins": board_vectors.vectors(space.pins, pin, board, nothing),
        "its title": board_vectors.vectors(space.pins, nobody, nobody, titles),
        "both": board_vectors.vectors(space.pins, pin, board, titles),
    }.items():
        yield by, finding.places(vectors[row], space.pins, wanted, known)


def measure(recipe: Recipe, ws: Workspace, held: pa.Table, names: list[str]) -> None:
    """Print the table."""
    print(f"\n{held.num_rows:,} boards, {ws.table('encoder_vectors', ['pin_id']).num_rows:,} Pins\n")
    print("| vectors | a board by | " + " | ".join(f"recall@{d}" for d in DEPTHS) + " |\n|---|---|---|---|")
    for name in names:
        for by, places in asking(ws, embeddings.space(recipe, ws, name), held):
            found = finding.recalls(places, DEPTHS, TIMES, CONFIDENCE, recipe.seed)
            cells = " | ".join(f"{r.value:.3f} ({r.low:.3f}–{r.high:.3f})" for r in found)
            print(f"| {name} | {by} | {cells} |", flush=True)


def changed(recipe: Recipe, asked: argparse.Namespace) -> Recipe:
    """The recipe as the command line wants it."""
    if asked.pins and recipe.world is not None:
        share = asked.pins / recipe.world.pins
        sizes = {n: round(share * getattr(recipe.world, n)) for n in ("users", "searches", "judged_pairs")}
        recipe = dataclasses.replace(recipe, world=dataclasses.replace(recipe.world, pins=asked.pins, **sizes))
    signals = dataclasses.replace(
        recipe.signals,
        searchsage=bool({"student", "searchsage"} & set(asked.only)),
        interests="student" in asked.only,
        pinsage=True,
        pinsage_queries=asked.queries,
    )
    return dataclasses.replace(recipe, signals=signals, captions=None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--pins", type=int, help="another size of a generated world")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--queries", action="store_true")
    parser.add_argument("--only", nargs="+", choices=list(embeddings.SPACES), default=list(embeddings.SPACES))
    asked = parser.parse_args()
    progress.choose("rich")
    with contextlib.ExitStack() as stack:
        folder = asked.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        recipe, held = without_last_saves(changed(read(asked.recipe), asked), folder)
        ws = Workspace(folder / "left")
        bring_up_to_date(recipe, ws, asked.only)
        measure(recipe, ws, held, asked.only)


if __name__ == "__main__":
    main()
