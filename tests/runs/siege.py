"""Runs of the tiny recipe that are killed, and what has to be true of their workspace however often that happens."""

import random
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tiny_run
from tiny_run import TINY, Home


class Watched:
    """A workspace in which nothing that was once there whole may ever be written again."""

    def __init__(self, home: Home, root: Path) -> None:
        self._home, self.root, self.kills = home, root, 0
        self._seen: dict[str, tuple[int, int]] = {}

    def kill(self, names: list[str], delay: float) -> bool:
        """Begin a run, kill it so long after it began to make one of these; False if it was faster."""
        command = self._home.start("--json", "run", TINY, "--workspace", self.root)
        if command.reaches(names):
            time.sleep(delay)
        ended = command.signal(signal.SIGKILL)
        self.look()
        assert ended.code in (0, -signal.SIGKILL), ended.err
        self.kills += ended.code != 0
        return ended.code != 0

    def look(self) -> None:
        """Compare what is there whole with what has been seen."""
        found = tiny_run.finished_files(self.root)
        for file, written in self._seen.items():
            assert found.get(file) == written, f"{file} was made twice"
        self._seen = found

    def assert_like(self, finished: Any) -> None:
        """It holds what the undisturbed run made, and nothing half made is left."""
        self.look()
        found, expected = tiny_run.contents(self.root), finished.contents
        differing = sorted(k for k in found.keys() | expected.keys() if found.get(k) != expected.get(k))
        assert not differing, f"not the same: {', '.join(differing)}"
        assert [p for p in self.root.rglob("*") if p.suffix in (".partial", ".scratch")] == []

    def finish(self, finished: Any) -> None:
        """Run to the end."""
        self._home.run(self.root)
        self.assert_like(finished)


def moments(finished: Any, count: int, seed: int) -> Iterator[tuple[int, float]]:
    """Random moments spread evenly over all that a run makes: its number in the order, and seconds into its making."""
    chance = random.Random(seed)
    for i in range(count):
        place = (i + chance.random()) / count * len(finished.order)
        yield int(place), chance.random() * finished.seconds(finished.order[int(place)])


def besieged(home: Home, root: Path, finished: Any, count: int, seed: int) -> Iterator[Watched]:
    """Kill runs at so many moments; the workspace each time that a run is due to end, begun anew after that."""
    left = list(moments(finished, count, seed))
    while left:
        shutil.rmtree(root, ignore_errors=True)
        watched = Watched(home, root)
        for place, delay in [*left]:
            if not watched.kill(finished.order[place:], delay):
                left[0] = (place, delay / 2)
                break
            del left[0]
        yield watched
