"""The texts that models read of Pins: composed where they changed, kept where they did not."""

import contextlib
import functools
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from limbeck import assembly
from limbeck.errors import InputError, WorkspaceError
from limbeck.making import Run
from limbeck.settings import Recipe
from limbeck.text import kept
from limbeck.workspace import Made, Workspace

VERSION = 2  # raise it when the same Pins are to be composed otherwise
RENDERING = ("sources", "max_tokens", "meaningful_change")  # of the settings of texts; the others are of what Pins say


def compose(run: Run) -> None:
    """Bring the table `composed` up to date."""
    ws, recipe = run.ws, run.recipe
    rendering = {name: value for name, value in vars(recipe.text).items() if name in RENDERING}
    rendering["backbone"] = recipe.teacher.backbone
    made = ws.made_from(["pin_texts"], version=VERSION, rendering=rendering)
    run.table("composed", made, lambda: _shards(recipe, ws, made))


def _shards(recipe: Recipe, ws: Workspace, made: Made) -> assembly.Shards:
    """One shard for each of pin_texts; what the present table has by the same settings stays where it may."""
    fast, before = assembly.counting_tokenizer(recipe), _before(ws, made)

    def make(path: Path) -> pa.Table:
        return kept.composed(pq.read_table(path), recipe.text, fast, before)

    return {f"{i:05d}": functools.partial(make, path) for i, path in enumerate(ws.shards("pin_texts"))}


def _before(ws: Workspace, made: Made) -> pa.Table | None:
    """The present table, where it was rendered by the same settings and can be read."""
    with contextlib.suppress(InputError, WorkspaceError):
        if _rendered(ws.manifest("composed").made) == _rendered(made):
            return ws.previous("composed")
    return None


def _rendered(made: Made) -> tuple[str, dict[str, Any]]:
    """What composed texts depend on besides what Pins say; what counts as a change may be another."""
    rendering = made.settings.get("rendering", {})
    return made.version, {name: value for name, value in rendering.items() if name != "meaningful_change"}
