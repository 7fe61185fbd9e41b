"""Workspaces of any size for the service's benchmarks, out of one that a run has finished.

    python benchmarks/grown.py RECIPE 10000 100000 1000000 --out FOLDER

A new Pin takes each of its texts from another Pin of the run, so that words are as frequent as they were and lists of
postings grow with the Pins; its vector is one more Pin's with some noise, which costs no model call. Models, log and
signals are those of the run: to the signals, most new Pins are unknown.
"""

import argparse
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from limbeck import pipeline
from limbeck.index import lexical, texts
from limbeck.making import Run
from limbeck.recipe_file import read
from limbeck.settings import Recipe
from limbeck.signals import match_index
from limbeck.workspace import Made, Workspace

SEED = 0
PER_SHARD = 50_000
NOISE = 0.3  # length of what is added to a vector of length 1
KEPT = (
    "models/student",
    "models/teacher",
    "signals/engagement",
    "signals/searchsage",
    "signals/pinsage",
    "signals/interests",
    "index/understanding",
    "impressions",
)


def grow(run: Workspace, pins: int, out: Path, recipe: Recipe) -> None:
    """A workspace with so many Pins."""
    ws, tables = Workspace(out), {name: run.table(name) for name in ("pins", "pin_texts", "composed", "pin_vectors")}
    for name in filter(run.has, KEPT):
        _copy(run, name, out)
    made = Made(settings={"pins": pins, "rendering": {"max_tokens": recipe.text.max_tokens}})
    for name in ("pins", "pin_texts", "composed"):
        ws.write_table(name, made, _shards(_mixed, tables[name], pins))
    ws.write_table(
        "pin_vectors", ws.made_from(["composed", "models/student"]), _shards(_moved, tables["pin_vectors"], pins)
    )
    for name, builder in (("signals/match", match_index), ("index/lexical", lexical), ("index/texts", texts)):
        ws.write_folder(
            name, made, lambda folder, _, b=builder: b.build(map(pq.read_table, ws.shards("pin_texts")), folder)
        )
    pipeline.index(Run(recipe, ws, {}))


def _copy(run: Workspace, name: str, out: Path) -> None:
    folder, manifest = (
        (Path(name).parent, f"{name}.json") if "/" in name else (Path("tables", name), f"tables/{name}.json")
    )
    for file in (manifest, *(folder / file for file in run.manifest(name).files)):
        (out / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(run.root / file, out / file)


def _shards(
    make: Callable[[pa.Table, int, int], pa.Table], rows: pa.Table, pins: int
) -> dict[str, Callable[[], pa.Table]]:
    begins = range(0, pins, PER_SHARD)
    return {f"{n:05d}": partial(make, rows, b, min(b + PER_SHARD, pins)) for n, b in enumerate(begins)}


def _mixed(rows: pa.Table, begin: int, end: int) -> pa.Table:
    """Pins from `begin` to `end`: each column drawn from rows of its own."""
    columns = []
    for place, name in enumerate(rows.column_names):
        random = np.random.default_rng((SEED, begin, place))
        drawn = pa.array(random.integers(rows.num_rows, size=end - begin))
        columns.append(_names(begin, end) if name == "pin_id" else rows.column(name).combine_chunks().take(drawn))
    return pa.Table.from_arrays(columns, schema=rows.schema)


def _moved(rows: pa.Table, begin: int, end: int) -> pa.Table:
    drawn = np.random.default_rng((SEED, begin, 0)).integers(rows.num_rows, size=end - begin)
    vectors = np.stack(rows.column("vector").to_numpy(zero_copy_only=False))[drawn].astype(np.float32)
    noise = np.random.default_rng((SEED, begin)).normal(size=vectors.shape).astype(np.float32)
    vectors += NOISE * noise / np.linalg.norm(noise, axis=1, keepdims=True)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    columns = {
        "pin_id": _names(begin, end),
        "digest": rows.column("digest").combine_chunks().take(pa.array(drawn)),
        "vector": pa.array(list(vectors), rows.schema.field("vector").type),
    }
    return pa.table(columns, schema=rows.schema)


def _names(begin: int, end: int) -> pa.Array:
    return pa.array([f"pin{number:08d}" for number in range(begin, end)])


def main() -> None:
    """Make a workspace of each size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe", type=Path)
    parser.add_argument("pins", type=int, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--workspace", type=Path, help="of the run, if not the recipe's")
    asked = parser.parse_args()
    recipe = read(asked.recipe)
    run = Workspace(asked.workspace or Path(recipe.workspace or f"workspaces/{recipe.name}"))
    for pins in asked.pins:
        grow(run, pins, asked.out / f"{pins:08d}", recipe)


if __name__ == "__main__":
    main()
