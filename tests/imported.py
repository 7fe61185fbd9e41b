"""What the server that `forking` forks from imports. All of it stays: it is never looked through for garbage."""

import gc

gc.disable()

import pytest  # noqa: E402, F401

import limbeck.cli  # noqa: E402
import limbeck.pipeline  # noqa: E402, F401

gc.freeze()
gc.enable()
