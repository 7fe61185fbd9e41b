"""The label stage killed at random moments: nothing lost, nothing labelled twice, the same bytes in the end."""

import itertools
import json
import os
import random
import shutil
import signal
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import tiny_run
from tiny_run import Command, Home

from limbeck.workspace import Workspace

Pair = tuple[str, str]
MORE_SHARDS, LOADING = 3, 0.3  # a kill comes after 0 to 3 more shards, and up to so many seconds later


@dataclass(frozen=True)
class Noted:
    """A preparation: what the teacher is asked is first written down."""

    log: Path

    def __call__(self) -> None:
        from limbeck.teacher.grade import TeacherGrader

        grade, log = TeacherGrader.grade, os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

        def noted(teacher, pairs):
            asked = zip(pairs.column("query").to_pylist(), pairs.column("pin_id").to_pylist())
            os.write(log, "".join(json.dumps(pair) + "\n" for pair in asked).encode())
            return grade(teacher, pairs)

        TeacherGrader.grade = noted


class Labelling:
    """A workspace whose pairs are being labelled, by one killed process after the other."""

    def __init__(self, home: Home, recipe: str, root: Path) -> None:
        self._home, self._recipe, self._ws = home, recipe, Workspace(root)
        self._files: dict[str, tuple[int, int]] = {}
        self.labelled: list[Pair] = []

    def kill(self, shards: int, delay: float) -> str | None:
        """Begin the stage and kill it after so many more shards and seconds; what it was making, None if it ended."""
        log = self._ws.root.with_suffix(".asked")
        log.unlink(missing_ok=True)
        command = self._start(log)
        assert command.reaches(["soft_labels"])
        wanted = len(self._shards()) + shards
        while len(self._shards()) < wanted and not self._ws.has("soft_labels"):
            time.sleep(0.001)
        time.sleep(delay)
        ended = command.signal(signal.SIGKILL)
        self._look(log)
        if self._ws.has("soft_labels"):
            return None
        assert ended.code == -signal.SIGKILL, ended.err
        return next(e["name"] for e in reversed(ended.events) if e["event"] == "make")

    def finish(self) -> str:
        """Let the stage end by itself; the table's digest."""
        log = self._ws.root.with_suffix(".asked")
        log.unlink(missing_ok=True)
        ended = self._start(log).wait()
        assert ended.code == 0, ended.err
        self._look(log)
        self._ws.verify("soft_labels")
        assert [p for p in self._ws.root.rglob("*") if p.suffix == ".partial"] == []
        return self._ws.digest("soft_labels")

    def _start(self, log: Path) -> Command:
        return self._home.start("--json", "label", self._recipe, "--workspace", self._ws.root, prepare=Noted(log))

    def _shards(self) -> list[Path]:
        return self._ws.salvageable("soft_labels")

    def _look(self, log: Path) -> None:
        """No pair was asked about that had been committed before, none twice, and no shard was written again."""
        asked = [tuple(json.loads(line)) for line in log.read_text().splitlines()] if log.exists() else []
        assert len(asked) == len(set(asked))
        assert not set(asked) & set(self.labelled)
        found = tiny_run.finished_files(self._ws.root)
        assert self._files.items() <= found.items()
        for path in self._shards():
            if str(path.relative_to(self._ws.root)) not in self._files:
                rows = pq.read_table(path, columns=["query", "pin_id"])
                self.labelled += zip(*(column.to_pylist() for column in rows.columns))
        self._files = found


@pytest.fixture(scope="module")
def recipe(home: Home) -> str:
    return home.write("shards", labels={"rows_per_shard": 8})


@pytest.fixture(scope="module")
def unlabelled(finished, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace in which all is there that the pairs are labelled from."""
    root = shutil.copytree(finished.root, tmp_path_factory.mktemp("unlabelled") / "ws")
    Workspace(root).remove("soft_labels")
    return root


@pytest.fixture(scope="module")
def undisturbed(home: Home, recipe: str, unlabelled: Path) -> tuple[str, set[Pair]]:
    """The table's digest and its pairs, where nothing was killed."""
    labelling = Labelling(home, recipe, shutil.copytree(unlabelled, unlabelled.with_name("undisturbed")))
    return labelling.finish(), set(labelling.labelled)


def besiege(home: Home, recipe: str, unlabelled: Path, undisturbed: tuple[str, set[Pair]], kills: int) -> Counter[str]:
    """Kill the stage so often, in as many workspaces as it takes; what was being made, and how often."""
    chance, hit = random.Random(kills), Counter()
    for number in itertools.count():
        labelling = Labelling(home, recipe, shutil.copytree(unlabelled, unlabelled.with_name(f"{kills}-{number}")))
        making: str | None = ""
        while making is not None and hit.total() < kills:
            making = labelling.kill(chance.randint(0, MORE_SHARDS), chance.random() * chance.choice([0.02, LOADING]))
            hit += Counter([making] if making else [])
        assert labelling.finish() == undisturbed[0]
        assert Counter(labelling.labelled) == Counter(undisturbed[1])
        if hit.total() == kills:
            break
    return hit


@pytest.mark.long
def test_killed_while_it_labels_nothing_is_lost_and_nothing_labelled_twice(home, recipe, unlabelled, undisturbed):
    assert besiege(home, recipe, unlabelled, undisturbed, 4) == {"soft_labels": 4}


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_killed_five_hundred_times_while_it_labels(home, recipe, unlabelled, undisturbed):
    assert besiege(home, recipe, unlabelled, undisturbed, 500) == {"soft_labels": 500}
