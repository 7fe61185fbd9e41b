"""Small worlds, made once for all tests of this folder."""

import pytest
from small_worlds import SEED, SETTINGS, TINY, Made, make


@pytest.fixture(scope="session")
def small() -> Made:
    return Made(SETTINGS, SEED, make(SETTINGS, SEED))


@pytest.fixture(scope="session")
def tiny() -> Made:
    return Made(TINY, SEED, make(TINY, SEED))
