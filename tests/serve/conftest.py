"""One small workspace for all tests of the service."""

import numpy as np
import pytest
from served import make_workspace

from limbeck.index.store import Store
from limbeck.serve.ranker import Ranker


@pytest.fixture(scope="session")
def workspace(tmp_path_factory):
    return make_workspace(tmp_path_factory.mktemp("served"))


@pytest.fixture(scope="session")
def store(workspace):
    return Store.open(workspace)


@pytest.fixture(scope="session")
def ranker(store):
    return Ranker(store)


@pytest.fixture
def random():
    return np.random.default_rng(0)
