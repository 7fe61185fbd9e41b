"""Bytes from anywhere to small RGB pictures, by processes that may use little memory and time (worker.py).

A process that dies or takes too long costs the picture that it was at, and is replaced.
"""

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from queue import SimpleQueue

from PIL import Image

from limbeck.captions import worker
from limbeck.captions.skipped import SkippedError

STARTING = 60.0  # seconds


@dataclass(frozen=True)
class Limits:
    """Of one decoding process: bytes of memory, seconds per picture, pixels of a picture, the edge it is reduced to."""

    memory: int
    seconds: float
    pixels: int
    edge: int


class Decoder:
    """Some processes that decode; `decode` may be called by as many threads at once."""

    def __init__(self, limits: Limits, processes: int) -> None:
        self._idle: SimpleQueue[_Worker] = SimpleQueue()
        self._all = [_Worker(limits) for _ in range(processes)]
        for each in self._all:
            self._idle.put(each)

    def decode(self, data: bytes) -> Image.Image:
        """The first frame as RGB, upright, its longer side at most `edge` pixels; `SkippedError` says why not."""
        mine = self._idle.get()
        try:
            return mine.decode(data)
        finally:
            self._idle.put(mine)

    def close(self) -> None:
        """End all processes."""
        for each in self._all:
            each.stop()


@contextmanager
def decoding(limits: Limits, processes: int) -> Iterator[Decoder]:
    """A decoder whose processes end with the block."""
    decoder = Decoder(limits, processes)
    try:
        yield decoder
    finally:
        decoder.close()


class _Worker:
    """One process, begun when it is first needed and again when it is gone."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._process: subprocess.Popen[bytes] | None = None
        self._line: socket.socket | None = None

    def decode(self, data: bytes) -> Image.Image:
        line = self._begun()
        deadline = time.monotonic() + self._limits.seconds
        try:
            line.settimeout(self._limits.seconds)
            line.sendall(worker.QUESTION.pack(len(data)) + data)
            code, *size = worker.ANSWER.unpack(_received(line, worker.ANSWER.size, deadline))
            if code:
                raise SkippedError(worker.REASONS[code - 1])
            return self._picture(line, (size[0], size[1]), deadline)
        except TimeoutError:
            self.stop()
            raise SkippedError("decoder too slow") from None
        except (OSError, IndexError, ValueError):  # it died, or answers nonsense: whatever runs there is not ours
            self.stop()
            raise SkippedError("decoder crashed") from None
        except BaseException as error:
            if not isinstance(error, SkippedError):  # Ctrl-C, say: what it was to answer would be taken for the next
                self.stop()
            raise

    def stop(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        if self._line is not None:
            self._line.close()
        self._process = self._line = None

    def _begun(self) -> socket.socket:
        if self._line is not None and self._process is not None and self._process.poll() is None:
            return self._line
        self.stop()
        self._line, theirs = socket.socketpair()
        limits = (self._limits.memory, self._limits.pixels, self._limits.edge, self._limits.seconds)
        command = [sys.executable, "-I", str(worker.__file__), *map(str, limits)]  # sees nothing of our environment
        with theirs, contextlib.suppress(OSError, TimeoutError):
            self._process = subprocess.Popen(
                command,
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=subprocess.DEVNULL,
                env={},
                cwd=sys.prefix,
            )
            theirs.close()
            _received(self._line, worker.ANSWER.size, time.monotonic() + STARTING)
            return self._line
        self.stop()
        raise RuntimeError(f"no decoding process could be started: {' '.join(command)}")

    def _picture(self, line: socket.socket, size: tuple[int, int], deadline: float) -> Image.Image:
        if not all(worker.SMALLEST <= side <= self._limits.edge for side in size):
            raise ValueError(size)
        return Image.frombytes("RGB", size, _received(line, 3 * size[0] * size[1], deadline))


def _received(line: socket.socket, count: int, deadline: float) -> bytes:
    """Exactly so many bytes; `TimeoutError` after the deadline, `ConnectionError` where the line ends."""
    data = bytearray()
    while len(data) < count:
        line.settimeout(max(deadline - time.monotonic(), 1e-3))
        chunk = line.recv(count - len(data))
        if not chunk:
            raise ConnectionError("the line ends")
        data += chunk
    return bytes(data)
