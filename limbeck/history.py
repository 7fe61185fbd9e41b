"""How long each stage took, whenever it had something to do: a file of the workspace that only grows."""

import json
import time
from collections.abc import Iterable
from contextlib import suppress

from limbeck.workspace import Workspace

HISTORY = "history.jsonl"


def remember(ws: Workspace, stage: str, seconds: float) -> None:
    """Note that a stage took so long."""
    with open(ws.root / HISTORY, "a", encoding="utf-8") as history:
        history.write(json.dumps({"time": round(time.time()), "stage": stage, "seconds": seconds}) + "\n")


def seconds(ws: Workspace, stages: Iterable[str]) -> dict[str, float]:
    """How long each stage took when it last had something to do, in the order of `stages`."""
    path = ws.root / HISTORY
    last: dict[str, float] = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        with suppress(ValueError):  # a run that was killed, or filled the disk, may have left half a line
            entry = json.loads(line)
            last[entry["stage"]] = entry["seconds"]
    return {stage: last[stage] for stage in stages if stage in last}
