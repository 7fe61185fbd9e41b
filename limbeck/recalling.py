"""What the service computed of pairs and wrote down, taken for the next training, where the recipe asks for it."""

from pathlib import Path

from limbeck import assembly
from limbeck.making import Run
from limbeck.progress import say
from limbeck.settings import Recipe
from limbeck.signals import joined, logged
from limbeck.signals.signal import Read
from limbeck.workspace import Made, Workspace


def recall(run: Run, read: Read) -> None:
    """Bring the table `logged` up to date: rows of the feature log that hold for pairs to learn from."""
    ws, log = run.ws, folder(run.recipe, run.ws)
    if log is None or not logged.files(log):
        run.forget("logged")
        return
    inputs = ["soft_labels", "judgments", "heldout", "pin_texts"]
    made = ws.made_from(inputs, version=logged.VERSION, versions=joined.versions(ws))
    made = Made({**made.inputs, "the feature log": logged.fingerprint(log)}, made.settings, made.version)
    run.table("logged", made, lambda: pairs(run.recipe, ws, log, read))
    count = ws.manifest("logged").rows
    say("logged", f"  features of {count:,} pairs are those that the service saw", pairs=count)


def folder(recipe: Recipe, ws: Workspace) -> Path | None:
    """The feature log that the recipe asks to learn from; of a variant of a run, that of the run."""
    return (ws.lender or ws).root / recipe.signals.logged if recipe.signals.logged else None


def pairs(recipe: Recipe, ws: Workspace, log: Path, read: Read) -> assembly.Shards:
    """What the log says of the pairs that the run's students learn from."""
    told = joined.open(ws, read)
    texts = ws.table("pin_texts", ["pin_id", "digest"]).rename_columns({"digest": "text"})
    wanted = assembly.dated(ws, list(assembly.curricula(recipe, ws).values())).join(texts, "pin_id", join_type="inner")
    return logged.chosen(log, logged.Layout(told.names, told.parts, joined.versions(ws)), wanted)
