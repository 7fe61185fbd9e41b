"""Who wrote a caption: what a caption depends on, besides its picture."""

import hashlib
from pathlib import Path

from limbeck.settings import Captions
from limbeck.workspace import digest_of

READ = (".safetensors", ".json", ".jinja", ".txt", ".model")  # a model's files


def identity(settings: Captions, found: str) -> str:
    """The captioner's name, and a digest of what it is told and, where it lies in a folder, of its files."""
    files = sorted(Path(found).glob("*")) if Path(found).is_dir() else []
    contents = [f"{file.name} {_sha256(file)}" for file in files if file.suffix in READ]
    return f"{settings.model}@{digest_of(settings.prompt, str(settings.max_new_tokens), str(settings.edge), *contents)}"


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
