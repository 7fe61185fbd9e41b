"""Pictures of Pins, from one folder and from nowhere else."""

import os.path
from pathlib import Path

TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp", ".gif": "image/gif"}


def find(folder: Path, name: str) -> Path | None:
    """The picture called `name` (a relative path) in `folder`; None for what is not there, no picture, or outside."""
    if "\0" in name:
        return None
    path = Path(os.path.realpath(folder / name))  # links followed, so that none leads outside
    inside = path.is_relative_to(os.path.realpath(folder))
    return path if inside and path.suffix.lower() in TYPES and os.path.isfile(path) else None
