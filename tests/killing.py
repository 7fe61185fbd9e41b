"""Work in a workspace, killed with SIGKILL at every moment at which it touches the disk. Run as a script.

    python killing.py table|folder FOLDER

For each moment the work is begun on a fresh copy of a workspace, killed there, looked at, and begun again. One JSON
object a line tells what was found; the last one is of the work that nobody killed.
"""

import hashlib
import itertools
import json
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset

from limbeck.workspace import Made, Workspace

DISK = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "shutil.rmtree"}
BEFORE, AFTER = Made(settings={"edition": 1}), Made(settings={"edition": 2})


def boards(key: str, made: Made) -> pa.Table:
    """Three boards, named after the shard and what they were made from."""
    titles = [f"{made.digest} {number}" for number in range(3)]
    return pa.table({"board_id": [f"{key}{number}" for number in range(3)], "title": titles})


def write_table(ws: Workspace, made: Made, note: Callable[[str], None]) -> None:
    """Three shards; each is noted when it is computed."""

    def make(key: str) -> pa.Table:
        note(key)
        return boards(key, made)

    if ws.outdated("boards", made):
        ws.write_table("boards", made, {key: lambda key=key: make(key) for key in "abc"})


def write_folder(ws: Workspace, made: Made, note: Callable[[str], None]) -> None:
    """A model trained in three steps, each with a checkpoint; each is noted when it is computed."""

    def build(out: Path, scratch: Path) -> None:
        for step in "abc":
            if not (scratch / step).exists():
                note(step)
                (scratch / f"{step}.writing").write_text(f"{made.digest} {step}")
                os.rename(scratch / f"{step}.writing", scratch / step)
        (out / "tower").mkdir()
        (out / "tower" / "weights").write_text("".join((scratch / step).read_text() for step in "abc"))
        (out / "config").write_text(made.digest)

    if ws.outdated("models/tower", made):
        ws.write_folder("models/tower", made, build)


WORK = {"table": ("boards", write_table), "folder": ("models/tower", write_folder)}


def work(kind: str, root: Path, made: Made) -> list[str]:
    """Bring the workspace up to date; what was computed for it."""
    noted: list[str] = []
    ws = Workspace(root)
    with ws.writing():
        WORK[kind][1](ws, made, noted.append)
    return noted


def look(kind: str, root: Path) -> dict[str, Any]:
    """What is committed, and which parts of the new edition are there whole, by their inode."""
    name, ws = WORK[kind][0], Workspace(root)
    ws.verify(name)
    files = ws.manifest(name).files
    whole = {p.name[0]: p.stat().st_ino for p in root.rglob(f"*-{AFTER.digest}.parquet")}
    whole |= {p.name: p.stat().st_ino for p in root.rglob(f"*-{AFTER.digest}.scratch/*") if p.suffix != ".writing"}
    found = sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file() and p.name != ".lock")
    content = hashlib.sha256(ws._manifest_path(name).read_bytes())
    for file in files:
        content.update((ws._folder(name) / file).read_bytes())
    return {
        "edition": ws.manifest(name).made.settings["edition"],
        "rows": ws.table(name).to_pylist() if kind == "table" else [],
        "content": content.hexdigest(),
        "files": found,
        "whole": whole,
    }


def arm(moment: int, root: Path) -> None:
    """Let this process kill itself when it touches the disk under `root` for the `moment`-th time."""
    left = iter(range(moment))

    def touched() -> None:
        if next(left, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        if event in DISK and (str(root) in str(arguments[0]) or event in ("os.remove", "os.rmdir")):
            touched()

    os.fsync = lambda handle: touched()
    sys.addaudithook(audit)


def apart(task: Callable[[], Any], answer: Path) -> Any:
    """What `task` answers in a process of its own; None if it was killed."""
    pid = os.fork()
    if pid == 0:
        try:
            answer.write_text(json.dumps(task()))
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    status = os.waitpid(pid, 0)[1]
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return None
    if status:
        sys.exit(1)
    return json.loads(answer.read_text())


def resume(kind: str, root: Path) -> dict[str, Any]:
    """What was found after a kill, done by the next run, and found after that."""
    return {"killed": look(kind, root), "again": work(kind, root, AFTER), "resumed": look(kind, root)}


def kill(kind: str, base: Path, moment: int) -> dict[str, Any]:
    """What was done before the kill, and what came of it."""
    root, answer = base / "root", base / "answer"
    shutil.copytree(base / "begun", root)
    done = apart(lambda: (arm(moment, root), work(kind, root, AFTER))[1], answer)
    resumed = apart(lambda: resume(kind, root), answer)
    shutil.rmtree(root)
    return {"done": done, **resumed}


def main(kind: str, base: Path) -> None:
    """Print what was found at each moment, and last what was found without a kill."""
    boards("", BEFORE)  # Arrow loads hundreds of modules at its first table: once here, not in every child
    os.fsync = lambda handle: None  # what the kernel has outlives a kill: no need to wait for the disk
    apart(lambda: work(kind, base / "begun", BEFORE), base / "answer")
    for moment in itertools.count():
        found = kill(kind, base, moment)
        print(json.dumps(found))
        if found["done"] is not None:
            break


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
