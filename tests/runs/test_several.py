"""Several processes train one teacher, as `accelerate launch` starts them; the first one alone writes and speaks."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import forking
import pytest
import tiny_families
import tiny_run
from tiny_run import PATIENCE, Command

import limbeck
from limbeck.workspace import Workspace


@dataclass(frozen=True)
class Process:
    """A preparation: be one of `count` processes that find each other at `port`."""

    rank: int
    count: int
    port: int

    def __call__(self) -> None:
        """What `accelerate launch` puts into the environment."""
        numbers = {"RANK": self.rank, "LOCAL_RANK": self.rank, "WORLD_SIZE": self.count, "MASTER_PORT": self.port}
        os.environ.update({name: str(value) for name, value in numbers.items()})
        os.environ.update(MASTER_ADDR="127.0.0.1", ACCELERATE_USE_CPU="true")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def begin(home, workspace, recipe):
    """Two processes that teach."""
    port = free_port()
    call = ("--json", "teach", recipe, "--workspace", workspace)
    return [Command(home.folder, *call, prepare=Process(rank, 2, port)) for rank in range(2)]


def together(home, workspace, recipe):
    """How each of two processes that teach ended."""
    return [command.wait() for command in begin(home, workspace, recipe)]


@pytest.fixture(scope="module")
def recipe(home):
    """Trains longer than the recipe of the finished run, so that there is something to train."""
    return home.write("longer", teacher={"epochs": 2})


@pytest.fixture(scope="module")
def trained(home, finished, recipe, tmp_path_factory):
    """Two workspaces in which two processes each have trained a teacher, and how they ended."""
    found = []
    for name in ("first", "second"):
        workspace = shutil.copytree(finished.root, tmp_path_factory.mktemp("several") / name)
        found.append((workspace, together(home, workspace, recipe)))
    return found


def test_all_end_well_and_the_first_alone_speaks(trained):
    for _, (first, second) in trained:
        assert (first.code, second.code) == (0, 0), first.err + second.err
        assert list(first.made) == ["models/teacher"]
        assert second.out == ""


def test_the_same_weights_every_time_and_none_left_over(trained, finished):
    digests = [Workspace(workspace).digest("models/teacher") for workspace, _ in trained]
    assert digests[0] == digests[1] != Workspace(finished.root).digest("models/teacher")
    for workspace, _ in trained:
        Workspace(workspace).verify("models/teacher")
        assert not [p for p in workspace.rglob("*") if p.suffix in (".scratch", ".partial")]


def test_a_run_alone_takes_that_teacher_as_it_is(trained, home, recipe):
    ended = home.limbeck("--json", "teach", recipe, "--workspace", trained[0][0])
    assert "models/teacher" in ended.skipped


def test_nothing_to_train_ends_well_too(trained, home, recipe):
    first, second = together(home, trained[0][0], recipe)
    assert (first.code, second.code) == (0, 0), first.err + second.err
    assert "models/teacher" in first.skipped


@pytest.mark.parametrize("rank", [0, 1])
def test_other_stages_are_refused(rank, home, finished):
    prepare = Process(rank, 2, free_port())
    ended = home.limbeck("run", "recipes/tiny.toml", "--workspace", finished.root, prepare=prepare)
    assert ended.code == 2
    assert "several processes serve to train the teacher, not for `report`" in ended.err


@pytest.mark.long
def test_the_documented_command(home, finished, tmp_path):
    workspace = shutil.copytree(finished.root, tmp_path / "launched")
    recipe = home.write("launched", teacher={"epochs": 1.5})
    launch = ["accelerate.commands.launch", "--cpu", "--num_processes", "2", "--main_process_port", str(free_port())]
    teach = ["--module", "limbeck", "--json", "teach", recipe, "--workspace", str(workspace)]
    path = os.pathsep.join([str(Path(limbeck.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, **forking.ALONE, "PYTHONPATH": path}
    ended = subprocess.run(
        [sys.executable, "-m", *launch, *teach],
        cwd=home.folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert ended.returncode == 0, ended.stderr
    events = [json.loads(line) for line in ended.stdout.splitlines() if line.startswith("{")]
    assert [e["name"] for e in events if e["event"] == "make"] == ["models/teacher"]
    Workspace(workspace).verify("models/teacher")


@pytest.fixture(scope="module")
def adapting(home):
    """A recipe that trains adapters in a tiny Llama, with several checkpoints."""
    tiny_families.write("llama", home.folder / "recipes" / "llama")
    recipe = home.folder / "recipes" / "adapting.toml"
    teacher = {**tiny_run.RECIPE["teacher"], "backbone": "llama", "epochs": 4, "tokens_per_batch": 300}
    lora = "\n[teacher.lora]\nfour_bit = false\nrank = 2\n"
    recipe.write_text(tiny_run.toml({**tiny_run.RECIPE, "teacher": teacher}) + lora, encoding="utf-8")
    return recipe


@pytest.mark.long
def test_adapters_trained_by_two_that_were_killed_are_those_of_two_that_were_not(
    home, finished, adapting, tmp_path_factory
):
    whole, killed = (shutil.copytree(finished.root, tmp_path_factory.mktemp(n) / "ws") for n in ("whole", "killed"))
    for ended in together(home, whole, adapting):
        assert ended.code == 0, ended.err
    begun = begin(home, killed, adapting)
    until = time.monotonic() + PATIENCE
    while not list(killed.rglob("checkpoint-*/trainer_state.json")):
        assert time.monotonic() < until
        time.sleep(0.01)
    for command in begun:
        command.signal(signal.SIGKILL)
    assert Workspace(killed).manifest("models/teacher") != Workspace(whole).manifest("models/teacher")
    for ended in together(home, killed, adapting):
        assert ended.code == 0, ended.err
    assert Workspace(killed).digest("models/teacher") == Workspace(whole).digest("models/teacher")
