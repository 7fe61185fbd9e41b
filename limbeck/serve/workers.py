"""Several workers behind one port: processes of one thread each, to which the system deals out connections.

They are forked once everything is imported: what was imported is shared, and the index is by its memory maps. A worker
that ends is started again while the others answer; when the process that started them is gone, so are they.
"""

import json
import os
import select
import shutil
import signal
import struct
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from threadpoolctl import threadpool_limits

from limbeck import ending
from limbeck.listening import SECONDS_TO_FINISH
from limbeck.serve import observed

LOOK = 0.2  # seconds from one look at the workers to the next
PATIENCE = SECONDS_TO_FINISH + 5.0  # seconds until one that does not end is killed
AGAIN_TOLD = 3.0  # seconds until one that does not end is told again
AGAIN, MOST = 1.0, 30.0  # seconds until one that could not begin is tried again: doubled every time, up to the most
_READY = struct.Struct("qq")  # who is ready, and with how many Pins


@dataclass(frozen=True)
class Worker:
    """What one of them knows of itself: its number, from 0, and the folder in which all leave what others may read."""

    number: int
    folder: Path
    pipe: int
    again: bool = False  # whether one of this number has answered before

    def ready(self, pins: int) -> None:
        """Say that it answers from now on."""
        os.write(self.pipe, _READY.pack(self.number, pins))


@dataclass
class _Post:
    """A worker's place, whoever holds it."""

    number: int
    process: int | None = None
    pins: int | None = None  # how many it answers with, once it does
    answered: bool = False  # whether any has, in this place
    failures: int = 0  # to begin, one after the other
    due: float = 0.0  # when it is to begin again


Work = Callable[[Worker], None]


def together(count: int, work: Work, ready: Callable[[int], None], affinity: bool = False) -> None:
    """Let so many workers `work` until SIGTERM or Ctrl-C; each then ends as a single one would.

    All begin at once. What is wrong is said once, by the first: the others keep it to themselves until that one
    answers. `ready` is told how many Pins there are when all of them answer. With `affinity`, each stays on one of the
    cores that this process may use, in turn. `SystemExit` where the first cannot begin.
    """
    with _folder() as folder:
        _Crew(count, work, folder, affinity).run(ready)


@contextmanager
def _folder() -> Iterator[Path]:
    """A temporary folder that is removed by this process alone, and not by what is forked from it."""
    folder = Path(tempfile.mkdtemp(prefix="limbeck-workers-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _Crew:
    """The workers, as the process sees them that started them."""

    def __init__(self, count: int, work: Work, folder: Path, affinity: bool) -> None:
        self._posts = [_Post(number) for number in range(count)]
        self._work, self._folder, self._affinity, self._stopping = work, folder, affinity, False
        self._told_first = self._told_again = 0.0  # when they were told to stop
        self._told, self._tell = os.pipe()
        self._watched, self._alive = os.pipe()  # the other end closes with this process
        self._heard, silent = os.pipe()  # the other end closes when the first answers
        self._silent: int | None = silent

    def run(self, ready: Callable[[int], None]) -> None:
        """Until all have ended."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        said = False
        while self._running() or not self._stopping:
            self._insist() if self._stopping else self._again()
            self._look()
            if not said and all(post.pins is not None for post in self._posts):
                ready(self._posts[0].pins or 0)
                said = True

    def _running(self) -> bool:
        return any(post.process for post in self._posts)

    def _begin(self, post: _Post) -> None:
        post.process = os.fork()
        if not post.process:
            os.setsid()  # Ctrl-C is for the process that tells them all
            for end in (self._alive, self._silent):
                if end is not None:
                    os.close(end)
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_DFL)
            threading.Thread(target=_end_with, args=(self._watched,), daemon=True).start()
            os.environ.setdefault("OMP_NUM_THREADS", "1")
            threadpool_limits(1)
            if self._affinity:
                _stay_on_core(post.number)
            worker = Worker(post.number, self._folder, self._tell, post.answered)
            ending.leave(lambda: ending.told(lambda: self._begun(worker)))

    def _begun(self, worker: Worker) -> None:
        try:
            self._work(worker)
        except BaseException:
            if worker.number:
                os.read(self._heard, 1)
            raise

    def _again(self) -> None:
        """Let those begin who do not run, unless it is too soon."""
        for post in self._posts:
            if not post.process and not self._stopping and post.due <= time.monotonic():
                self._begin(post)

    def _look(self) -> None:
        """Wait a moment for who is ready, and notice who has ended."""
        if select.select([self._told], [], [], LOOK)[0]:
            number, pins = _READY.unpack(os.read(self._told, _READY.size))
            self._posts[number].pins, self._posts[number].failures, self._posts[number].answered = pins, 0, True
            if not number:
                self._let_speak()
        while self._running() and (ended := os.waitpid(-1, os.WNOHANG))[0]:
            [post] = [post for post in self._posts if post.process == ended[0]]
            self._ended(post, os.waitstatus_to_exitcode(ended[1]))

    def _let_speak(self) -> None:
        if self._silent is not None:
            os.close(self._silent)
            self._silent = None

    def _ended(self, post: _Post, code: int) -> None:
        answered, post.process, post.pins = post.pins is not None, None, None
        if self._stopping:
            return
        told = not post.number and self._silent is not None  # the first, which has said why
        if not answered and (told or not self._running()):
            self._tell_all(signal.SIGTERM)
            raise SystemExit(code)
        observed.log.info(json.dumps({"worker": post.number, "ended": code}))
        post.due = time.monotonic() + (0 if answered else min(AGAIN * 2**post.failures, MOST))
        post.failures += not answered

    def _stop(self, *_: object) -> None:
        if not self._stopping:
            self._told_first = self._told_again = time.monotonic()
            self._let_speak()
        self._stopping = True
        self._tell_all(signal.SIGTERM)

    def _insist(self) -> None:
        """Tell them again: one that was about to listen may have missed it. Whoever does not end in time is killed."""
        if time.monotonic() > self._told_again + AGAIN_TOLD:
            self._told_again = time.monotonic()
            late = self._told_again > self._told_first + PATIENCE
            self._tell_all(signal.SIGKILL if late else signal.SIGTERM)

    def _tell_all(self, number: signal.Signals) -> None:
        for post in self._posts:
            if post.process:
                os.kill(post.process, number)


def _stay_on_core(number: int) -> None:
    """Let this process, and every thread that it starts, run on one core: on this one of those that it may use."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[number % len(cores)]})


def _end_with(watched: int) -> None:
    """End this process when the one at the other end of a pipe is gone."""
    os.read(watched, 1)
    os.kill(os.getpid(), signal.SIGTERM)
