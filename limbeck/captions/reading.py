"""A picture's bytes, from the folder of pictures or, where that is switched on, from the web."""

import os.path
import re
from pathlib import Path

from limbeck.captions.fetch import Fetcher
from limbeck.captions.skipped import SkippedError

URL = re.compile(r"\s*([a-z][a-z0-9+.-]*)://|\s*data:", re.IGNORECASE)


def is_url(image: str) -> bool:
    """Whether what a Pin names is a URL, of whatever kind, and not a path."""
    return URL.match(image) is not None


def locate(image: str, folder: Path) -> Path:
    """The file of a path, links followed; `SkippedError` if it is not there, or not in `folder`."""
    if "\0" in image:
        raise SkippedError("no such file")
    path = os.path.realpath(folder / image)
    if not Path(path).is_relative_to(os.path.realpath(folder)):
        raise SkippedError("outside the folder")
    if not os.path.isfile(path):  # neither what is missing, nor a folder, a pipe or a device
        raise SkippedError("no such file")
    return Path(path)


class Reader:
    """Reads pictures; without a `fetcher`, only those of `folder`."""

    def __init__(self, folder: Path, max_bytes: int, fetcher: Fetcher | None) -> None:
        self._folder, self._max_bytes, self._fetcher = folder, max_bytes, fetcher

    def read(self, image: str) -> bytes:
        """The bytes of what a Pin names; `SkippedError` says why there are none."""
        if not is_url(image):
            data = self._read(locate(image, self._folder))
        elif self._fetcher is None:
            raise SkippedError("a URL, and fetching is off")
        else:
            data = self._fetcher.fetch(image)
        if not data:
            raise SkippedError("empty")
        return data

    def _read(self, path: Path) -> bytes:
        try:
            with open(path, "rb") as file:
                data = file.read(self._max_bytes + 1)
        except OSError:
            raise SkippedError("cannot be read") from None
        if len(data) > self._max_bytes:
            raise SkippedError("too many bytes")
        return data


def state(image: str, folder: Path) -> str:
    """What tells, without reading it, whether a local picture may have changed: size and time. URLs do not tell."""
    if is_url(image):
        return ""
    try:
        found = os.stat(locate(image, folder))
    except (SkippedError, OSError):
        return "absent"
    return f"{found.st_size} {found.st_mtime_ns}"
