"""The input tables of a recipe: mapped files or the generated world, and what people said at the rating desk."""

import functools
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pyarrow as pa

from limbeck import assembly, rating
from limbeck.live.fold import fold
from limbeck.settings import Recipe
from limbeck.sources import mapped
from limbeck.sources.world import generate
from limbeck.workspace import Made, digest_of_rows

Inputs = Mapping[str, tuple[Made, Callable[[], assembly.Shards]]]  # by table: what it is made from, and how


def input_tables(recipe: Recipe, root: Path) -> Inputs:
    """The input tables of a recipe, and what people said at its rating desk; `InputError` where something is wrong.

    Pins are as the journal of live changes in the workspace `root` leaves them.
    """
    given = dict(_given(recipe))
    if "pins" in given:
        given["pins"] = fold(root, *given["pins"])
    for name, rows in rating.rated(recipe, "heldout" in given).items():
        made, shards = given.get(name, (Made(), dict))
        more = Made({**made.inputs, "the desk": digest_of_rows(rows)}, made.settings, made.version)
        given[name] = (more, functools.partial(_with_desk, shards, rows))
    return given


def _with_desk(shards: Callable[[], assembly.Shards], rows: pa.Table) -> assembly.Shards:
    """The shards of an input table, and one of the desk's judgments."""
    return {**shards(), "desk": lambda: rows}


def _given(recipe: Recipe) -> Inputs:
    """The input tables that a recipe names; `InputError` where files, columns or the world's settings are wrong."""
    if recipe.world is None:
        return {
            name: (Made(inputs={"files": digest}), functools.partial(mapped.shards, recipe, name))
            for name, digest in mapped.digests(recipe).items()
        }
    made = Made(settings=json.loads(json.dumps({"world": vars(recipe.world), "seed": recipe.seed})))
    tables = generate.shards(recipe.world, recipe.seed)
    return {name: (made, functools.partial(dict, shards)) for name, shards in tables.items() if shards}
