"""Answers that were paid for, on disk: a file of JSON lines that is only ever appended to.

A line is written by one call of the system, so a killed process leaves at most a half line at the end; it is skipped
when the file is read, and the next line begins on its own. Keys hold everything that an answer depends on; no text of a
query or a Pin stands here, and no API key.
"""

import os
import time
from pathlib import Path
from types import TracebackType

import msgspec

from limbeck.errors import WorkspaceError
from limbeck.judge.answer import Distribution, Tokens
from limbeck.settings import Judge
from limbeck.workspace import digest_of

SECONDS_BETWEEN_SYNCS = 1.0  # what a power cut may cost; a kill costs nothing


class Line(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    """One request: by which judge (a digest of endpoint and model), its tokens, and the answer, if there was one."""

    judge: str
    input: int
    output: int
    key: str | None = None
    p: Distribution | None = None


_LINE = msgspec.json.Decoder(Line)


class Cache:
    """The answers, and how much was asked of one judge. As a context it holds the file open for writing."""

    def __init__(self, path: Path, judge: Judge) -> None:
        self._path, self._judge = path, digest_of(judge.endpoint, judge.model)
        self._known: dict[str, Distribution] = {}
        self.calls, self.spent = 0, Tokens(0, 0)
        self._file = -1
        self._synced = time.monotonic()
        if path.exists():
            with open(path, "rb") as lines:
                for line in lines:
                    self._remember(line)

    def __enter__(self) -> "Cache":
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        size = os.fstat(self._file).st_size
        if size and os.pread(self._file, 1, size - 1) != b"\n":  # a killed run's half line
            self._append(b"\n")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        os.fsync(self._file)
        os.close(self._file)

    def get(self, key: str) -> Distribution | None:
        """The answer under a key, if there is one."""
        return self._known.get(key)

    def put(self, cost: Tokens, key: str | None = None, answer: Distribution | None = None) -> None:
        """Note what a request has cost, and its answer."""
        line = Line(self._judge, cost.input, cost.output, key, answer)
        self._append(msgspec.json.encode(line) + b"\n")
        self._count(line)
        if time.monotonic() - self._synced > SECONDS_BETWEEN_SYNCS:
            os.fsync(self._file)
            self._synced = time.monotonic()

    def _append(self, data: bytes) -> None:
        written = os.write(self._file, data)
        if written < len(data):
            raise WorkspaceError(
                f"{self._path}: cannot write (no room). What is there is kept; make room and run again"
            )

    def _remember(self, data: bytes) -> None:
        """A line of the file; half and damaged ones are passed over."""
        try:
            line = _LINE.decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return
        if line.p is None or (min(line.p) >= 0 and abs(sum(line.p) - 1) < 1e-3):
            self._count(line)

    def _count(self, line: Line) -> None:
        if line.key is not None and line.p is not None:
            self._known[line.key] = line.p
        if line.judge == self._judge:
            self.calls += 1
            self.spent = Tokens(self.spent.input + line.input, self.spent.output + line.output)


def key_of(prompt_digest: str, query: str, text_digest: str) -> str:
    """Where the answer to a pair lies: the prompt's digest covers endpoint, model, guidelines, mode and sampling."""
    return digest_of(prompt_digest, query, text_digest)
