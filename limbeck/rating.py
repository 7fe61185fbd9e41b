"""The rating desk over a workspace: opening it, and what a run takes from it."""

import re
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from limbeck import listening, queueing
from limbeck.errors import InputError
from limbeck.progress import say
from limbeck.rate import app, export
from limbeck.rate.desk import Desk
from limbeck.rate.store import ADMIN, Pair, Store, reading, writing
from limbeck.settings import Recipe
from limbeck.sources import paths
from limbeck.workspace import Workspace

_NAME = re.compile(r"[\w.@+-]{1,64}")


def database(recipe: Recipe) -> Path:
    """Where a recipe's ratings are: beside the recipe, since a workspace may be deleted and people's labels may not."""
    return recipe.folder / (recipe.rate.database or f"{recipe.name}.ratings.sqlite")


def guidelines(recipe: Recipe) -> Path:
    """The guidelines that raters read: the recipe's, or those that come along."""
    own = recipe.rate.guidelines
    path = recipe.folder / own if own else Path(export.__file__).with_name("guidelines.md")
    if not path.is_file():
        raise InputError("no such guidelines", file=path, remedy="Correct [rate] guidelines, or leave it out")
    return path


def serve(recipe: Recipe, ws: Workspace, raters: Sequence[str], wanted: Sequence[str], test: bool) -> None:
    """Invite raters, fill the queue, and keep the desk open until SIGTERM or Ctrl-C."""
    text = guidelines(recipe)
    _check_names(raters)
    with writing(database(recipe)) as store:
        store.invite([ADMIN, *raters])
        if len(store.secrets()) == 1:
            raise InputError("nobody to rate", remedy="Name them: --raters ana,ben")
        for queue in wanted or ([] if store.pairs() else [queueing.usual(ws)]):
            added = queueing.fill(recipe, ws, store, queue, test)
            say("queue", f"  {queue}: {added:,} new pairs", queue=queue, added=added)
        pairs = store.pairs()
        if not pairs:
            raise InputError("no pairs to rate", remedy=f"--queue takes {queueing.KINDS}")
        desk = Desk(store, shown(ws, pairs), paths.pictures(recipe, ws), recipe.rate.raters_per_pair, recipe.seed)
        with listening.listen(recipe.rate.host, recipe.rate.port, "rate") as door:
            _tell(store, recipe.rate.url or listening.address(recipe.rate.host, door), len(pairs))
            listening.serve(app.create(desk, store, text), door)


def shown(ws: Workspace, pairs: Sequence[Pair]) -> dict[str, dict[str, str | None]]:
    """What raters see of the Pins: title, description, image, link and language, by Pin."""
    columns = ["pin_id", "title", "description", "image", "link", "language"]
    pins = ws.table("pins", columns)
    wanted = pins.filter(pc.is_in(pins.column("pin_id"), pa.array({pair.pin_id for pair in pairs}, pa.string())))
    return {row.pop("pin_id"): row for row in wanted.to_pylist()}


def rated(recipe: Recipe, heldout: bool) -> dict[str, pa.Table]:
    """What people said at the desk, by the input table that it is added to; none where there is no desk.

    Levels of test pairs go to the held-out judgments where the recipe has them: those alone are measured on then.
    """
    path = database(recipe)
    if not path.exists():
        return {}
    with reading(path) as store:
        if not heldout:
            found = {"judgments": export.judgments(store)}
        else:
            found = {"judgments": export.judgments(store, False), "heldout": export.judgments(store, True)}
    return {name: rows for name, rows in found.items() if rows.num_rows}


def _check_names(raters: Sequence[str]) -> None:
    for name in raters:
        if not _NAME.fullmatch(name) or name == ADMIN:
            raise InputError(f"{name!r} cannot be a rater's name", remedy="Letters, digits, and . @ + - _, at most 64")


def _tell(store: Store, url: str, pairs: int) -> None:
    """Everybody's own link."""
    for person, secret in store.secrets().items():
        link = f"{url.rstrip('/')}/enter#{secret}"
        say("link", f"  [bold]{person}[/]\n  {link}", person=person, link=link)
    say("ready", f"{pairs:,} pairs are waiting on {url}", url=url, pairs=pairs)
