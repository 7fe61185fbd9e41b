"""Processes forked from one that has imported everything and done no more, because imports take most of a short run."""

import multiprocessing
import os
from multiprocessing import forkserver
from pathlib import Path
from typing import Any
from unittest import mock

ALONE = {"OMP_NUM_THREADS": "1", "COLUMNS": "160"}  # several processes share the cores of the tests


def context() -> Any:
    """The context whose processes are forked so; one thread in each."""
    forking = multiprocessing.get_context("forkserver")
    forking.set_forkserver_preload(["imported"])
    here = str(Path(__file__).parent)  # where `imported` is
    path = os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH")]))
    with mock.patch.dict(os.environ, ALONE, PYTHONPATH=path):
        forkserver.ensure_running()
    return forking
