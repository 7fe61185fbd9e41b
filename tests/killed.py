"""Work in a process of its own that ends by SIGKILL at a chosen moment.

Importing torch takes seconds, so the processes are forked from one that has imported everything and done no more.
"""

import multiprocessing
import os
import signal
from collections.abc import Callable
from multiprocessing import forkserver
from typing import Any
from unittest import mock


def at(owner: type, method: str, call: int, work: Callable[..., Any], *arguments: Any) -> None:
    """Run `work(*arguments)` elsewhere, until it is about to call `owner.method` for the `call`th time."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["limbeck.pipeline", "limbeck.cli", "pytest"])
    with mock.patch.dict(os.environ, OMP_NUM_THREADS="1", COLUMNS="160"):
        forkserver.ensure_running()
    process = context.Process(target=_work, args=(owner, method, call, work, arguments))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL, f"ended with {process.exitcode}"


def _work(owner: type, method: str, call: int, work: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    original, calls = getattr(owner, method), 0

    def until(*given: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*given, **named)

    with mock.patch.object(owner, method, until):
        work(*arguments)
