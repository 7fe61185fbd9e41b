"""A run killed at any moment at which it touches the disk: nothing half done is seen, nothing done is redone."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import limbeck
from limbeck.workspace import Made

SCRIPT = Path(__file__).with_name("killing.py")
AFTER = Made(settings={"edition": 2})


@pytest.fixture(scope="module", params=["table", "folder"])
def kills(request, tmp_path_factory):
    """What was found after a kill at each moment, and last what was found without one."""
    environment = os.environ | {"PYTHONPATH": str(Path(limbeck.__file__).parents[1])}
    command = [sys.executable, str(SCRIPT), request.param, str(tmp_path_factory.mktemp(request.param))]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return [json.loads(line) for line in ran.stdout.splitlines()]


def test_every_moment_is_tried_and_the_last_run_is_left_alone(kills):
    assert len(kills) > 25
    assert [kill["done"] for kill in kills] == [None] * (len(kills) - 1) + [["a", "b", "c"]]
    assert {kill["killed"]["edition"] for kill in kills} == {1, 2}


def test_what_is_seen_after_a_kill_is_wholly_the_old_or_wholly_the_new(kills):
    undisturbed = kills[-1]["resumed"]
    old = kills[0]["killed"]
    assert old["edition"] == 1
    for kill in kills:
        expected = old if kill["killed"]["edition"] == 1 else undisturbed
        assert (kill["killed"]["rows"], kill["killed"]["content"]) == (expected["rows"], expected["content"])


def test_the_next_run_ends_as_if_nothing_had_happened(kills):
    undisturbed = kills[-1]["resumed"]
    for kill in kills:
        assert kill["resumed"]["content"] == undisturbed["content"]
        assert kill["resumed"]["rows"] == undisturbed["rows"]


def test_nothing_that_was_committed_is_computed_again(kills):
    for kill in kills:
        missing = [part for part in "abc" if part not in kill["killed"]["whole"]]
        complete = any(name.endswith("config") for name in kill["killed"]["files"] if AFTER.digest + "/" in name)
        assert kill["again"] == ([] if complete else missing)
        inodes = kill["resumed"]["whole"]
        assert all(inodes[part] == inode for part, inode in kill["killed"]["whole"].items() if part in inodes)


def test_nothing_is_left_lying_about_but_the_old_edition(kills):
    named, old = set(kills[-1]["resumed"]["files"]), set(kills[0]["killed"]["files"])
    for kill in kills:
        left = set(kill["resumed"]["files"]) - named
        assert left <= old
        assert not left or kill["killed"]["edition"] == 2  # killed just before it would have been deleted
