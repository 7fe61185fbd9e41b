"""What a run says while it works: stages begun, skipped and done, and bars with rate and time left.

Three ways to say it, chosen once by the command line: `rich` (for a terminal), `quiet` (nothing but errors) and `json`
(one JSON object a line on stdout, for machines). Code that works asks for `track`; it never prints.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

Mode = Literal["rich", "quiet", "json"]
Advance = Callable[[int], None]

_mode: Mode = "quiet"
console = Console(stderr=True, highlight=False)


def choose(mode: Mode) -> None:
    """Say things in this mode from now on."""
    global _mode
    _mode = mode


def mode() -> Mode:
    """How things are said."""
    return _mode


def show(renderable: RenderableType) -> None:
    """Something larger for people, such as a table; machines read it elsewhere."""
    if _mode == "rich":
        console.print(renderable)


def say(event: str, message: str, **details: object) -> None:
    """One line about the run: `message` for people, `event` and `details` for machines."""
    if _mode == "rich":
        console.print(message)
    elif _mode == "json":
        sys.stdout.write(json.dumps({"time": round(time.time(), 3), "event": event, **details}, default=str) + "\n")
        sys.stdout.flush()


def duration(seconds: float) -> str:
    """A time as people say it: "80 s", "12 min", "3.5 h"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:,.1f} h"


class _Rate(ProgressColumn):
    """Units per second, measured over the last steps."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f} {task.fields['unit']}/s" if speed else "", style="cyan")


@contextmanager
def track(what: str, total: int, unit: str) -> Iterator[Advance]:
    """A bar over `total` units of work; the body calls what it is given with the number of units just done."""
    if _mode == "rich":
        yield from _bar(what, total, unit)
    elif _mode == "json":
        yield from _lines(what, total, unit)
    else:
        yield lambda n: None


def _bar(what: str, total: int, unit: str) -> Iterator[Advance]:
    columns = (TextColumn("  {task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=total, unit=unit)
        yield lambda n: progress.advance(task, n)


def _lines(what: str, total: int, unit: str) -> Iterator[Advance]:
    """At most one line a second, and one at the end."""
    begun = last = time.monotonic()
    done = 0

    def advance(n: int) -> None:
        nonlocal done, last
        done, now = done + n, time.monotonic()
        if now - last >= 1 or done == total:
            last, rate = now, done / max(now - begun, 1e-9)
            left = round((total - done) / rate, 1) if rate else None
            speed = {"per_second": round(rate, 1), "seconds_left": left}
            say("progress", "", what=what, done=done, total=total, unit=unit, **speed)

    yield advance
