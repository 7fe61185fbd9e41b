"""The models that every process of `accelerate launch` trains together: which, from what, and who begins."""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from limbeck import assembly, processes, tracking
from limbeck.making import Run
from limbeck.settings import Recipe
from limbeck.teacher import adapt as adaptation
from limbeck.teacher import train as teacher_training
from limbeck.workspace import Made, Workspace, digest_of_rows


def together(run: Run, name: str, made: Made, train: Callable[[Path, Path], None]) -> None:
    """Bring a model up to date that all processes train, and tell the others whether there is anything to train."""
    called = []

    def build(out: Path, scratch: Path) -> None:
        called.append(processes.tell(True))
        train(out, scratch)

    run.folder(name, made, build)
    if not called:
        processes.tell(False)


def train_along(recipe: Recipe, ws: Workspace) -> None:
    """What the other processes of `accelerate launch` do: wait for the first one to train a model, if it does."""
    if recipe.adapt and processes.tell():
        scratch = ws.scratch("models/adapted", reading(recipe, ws))
        adapt(recipe, ws, scratch, scratch)
    if processes.tell():
        judged, made = lesson(recipe, ws)
        scratch = ws.scratch("models/teacher", made)
        train(recipe, ws, judged, scratch, scratch)


def reading(recipe: Recipe, ws: Workspace) -> Made:
    """What the backbone is adapted to, and how."""
    asked = {k: v for k, v in vars(recipe.adapt).items() if k != "student"}
    return ws.made_from(["composed"], adapt=asked, backbone=recipe.teacher.backbone, seed=recipe.seed)


def adapt(recipe: Recipe, ws: Workspace, out: Path, scratch: Path) -> None:
    """Let the backbone read the catalogue's own texts."""
    assert recipe.adapt is not None  # `teach` leaves this out otherwise
    texts = ws.table("composed", ["text"]).column("text").to_pylist()
    backbone = assembly.located(recipe).teacher.backbone
    adaptation.adapt(texts, backbone, recipe.adapt, recipe.seed, out, _checkpoints(scratch))


def lesson(recipe: Recipe, ws: Workspace) -> tuple[dict[str, pa.Table], Made]:
    """What the teacher learns from, and what it is made from."""
    judged = {part: assembly.judged(ws, part) for part in ("train", "valid")}
    inputs = {f"{part} judgments": digest_of_rows(rows) for part, rows in judged.items()}
    if recipe.adapt:
        inputs["models/adapted"] = ws.digest("models/adapted")
    return judged, Made(inputs, ws.made_from([], teacher=recipe.teacher, seed=recipe.seed).settings)


def train(recipe: Recipe, ws: Workspace, judged: dict[str, pa.Table], out: Path, scratch: Path) -> None:
    """Fine-tune the teacher, from its last checkpoint where there is one."""
    settings = assembly.adapted(recipe, ws).teacher
    with tracking.destination(ws.root / "tracking", recipe.name):
        teacher_training.train(judged, settings, recipe.seed, out, _checkpoints(scratch), recipe.tracking)


def _checkpoints(scratch: Path) -> Path:
    """Where a training leaves its checkpoints: each number of processes takes steps of its own."""
    folder = scratch / f"of-{processes.count()}"
    folder.mkdir(exist_ok=True)
    return folder
