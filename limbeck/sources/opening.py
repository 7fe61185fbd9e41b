"""The bytes of a file, unpacked: plain, zipped or gzipped, told apart by their first bytes."""

import gzip
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from limbeck.errors import InputError

_DAMAGED = (EOFError, zlib.error, zipfile.BadZipFile, gzip.BadGzipFile)
_PACKED = {".zip", ".gz"}


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """The unpacked bytes of `path`; whatever goes wrong while reading them is an `InputError`."""
    try:
        with open(path, "rb") as raw:
            start = raw.read(4)
            raw.seek(0)
            if start == b"PK\x03\x04":
                with zipfile.ZipFile(raw) as archive, archive.open(_member(archive, path)) as member:
                    yield member
            elif start[:2] == b"\x1f\x8b":
                with gzip.open(raw) as unpacked:
                    yield unpacked  # type: ignore[misc]
            elif start:
                yield raw
            else:
                raise InputError("is empty", file=path, remedy="Leave it out, or export it again")
    except _DAMAGED as error:
        raise InputError(f"is damaged ({error})", file=path, remedy="Fetch or pack it again") from None
    except (OSError, NotImplementedError) as error:
        raise InputError(f"cannot be read ({error})", file=path) from None


def inner_name(path: Path) -> str:
    """The name of the unpacked file: the member's for a zip, otherwise that of the file without .gz."""
    with open(path, "rb") as raw:
        if raw.read(4) == b"PK\x03\x04":
            with zipfile.ZipFile(path) as archive:
                return _member(archive, path).filename
    return path.stem if path.suffix.lower() in _PACKED else path.name


def _member(archive: zipfile.ZipFile, path: Path) -> zipfile.ZipInfo:
    """The one file in a zip; what macOS adds beside it does not count."""
    files = [i for i in archive.infolist() if not i.is_dir() and not i.filename.startswith("__MACOSX/")]
    if len(files) != 1:
        names = ", ".join(i.filename for i in files[:5])
        remedy = "Unpack it and name the files you mean, or zip each by itself"
        raise InputError(f"holds {len(files)} files ({names}), not one", file=path, remedy=remedy)
    if files[0].flag_bits & 1:
        raise InputError("is locked with a password", file=path, remedy="Unpack it first")
    return files[0]
