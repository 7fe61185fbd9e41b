"""Teachers of several sizes: backbones whose weights are here, and the recipe's own cut off after some layers."""

import math
from pathlib import Path

from safetensors import safe_open
from transformers import AutoConfig, AutoModel, AutoTokenizer

from limbeck import backbone
from limbeck.progress import say
from limbeck.settings import Recipe
from limbeck.training import quiet
from limbeck.workspace import Made, Workspace


def backbones(recipe: Recipe, ws: Workspace) -> dict[str, str]:
    """Backbones of further teachers, by what they are called; cut ones are where `cut` puts them."""
    own, asked = recipe.teacher.backbone, recipe.reproduce
    others = [name for name in asked.teachers or backbone.installed() if name != own]
    folders = {f"{own}, first {n} layers": str(ws.version(*_cut_off(recipe, n)).resolve()) for n in _fewer(recipe)}
    return folders | {name: name for name in others}


def cut(recipe: Recipe, ws: Workspace) -> None:
    """Make the backbones that are the recipe's own without its last layers, in the workspace's `reproduction/`."""
    found = backbone.find(recipe.teacher.backbone, recipe.folder)
    for layers in _fewer(recipe):
        name, made = _cut_off(recipe, layers)
        if why := ws.outdated(name, made):
            say("make", f"  [bold]{name}[/]: {why}", name=name, why=why)
            ws.write_folder(name, made, lambda out, _, n=layers: _save(found, n, out))  # type: ignore[misc]


def _save(found: str, layers: int, out: Path) -> None:
    with quiet():
        model = AutoModel.from_pretrained(found, num_hidden_layers=layers, trust_remote_code=False, **backbone.LOADING)
        model.save_pretrained(out)
        AutoTokenizer.from_pretrained(found, trust_remote_code=False).save_pretrained(out)


def _fewer(recipe: Recipe) -> list[int]:
    """The numbers of layers asked for that are fewer than the backbone has."""
    found = backbone.find(recipe.teacher.backbone, recipe.folder)
    with quiet():
        whole = AutoConfig.from_pretrained(found, trust_remote_code=False).num_hidden_layers
    return sorted({layers for layers in recipe.reproduce.layers if layers < whole})


def _cut_off(recipe: Recipe, layers: int) -> tuple[str, Made]:
    """The name and origin of a cut backbone."""
    return f"reproduction/first-{layers}", Made(settings={"backbone": recipe.teacher.backbone, "layers": layers})


def parameters(model: Path) -> int:
    """How many numbers the weights of a model's folder hold."""
    total = 0
    for path in model.rglob("*.safetensors"):
        with safe_open(path, "numpy") as weights:
            total += sum(math.prod(weights.get_slice(name).get_shape()) for name in weights.keys())  # noqa: SIM118
    return total
