"""Cases of a parametrised test that say more of the same: run with `pytest -m long`."""

import pytest


def longer(*values, **named):
    """A case that is left to the longer checks, as `pytest.param`."""
    return pytest.param(*values, marks=pytest.mark.long, **named)
