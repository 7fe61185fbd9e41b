"""Why a library failed in the middle of a stage, where that can be told: the disk is full, or a file is damaged."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from limbeck.errors import IncompleteError, InputError, WorkspaceError
from limbeck.workspace import Made, Workspace

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
LEAST_FREE = 1 << 20  # bytes; torch fails on a full disk without saying so


@contextmanager
def explained(ws: Workspace, made: Made) -> Iterator[None]:
    """While something is made: a `WorkspaceError` for a full disk or a damaged input, other errors as they are."""
    try:
        yield
    except (InputError, IncompleteError, WorkspaceError):
        raise
    except Exception as error:
        reason = _full(error, ws.root)
        if reason:
            remedy = "Make room and run again: what was finished is kept, and nothing is half written"
            raise WorkspaceError(f"{ws.root}: cannot write ({reason}). {remedy}") from error
        for name in filter(ws.has, made.inputs):
            ws.verify(name)
        raise


def _full(error: BaseException, folder: Path) -> str | None:
    """What the system says of a full disk; libraries not written in Python wrap it into errors of their own."""
    link: BaseException | None = error
    while link is not None:
        for code in FULL:
            if getattr(link, "errno", None) == code or os.strerror(code) in str(link):
                return os.strerror(code)
        link = link.__cause__ or link.__context__
    return os.strerror(errno.ENOSPC) if shutil.disk_usage(folder).free < LEAST_FREE else None
