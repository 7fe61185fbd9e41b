"""Whole runs in seconds: a tiny recipe on a tiny random language model, and the command line in its own processes."""

import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import forking

from limbeck.workspace import Workspace

RECIPE: dict[str, Any] = {
    "name": "tiny",
    "seed": 3,
    "world": {
        "pins": 160,
        "users": 40,
        "searches": 300,
        "judged_pairs": 300,
        "heldout_pairs": 100,
        "pins_per_shard": 80,
        "searches_per_shard": 150,
    },
    "text": {"buckets": 2, "max_tokens": 32},
    "teacher": {"backbone": "backbone", "epochs": 1, "max_tokens": 48},
    "labels": {"per_human_label": 3, "rows_per_shard": 300},
    "student": {"backbone": "backbone", "epochs": 1, "vector_size": 16, "hidden": [16, 8], "max_tokens": 32},
    "index": {},
    "measure": {"bootstrap": 50, "learning_curve": [0.3], "attacked_pairs": 2},
}
TINY = "recipes/tiny.toml"
VOLATILE = ("report/page",)  # says how many seconds each stage took
PATIENCE = 1000  # seconds after which a process that says nothing is taken for hung


def toml(recipe: Mapping[str, Any]) -> str:
    """A recipe of plain values and tables of them as TOML."""
    plain = [f"{k} = {json.dumps(v)}" for k, v in recipe.items() if not isinstance(v, Mapping)]
    tables = [f"[{name}]\n{toml(table)}" for name, table in recipe.items() if isinstance(table, Mapping)]
    return "\n".join([*plain, *tables, ""])


def changed(**changes: Any) -> dict[str, Any]:
    """The tiny recipe with some values changed: `student={"epochs": 2}`."""
    return {k: v | changes.get(k, {}) if isinstance(v, dict) else changes.get(k, v) for k, v in RECIPE.items()}


@dataclass(frozen=True)
class Ended:
    """What a command left behind: exit code, stdout and stderr."""

    code: int
    out: str
    err: str

    @property
    def events(self) -> list[dict[str, Any]]:
        """The lines of --json."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def made(self) -> dict[str, str]:
        """What was made, and why."""
        return {e["name"]: e["why"] for e in self.events if e["event"] == "make"}

    @property
    def skipped(self) -> list[str]:
        """What was found up to date."""
        return [e["name"] for e in self.events if e["event"] == "skip"]


class Command:
    """`limbeck ARGUMENTS` in a process (and process group) of its own, in `folder`."""

    def __init__(self, folder: Path, *arguments: object, prepare: Callable[[], None] | None = None) -> None:
        logs = folder / ".logs"
        logs.mkdir(exist_ok=True)
        number = len(list(logs.iterdir()))
        self._out, self._err = logs / f"{number:04d}.out", logs / f"{number:04d}.err"
        self._out.touch()
        self._err.touch()
        call = (folder, list(map(str, arguments)), self._out, self._err, prepare)
        self._process = forking.context().Process(target=_limbeck, args=call)
        self._process.start()

    def wait(self) -> Ended:
        """Until it ends of its own accord."""
        self._process.join(PATIENCE)
        assert not self._process.is_alive(), f"still running: {self._said()[-500:]}"
        return Ended(self._process.exitcode, self._said(), self._err.read_text(encoding="utf-8"))

    def reaches(self, names: Sequence[str]) -> bool:
        """Wait until it begins to make one of these; False if it ends before."""
        wanted = [f'"event": "make", "name": "{name}"' for name in names]
        while not any(w in self._said() for w in wanted):
            if not self._process.is_alive():
                return any(w in self._said() for w in wanted)
            time.sleep(0.002)
        return True

    def signal(self, number: signal.Signals) -> Ended:
        """Send a signal to the whole process group, and wait for its end."""
        if self._process.is_alive():
            os.killpg(self._process.pid, number)
        return self.wait()

    def _said(self) -> str:
        return self._out.read_text(encoding="utf-8")


def _limbeck(folder: Path, arguments: list[str], out: Path, err: Path, prepare: Callable[[], None] | None) -> None:
    """What the forked process does: become the leader of a group, with its own streams, and be the command line."""
    os.setsid()
    os.chdir(folder)
    for number, path in ((1, out), (2, err)):
        handle = os.open(path, os.O_WRONLY | os.O_APPEND)
        os.dup2(handle, number)
        os.close(handle)
    if prepare is not None:
        prepare()
    sys.argv = ["limbeck", *arguments]
    from limbeck.cli import main

    main()


@dataclass(frozen=True)
class No:
    """A preparation: no file of the process may grow beyond so many bytes."""

    file_above: int

    def __call__(self) -> None:
        """Set the limit."""
        resource.setrlimit(resource.RLIMIT_FSIZE, (self.file_above, resource.RLIM_INFINITY))


@dataclass(frozen=True)
class Crash:
    """A preparation: the process is killed just before or after it renames something for the n-th time."""

    when: str
    number: int

    def __call__(self) -> None:
        """Lie in wait."""
        rename, left = os.rename, iter(range(self.number - 1))

        def watched(*arguments: Any) -> None:
            last = next(left, None) is None
            if last and self.when == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            rename(*arguments)
            if last:
                os.kill(os.getpid(), signal.SIGKILL)

        os.rename = watched


@dataclass(frozen=True)
class Home:
    """A folder from which commands are run; recipes and backbone lie in `recipes/` under it."""

    folder: Path

    def write(self, name: str, **changes: Any) -> str:
        """The tiny recipe, some values changed, as a file; its path. The name inside stays."""
        path = Path("recipes", f"{name}.toml")
        (self.folder / path).write_text(toml(changed(**changes)), encoding="utf-8")
        return str(path)

    def start(self, *arguments: object, prepare: Callable[[], None] | None = None) -> Command:
        """Begin a command."""
        return Command(self.folder, *arguments, prepare=prepare)

    def limbeck(self, *arguments: object, prepare: Callable[[], None] | None = None) -> Ended:
        """A whole command."""
        return self.start(*arguments, prepare=prepare).wait()

    def run(self, workspace: Path, recipe: str = TINY) -> Ended:
        """`limbeck run` with a line of JSON for every event; it is to end well."""
        ended = self.limbeck("--json", "run", recipe, "--workspace", workspace)
        assert ended.code == 0, ended.err
        return ended


def committed(root: Path) -> list[str]:
    """The names of all tables, models, indexes and reports of a workspace."""
    manifests = [p for p in root.rglob("*.json") if len(p.relative_to(root).parts) == 2]
    names = [str(p.relative_to(root).with_suffix("")) for p in manifests]
    return sorted(n.removeprefix("tables/") for n in names)


def contents(root: Path) -> dict[str, str]:
    """The digest of everything that does not tell the time, each byte read and compared with its manifest."""
    ws = Workspace(root)
    for name in committed(root):
        ws.verify(name)
    return {name: ws.digest(name) for name in committed(root) if name not in VOLATILE}


def finished_files(root: Path) -> dict[str, tuple[int, int]]:
    """Every file of a shard or folder that is there whole: its inode and time of writing."""
    found = {}
    for path in root.rglob("*"):
        inside = path.relative_to(root).parts
        shard = inside[0] == "tables" and path.suffix == ".parquet"
        of_folder = len(inside) > 2 and inside[0] != "tables" and not inside[1].endswith((".partial", ".scratch"))
        if path.is_file() and (shard or of_folder):
            found["/".join(inside)] = (path.stat().st_ino, path.stat().st_mtime_ns)
    return found
