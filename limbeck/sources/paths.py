"""Which files a recipe means: paths relative to its folder, with globs and environment variables."""

import difflib
import glob
import os
import re
from collections.abc import Sequence
from pathlib import Path

from limbeck.errors import InputError
from limbeck.settings import Pictures, Recipe
from limbeck.workspace import Workspace

_VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")


def find(patterns: Sequence[str], folder: Path) -> list[Path]:
    """The files that `patterns` name, in the order of the patterns, those of a glob by name; none of them twice."""
    found = [path for pattern in patterns for path in _matches(pattern, folder)]
    return list(dict.fromkeys(found))


def pictures(recipe: Recipe, ws: Workspace, settings: Pictures | None = None) -> Path:
    """What the paths of pictures are relative to: the world's own pictures, or the folder that the recipe names.

    Without `settings`, it is that of the captions, or of the visual signal.
    """
    if recipe.world is not None:
        return ws.folder("images/pins") if ws.has("images/pins") else ws.root / "images"
    settings = settings or recipe.captions or recipe.visual or Pictures()
    return recipe.folder / Path(expand(settings.folder)).expanduser()


def _matches(pattern: str, folder: Path) -> list[Path]:
    path = folder / Path(expand(pattern)).expanduser()
    if path.is_dir():
        raise InputError("is a folder", file=path, remedy="Name the files in it, for example with /*.csv")
    if path.exists():
        return [path]
    matches = sorted(Path(p) for p in glob.glob(str(path), recursive=True))
    files = [p for p in matches if p.is_file()]
    if not files:
        raise InputError("no such file", file=path, remedy=_advice(path))
    return files


def expand(pattern: str) -> str:
    """`pattern` with each ${NAME} or ${NAME:-otherwise} replaced by the environment variable's value."""

    def value(match: re.Match[str]) -> str:
        name, otherwise = match.groups()
        if not os.environ.get(name) and otherwise is None:
            raise InputError(f"the environment variable {name} is not set", file=pattern, remedy=f"Set {name}")
        return os.environ.get(name) or str(otherwise)

    return _VARIABLE.sub(value, pattern)


def _advice(path: Path) -> str:
    """What to do about a file that is not there: the nearest name beside it, or the nearest folder that exists."""
    if path.parent.is_dir():
        close = difflib.get_close_matches(path.name, sorted(p.name for p in path.parent.iterdir()), 1)
        return f"Did you mean {close[0]!r}?" if close else f"Put it into {path.parent}, or correct the path"
    there = next(p for p in path.parents if p.is_dir())
    return f"There is no folder {path.parent}, only {there.resolve()}"
