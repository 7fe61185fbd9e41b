import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from limbeck import recipe_file
from limbeck.settings import Recipe


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes a file (texts in UTF-8) beside the recipe."""

    def write_file(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write_file


@pytest.fixture
def recipe_of(tmp_path: Path) -> Callable[[str], Recipe]:
    """Reads a recipe from TOML; one without [[tables.pins]] gets a pins table of the single Pin "a"."""

    def read(toml: str) -> Recipe:
        if "tables.pins" not in toml:
            (tmp_path / "one_pin.csv").write_text("pin_id,title\na,A title\n")
            toml += '\n[[tables.pins]]\nfiles = ["one_pin.csv"]\ncolumns = { pin_id = "pin_id", title = "title" }\n'
        path = tmp_path / "recipe.toml"
        path.write_text(textwrap.dedent(toml), encoding="utf-8")
        return recipe_file.read(path)

    return read
