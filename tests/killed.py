"""Work in a process of its own that ends by SIGKILL at a chosen moment."""

import os
import signal
from collections.abc import Callable
from typing import Any
from unittest import mock

import forking


def at(owner: type, method: str, call: int, work: Callable[..., Any], *arguments: Any) -> None:
    """Run `work(*arguments)` elsewhere, until it is about to call `owner.method` for the `call`th time."""
    process = forking.context().Process(target=_work, args=(owner, method, call, work, arguments))
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
