"""How a command ends: one clear line for whoever made the mistake, an exit code, nothing taken apart.

`program` says how to call the command again.

Exit codes: 0 done, 1 the machine's fault (disk full, damaged file), 2 the user's input is wrong, 130 interrupted.
"""

import atexit
import errno
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import typer
from typer.exceptions import TyperException

from limbeck.errors import IncompleteError, InputError, WorkspaceError

INTERRUPTED = 130


def told(command: Callable[[], object]) -> None:
    """Run a command; a user's mistake or a full disk ends in one clear line, never in a traceback."""
    sys.unraisablehook = _insist
    try:
        if command() == INTERRUPTED:  # Typer makes this of Ctrl-C, and returns it
            raise KeyboardInterrupt
    except InputError as error:
        _fail(2, str(error))
    except (WorkspaceError, IncompleteError) as error:
        _fail(1, str(error))
    except OSError as error:
        _fail(1, _wording(error))
    except (KeyboardInterrupt, typer.Abort):
        _fail(INTERRUPTED, "Interrupted. What was finished is kept; the same command goes on from there.")
    except TyperException as error:
        _fail(2, getattr(error, "format_message", error.__str__)())


def _insist(lost: "sys.UnraisableHookArgs") -> None:
    """Where Ctrl-C falls into a call back from compiled code, Python drops it: bring it again a moment later."""
    if lost.exc_type is KeyboardInterrupt:
        again = threading.Timer(0.1, signal.pthread_kill, (threading.main_thread().ident, signal.SIGINT))
        again.daemon = True
        again.start()
    else:
        sys.__unraisablehook__(lost)


def _wording(error: OSError) -> str:
    if error.errno == errno.ENOSPC:
        return (
            "The disk is full. Free some space and run again: what was finished is kept, and nothing is half written."
        )
    place = f"{error.filename}: " if error.filename else ""
    return f"{place}{os.strerror(error.errno) if error.errno else error}"


def _fail(code: int, message: str) -> None:
    if message:  # without arguments the help has been shown already
        sys.stderr.write(f"limbeck: {message}\n")
    sys.exit(code)


def leave(main: Callable[[], object]) -> NoReturn:
    """Run what a process ends with.

    As mypy does, it leaves without taking the interpreter apart: to free what torch and its like hold takes seconds,
    and minutes where memory is slow. What asked to be called at the end is called, and all that was said gets out.
    """
    code: str | int | None = 0
    try:
        main()
    except SystemExit as end:
        code = end.code
    atexit._run_exitfuncs()
    with suppress(OSError):  # whoever read it may be gone
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 0)


def program() -> str:
    """How to call this program again: by its name where the shell finds it by that, else as it was called."""
    called, found = Path(sys.argv[0]), shutil.which("limbeck")
    if called.name != "limbeck":
        return "python -m limbeck"
    return "limbeck" if found and called.exists() and called.samefile(found) else str(called)
