"""The tiny run, made once for all tests of whole runs."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import forking
import pytest
import tiny_run
from siege import Watched, besieged
from tiny_models import write_encoder
from tiny_run import PATIENCE, TINY, Ended, Home

import limbeck
from limbeck.settings import World
from limbeck.sources.world import generate


@dataclass(frozen=True)
class Finished:
    """A workspace that one undisturbed run filled, what the run said, and the digests of what it made."""

    root: Path
    ended: Ended
    contents: dict[str, str]

    @property
    def order(self) -> list[str]:
        """What is made, in order."""
        return list(self.ended.made)

    def seconds(self, name: str) -> float:
        """How long it took to make one of them."""
        times = [(e["time"], e.get("name")) for e in self.ended.events if e["event"] in ("make", "done", "report")]
        begun = next(i for i, (_, made) in enumerate(times) if made == name)
        return times[begun + 1][0] - times[begun][0]


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A folder with the tiny recipe and its backbone."""
    made = Home(tmp_path_factory.mktemp("home"))
    pins = generate.shards(World(pins=300, users=40, searches=10), seed=1)["pins"]["00000"]()
    texts = [t for name in ("title", "description") for t in pins.column(name).to_pylist() if t]
    write_encoder(made.folder / "recipes" / "backbone", texts)
    made.write("tiny")
    return made


@pytest.fixture(scope="session")
def finished(home: Home) -> Finished:
    """One undisturbed run. Its workspace is only read."""
    root = home.folder / "finished"
    ended = home.run(root)
    return Finished(root, ended, tiny_run.contents(root))


def as_a_user(folder: Path, *arguments: str) -> Ended:
    """The command in a new interpreter."""
    call = [sys.executable, "-m", "limbeck", *arguments]
    environment = {**os.environ, **forking.ALONE, "PYTHONPATH": str(Path(limbeck.__file__).parents[1])}
    ran = subprocess.run(call, cwd=folder, env=environment, capture_output=True, text=True, timeout=PATIENCE)
    return Ended(ran.returncode, ran.stdout, ran.stderr)


@dataclass(frozen=True)
class Twin:
    """The workspace of a run elsewhere that was killed three times on the way, and what the run said that ended it."""

    watched: Watched
    ended: Ended


@pytest.fixture(scope="session")
def twin(home: Home, finished: Finished) -> Twin:
    """The same recipe in another folder, where a recipe without --workspace puts it."""
    elsewhere = Home(home.folder.with_name("elsewhere"))
    shutil.copytree(home.folder / "recipes", elsewhere.folder / "recipes")
    killed = besieged(elsewhere, elsewhere.folder / "workspaces" / "tiny", finished, 3, seed=1)
    *_, twin = (Twin(watched, as_a_user(elsewhere.folder, "--quiet", "run", TINY)) for watched in killed)
    return twin


@pytest.fixture
def copy(finished: Finished, tmp_path: Path) -> Path:
    """A copy of the finished workspace."""
    return Path(shutil.copytree(finished.root, tmp_path / "copy"))
