"""Who wrote a caption, or saw a picture: what the answer depends on, besides the picture."""

import hashlib
from pathlib import Path

from limbeck.settings import Captions
from limbeck.workspace import digest_of

READ = (".safetensors", ".json", ".jinja", ".txt", ".model")  # a model's files


def identity(settings: Captions, found: str) -> str:
    """The captioner's name, and a digest of what it is told and, where it lies in a folder, of its files."""
    return named(settings.model, found, settings.prompt, str(settings.max_new_tokens), str(settings.edge))


def named(model: str, found: str, *told: str) -> str:
    """A model's name, and a digest of what it is `told` and, where it was `found` in a folder, of its files."""
    files = sorted(Path(found).glob("*")) if Path(found).is_dir() else []
    contents = [f"{file.name} {_sha256(file)}" for file in files if file.suffix in READ]
    return f"{model}@{digest_of(*told, *contents)}"


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
