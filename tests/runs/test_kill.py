"""Whole runs that are killed, interrupted or starved of room at any moment: they go on to the same result."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import tiny_run
from longer import longer
from siege import Watched, besieged
from tiny_run import TINY, Crash, No

from limbeck.workspace import Workspace


def test_killed_at_random_moments_a_run_goes_on_to_the_same_tables(twin, finished):
    twin.watched.assert_like(finished)


@pytest.mark.parametrize("name", ["pins", longer("soft_labels")])
def test_killed_between_two_shards_the_first_is_kept(home, copy, finished, name):
    Workspace(copy).remove(name)
    watched = Watched(home, copy)
    ended = home.limbeck("--quiet", "run", TINY, "--workspace", copy, prepare=Crash("after", 1))
    assert ended.code == -signal.SIGKILL
    watched.look()
    assert len(list((copy / "tables" / name).glob("*.parquet"))) == 1
    assert not Workspace(copy).has(name)
    watched.finish(finished)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_killed_at_fifty_random_moments(home, finished, tmp_path):
    kills = 0
    for watched in besieged(home, tmp_path / "ws", finished, 50, seed=2):
        watched.finish(finished)
        kills += watched.kills
    assert kills == 50


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_around_every_commit(home, finished, tmp_path, when):
    watched = Watched(home, tmp_path / "ws")
    crash, codes = Crash(when, 2 if when == "before" else 1), []
    while 0 not in codes:
        ended = home.limbeck("--quiet", "run", TINY, "--workspace", watched.root, prepare=crash)
        watched.look()
        assert ended.code in (0, -signal.SIGKILL), ended.err
        codes.append(ended.code)
    assert len(codes) > len(finished.order)
    watched.finish(finished)


@pytest.mark.parametrize(
    "name", [longer("evidence/parts"), longer("models/teacher"), "soft_labels", longer("evaluation/measures")]
)
def test_ctrl_c_is_one_line_and_the_run_goes_on(home, copy, finished, name):
    Workspace(copy).remove(name)
    command = home.start("--json", "run", TINY, "--workspace", copy)
    assert command.reaches([name])
    ended = command.signal(signal.SIGINT)
    assert ended.code == 130
    assert ended.err == "limbeck: Interrupted. What was finished is kept; the same command goes on from there.\n"
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


CANNOT = (
    "limbeck: {}: cannot write ({}). Make room and run again: what was finished is kept, and nothing is half written\n"
)


@pytest.mark.long
def test_a_file_that_may_not_grow_is_one_line_and_the_run_goes_on(home, copy, finished):
    Workspace(copy).remove("pins")
    ended = home.limbeck("--json", "run", TINY, "--workspace", copy, prepare=No(file_above=4_000))
    assert ended.code == 1
    assert ended.err == CANNOT.format(copy, "File too large")
    home.run(copy)
    assert tiny_run.contents(copy) == finished.contents


@pytest.fixture
def disk(tmp_path) -> Iterator[Path]:
    """A disk whose size can be changed by `resize`."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "none", folder], capture_output=True, check=False).returncode:
        pytest.skip("no right to mount a disk here")
    yield folder
    subprocess.run(["umount", folder], check=True)


def resize(disk: Path, kilobytes: int) -> None:
    subprocess.run(["mount", "-o", f"remount,size={kilobytes}k", disk], check=True)


@pytest.mark.parametrize(
    "name",
    ["impressions", *map(longer, ("models/teacher", "evidence/parts", "index/lexical", "evaluation/measures"))],
)
def test_a_full_disk_is_one_line_and_with_room_the_run_goes_on(home, finished, disk, name):
    root = shutil.copytree(finished.root, disk / "ws")
    Workspace(root).remove(name)
    resize(disk, shutil.disk_usage(disk).used // 1024 + 8)
    ended = home.limbeck("--json", "run", TINY, "--workspace", root)
    assert ended.code == 1
    assert list(ended.made) == [name]
    assert ended.err.endswith(CANNOT.format(root, "No space left on device"))  # Daft has a word of its own before it
    assert "Traceback" not in ended.err
    resize(disk, 100_000)
    home.run(root)
    assert tiny_run.contents(root) == finished.contents


@pytest.mark.parametrize(
    ("file", "stale"),
    [
        ("tables/pins/00001-*.parquet", []),
        longer("tables/composed/00000-*.parquet", []),
        longer("tables/soft_labels/00000-*.parquet", ["models/student"]),
        longer("models/teacher-*/model.safetensors", ["soft_labels"]),
        longer("signals/match-*/*.npy", ["models/student"]),
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
