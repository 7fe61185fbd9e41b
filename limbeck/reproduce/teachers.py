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
    """By what they are called, the backbones of further teachers: cut ones are made in the workspace's `reproduction/`."""
    own, asked = recipe.teacher.backbone, recipe.reproduce
    found = backbone.find(own, recipe.folder)
    with quiet():
        whole = AutoConfig.from_pretrained(found, trust_remote_code=False).num_hidden_layers
    fewer = sorted({layers for layers in asked.layers if layers < whole})
    others = [name for name in asked.teachers or backbone.installed() if name != own]
    return {f"{own}, first {n} layers": _cut(found, own, n, ws) for n in fewer} | {name: name for name in others}


def _cut(found: str, own: str, layers: int, ws: Workspace) -> str:
    """The folder of a backbone without its last layers."""

    def build(out: Path, scratch: Path) -> None:
        with quiet():
            kept = {"num_hidden_layers": layers, "trust_remote_code": False}
            AutoModel.from_pretrained(found, **kept, **backbone.LOADING).save_pretrained(out)
            AutoTokenizer.from_pretrained(found, trust_remote_code=False).save_pretrained(out)

    name, made = f"reproduction/first-{layers}", Made(settings={"backbone": own, "layers": layers})
    if ws.outdated(name, made):
        say("make", f"  [bold]{name}[/]: the first {layers} layers of {own}", name=name, why="not made yet")
        ws.write_folder(name, made, build)
    return str(ws.folder(name).resolve())


def parameters(model: Path) -> int:
    """How many numbers the weights of a model's folder hold."""
    total = 0
    for path in model.rglob("*.safetensors"):
        with safe_open(path, "numpy") as weights:
            total += sum(math.prod(weights.get_slice(name).get_shape()) for name in weights.keys())  # noqa: SIM118
    return total
