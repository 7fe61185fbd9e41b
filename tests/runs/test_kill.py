"""Whole runs that are killed, interrupted or starved of room at any moment: they go on to the same result."""

import itertools
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import tiny_run
from tiny_run import TINY, Crash, Home, No

from limbeck.workspace import Workspace


def moments(finished, count: int, seed: int) -> Iterator[tuple[int, float]]:
    """Random moments spread evenly over all that a run makes: its number in the order, and seconds into its making."""
    chance = random.Random(seed)
    for i in range(count):
        place = (i + chance.random()) / count * len(finished.order)
        yield int(place), chance.random() * finished.seconds(finished.order[int(place)])


class Watched:
    """A workspace in which nothing that was once there whole may ever be written again."""

    def __init__(self, home: Home, root: Path) -> None:
        self._home, self.root = home, root
        self._seen: dict[str, tuple[int, int]] = {}

    def kill(self, names: list[str], delay: float) -> bool:
        """Begin a run, kill it so long after it began to make one of these; False if it was faster."""
        command = self._home.start("--json", "run", TINY, "--workspace", self.root)
        if command.reaches(names):
            time.sleep(delay)
        ended = command.signal(signal.SIGKILL)
        self.look()
        assert ended.code in (0, -signal.SIGKILL), ended.err
        return ended.code != 0

    def look(self) -> None:
        """Compare what is there whole with what has been seen."""
        found = tiny_run.finished_files(self.root)
        for file, written in self._seen.items():
            assert found.get(file) == written, f"{file} was made twice"
        self._seen = found

    def finish(self, finished) -> None:
        """Run to the end: the result is that of the undisturbed run, and nothing half made is left."""
        self._home.run(self.root)
        self.look()
        assert tiny_run.contents(self.root) == finished.contents
        assert [p for p in self.root.rglob("*") if p.suffix in (".partial", ".scratch")] == []


def besiege(home: Home, finished, folder: Path, count: int, seed: int) -> int:
    """Kill runs at so many moments; as many workspaces as it takes. How many kills hit."""
    left, hits = list(moments(finished, count, seed)), 0
    for number in itertools.count():
        watched = Watched(home, folder / f"{number}")
        while left:
            place, delay = left[0]
            hit = watched.kill(finished.order[place:], delay)
            left = left[1:] if hit else [(place, delay / 2), *left[1:]]
            hits += hit
            if not hit:
                break
        watched.finish(finished)
        shutil.rmtree(watched.root)
        if not left:
            return hits
    return hits


def test_killed_at_random_moments_a_run_goes_on_to_the_same_tables(home, finished, tmp_path):
    assert besiege(home, finished, tmp_path, 5, seed=1) == 5


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_killed_at_fifty_random_moments(home, finished, tmp_path):
    assert besiege(home, finished, tmp_path, 50, seed=2) == 50


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_around_every_commit(home, finished, tmp_path, when):
    watched = Watched(home, tmp_path / "ws")
    for rename in itertools.count(1):
        crash = Crash(when, 2 if when == "before" else 1)
        ended = home.limbeck("--quiet", "run", TINY, "--workspace", watched.root, prepare=crash)
        watched.look()
        if ended.code == 0:
            break
        assert ended.code == -signal.SIGKILL, ended.err
    assert rename > len(finished.order)
    watched.finish(finished)


@pytest.mark.parametrize("name", ["evidence/parts", "models/teacher", "soft_labels", "evaluation/measures"])
def test_ctrl_c_is_one_line_and_the_run_goes_on(home, copy, finished, name):
    for later in finished.order[finished.order.index(name) :]:
        Workspace(copy).remove(later)
    command = home.start("--json", "run", TINY, "--workspace", copy)
    assert command.reaches([name])
    time.sleep(finished.seconds(name) / 3)
    ended = command.signal(signal.SIGINT)
    assert ended.code == 130
    assert ended.err == "limbeck: Interrupted. What was finished is kept; the same command goes on from there.\n"
    if name == "evaluation/measures":
        home.run(copy)
        assert tiny_run.contents(copy) == finished.contents


def test_two_runs_do_not_share_a_workspace(home, tmp_path):
    first = home.start("--json", "run", TINY, "--workspace", tmp_path / "ws")
    assert first.reaches(["pins"])
    second = home.limbeck("run", TINY, "--workspace", tmp_path / "ws")
    assert second.code == 2
    assert second.err == (
        f"limbeck: {tmp_path / 'ws'}: another run is using this workspace. "
        "Wait for it, or choose another with --workspace\n"
    )
    assert first.signal(signal.SIGKILL).code == -signal.SIGKILL
    assert home.limbeck("--json", "enrich", TINY, "--workspace", tmp_path / "ws").code == 0


@pytest.mark.parametrize(("bytes_", "name"), [(4_000, "pins"), (60_000, "models/teacher")])
def test_a_file_that_may_not_grow_is_one_line_and_the_run_goes_on(home, copy, finished, bytes_, name):
    Workspace(copy).remove(name)
    run = ("--json", "run", TINY, "--workspace", copy)
    ended = home.limbeck(*run, prepare=No(file_above=bytes_))
    assert ended.code == 1
    assert list(ended.made) == [name]
    assert ended.err == (
        f"limbeck: {copy}: cannot write (File too large). "
        "Make room and run again: what was finished is kept, and nothing is half written\n"
    )
    home.run(copy)
    assert tiny_run.contents(copy) == finished.contents


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """A disk of 1.2 MB, which is less than half of what the run takes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1200k", "none", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("no right to mount a small disk here")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_is_one_line_and_with_room_the_run_goes_on(home, finished, small_disk):
    ended = home.limbeck("--json", "run", TINY, "--workspace", small_disk)
    assert ended.code == 1
    assert len(ended.made) > 1
    assert ended.err == (
        f"limbeck: {small_disk}: cannot write (No space left on device). "
        "Make room and run again: what was finished is kept, and nothing is half written\n"
    )
    subprocess.run(["mount", "-o", "remount,size=100m", small_disk], check=True)
    home.run(small_disk)
    assert tiny_run.contents(small_disk) == finished.contents


@pytest.mark.parametrize(
    ("file", "stale"),
    [
        ("tables/pins/00001-*.parquet", []),
        ("tables/composed/00000-*.parquet", []),
        ("tables/soft_labels/00000-*.parquet", ["models/student"]),
        ("models/teacher-*/model.safetensors", ["soft_labels"]),
        ("signals/match-*/*.npy", ["models/student"]),
    ],
)
def test_a_damaged_file_is_named_and_once_deleted_made_again(home, copy, finished, file, stale):
    damaged = sorted(copy.glob(file))[0]
    for name in stale:
        Workspace(copy).remove(name)
    os.truncate(damaged, damaged.stat().st_size // 2)
    ended = home.limbeck("run", TINY, "--workspace", copy)
    assert ended.code == 1
    (line,) = [line for line in ended.err.splitlines() if line.startswith("limbeck: ")]
    assert line.startswith(f"limbeck: {damaged}: ")
    assert line.endswith("Delete it and run again")
    assert "Traceback" not in ended.err
    damaged.unlink()
    home.run(copy)
    assert tiny_run.contents(copy) == finished.contents
