"""Pictures through an image-and-text model: from the tables of a workspace to image vectors and the visual signal."""

import functools
from collections.abc import Callable, Mapping
from pathlib import Path

import pyarrow as pa

from limbeck import backbone
from limbeck.captions import run as captioning
from limbeck.captions.identity import named
from limbeck.making import Run
from limbeck.progress import say
from limbeck.settings import Recipe
from limbeck.settings import Visual as Settings
from limbeck.signals import clip, visual
from limbeck.signals.image_vectors import Embedder
from limbeck.sources import paths
from limbeck.workspace import Made, Workspace

Shards = Mapping[str, Callable[[], pa.Table]]


def see(run: Run) -> None:
    """Image vectors of all pictures, computed only where bytes or model changed, and the signal made of them."""
    ws, recipe, settings = run.ws, run.recipe, run.recipe.visual
    if settings is None:
        run.forget("signals/visual")
        run.forget("image_vectors")
        return
    found = backbone.find(settings.model, recipe.folder)
    name = named(settings.model, found, str(settings.edge))
    images, folder = captioning.all_named(ws), paths.pictures(recipe, ws, settings)
    asked = ws.made_from([], visual=settings, by=name).settings
    made = Made({"images": captioning.fingerprint(images, folder)}, asked)
    run.table("image_vectors", made, lambda: _shards(ws, settings, folder, (name, found), images))
    made = ws.made_from(["image_vectors", "pins"], version=visual.VERSION, by=name, seed=recipe.seed)
    run.learnt("signals/visual", made, lambda out, _: _build(recipe, ws, settings.model, found, out))
    counts = captioning.counts(ws, "image_vectors")
    there = counts.pop("", 0)
    skipped = ", ".join(f"{reason} {number:,}" for reason, number in counts.items()) or "none"
    say("seen", f"  {there:,} pictures have a vector; skipped: {skipped}", seen=there, skipped=counts)


def check(recipe: Recipe) -> None:
    """`InputError` where the model of the recipe's [visual] lies in a folder and is no CLIP or SigLIP."""
    if recipe.visual is not None:
        found = backbone.find(recipe.visual.model, recipe.folder)
        if Path(found).is_dir():
            clip.config_of(recipe.visual.model, found)


def _shards(ws: Workspace, settings: Settings, folder: Path, model: tuple[str, str], images: list[str]) -> Shards:
    """The shards of `image_vectors`. `model`: its name in the table, and where it was found."""
    loaded = functools.partial(clip.ImageTower, settings.model, model[1])
    reader = captioning.reader(settings, folder)
    return Embedder(settings, reader, (model[0], loaded), ws.salvaged("image_vectors")).shards(images)


def _build(recipe: Recipe, ws: Workspace, name: str, found: str, out: Path) -> None:
    visual.build(ws.table("image_vectors"), ws.table("pins", ["pin_id", "image"]), recipe.seed, out)
    clip.save_texts(name, found, out / visual.TEXTS)
