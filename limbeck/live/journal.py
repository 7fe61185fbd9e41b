"""Changes to Pins, on the disk before they are acknowledged: one file in the workspace that is only appended to.

A line is one request: sixteen hexadecimal digits over the digits of the line before and its own text, a space, JSON. So
no line can be damaged, lost or moved unseen. What has no line's end is of a writer that was killed, was never
acknowledged, and is cut off by the next writer. Several processes may read and append; a lock orders them.
"""

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from limbeck.errors import WorkspaceError
from limbeck.records import Pin

FOLDER, FILE = "live", "journal"
_DIGITS = 16


class Changes(msgspec.Struct, frozen=True):
    """What one request changes: whole Pins that are put in place of whatever had their id, and ids that go."""

    put: tuple[Pin, ...] = ()
    delete: tuple[str, ...] = ()


class Position(NamedTuple):
    """Up to where a journal was read: bytes, and the digits of the last line."""

    offset: int = 0
    digest: str = ""


BEGINNING = Position()


class Journal:
    """The journal of a workspace; there need not be one yet. Threads may share it: many read, one appends."""

    def __init__(self, root: Path) -> None:
        self._path = root / FOLDER / FILE
        self._end = BEGINNING  # of what was last appended here: others may have written on since

    def grown(self, position: Position) -> bool:
        """Whether there is anything but what was read; a look at the file's size."""
        try:
            return self._path.stat().st_size != position.offset
        except OSError:
            return position != BEGINNING

    def after(self, position: Position) -> tuple[list[Changes], Position]:
        """All whole lines after a position, and the position after them; `WorkspaceError` where one is damaged."""
        found = []
        for changes, end in self._lines(position):
            found.append(changes)
            position = end
        return found, position

    def position_of(self, digest: str) -> Position:
        """The position after the line of this digest; the beginning where there is none."""
        return next((end for _, end in self._lines(BEGINNING) if end.digest == digest), BEGINNING)

    def append(self, requests: Sequence[Changes]) -> None:
        """Write a line for each request; they are on the disk when this returns. `OSError` where they cannot be.

        After an error nothing of them is read again, as far as the disk still obeys.
        """
        with self._locked() as handle:
            end = self._whole_end()
            data, after = _encoded(requests, end)
            try:
                os.ftruncate(handle, end.offset)
                _write(handle, data, end.offset)
                os.fsync(handle)
            except OSError:
                with contextlib.suppress(OSError):
                    os.ftruncate(handle, end.offset)
                raise
            self._end = after

    def _whole_end(self) -> Position:
        """The end of the last whole line."""
        try:
            return self.after(self._end)[1]
        except WorkspaceError:  # lines that another process read here were taken back: its disk failed
            return self.after(BEGINNING)[1]

    def _lines(self, position: Position) -> Iterator[tuple[Changes, Position]]:
        offset, digest = position
        for line in self._read(offset).split(b"\n")[:-1]:
            digest = self._checked(line, digest, offset)
            offset += len(line) + 1
            yield msgspec.json.decode(line[_DIGITS + 1 :], type=Changes), Position(offset, digest)

    def _read(self, offset: int) -> bytes:
        try:
            with open(self._path, "rb") as file:
                if offset > os.fstat(file.fileno()).st_size:
                    raise WorkspaceError(f"{self._path}: it is shorter than it was. Start the service anew")
                file.seek(offset)
                return file.read()
        except FileNotFoundError:
            if offset:
                raise WorkspaceError(f"{self._path}: it is gone. Start the service anew") from None
            return b""
        except OSError as error:
            raise WorkspaceError(f"{self._path}: cannot be read ({error.strerror})") from None

    def _checked(self, line: bytes, digest: str, offset: int) -> str:
        found = _digest(digest, line[_DIGITS + 1 :])
        if line[: _DIGITS + 1] != f"{found} ".encode():
            remedy = "Put a copy in its place, or cut it off there: what it said after that is lost"
            raise WorkspaceError(f"{self._path}: damaged from byte {offset} on. {remedy}")
        return found

    @contextlib.contextmanager
    def _locked(self) -> Iterator[int]:
        """The file, opened for this process alone to write."""
        if not self._path.exists():
            self._path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            if not os.fstat(handle).st_size:
                _sync_folders(self._path.parent, self._path.parent.parent)
            yield handle
        finally:
            os.close(handle)


def net(requests: Iterable[Changes]) -> dict[str, Pin | None]:
    """What requests come to, one after the other: by id the Pin, or None where it is deleted."""
    found: dict[str, Pin | None] = {}
    for changes in requests:
        found |= {pin.pin_id: pin for pin in changes.put}
        found |= dict.fromkeys(changes.delete)
    return found


def _encoded(requests: Sequence[Changes], end: Position) -> tuple[bytes, Position]:
    data, digest = bytearray(), end.digest
    for changes in requests:
        text = msgspec.json.encode(changes)
        digest = _digest(digest, text)
        data += f"{digest} ".encode() + text + b"\n"
    return bytes(data), Position(end.offset + len(data), digest)


def _digest(before: str, text: bytes) -> str:
    return hashlib.sha256(before.encode() + text).hexdigest()[:_DIGITS]


def _write(handle: int, data: bytes, offset: int) -> None:
    """All of it: a disk that fills up takes a part."""
    while data:
        written = os.pwrite(handle, data, offset)
        data, offset = data[written:], offset + written


def _sync_folders(*folders: Path) -> None:
    """A new file is there after a power cut only when its folder is on the disk, too."""
    for folder in folders:
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
