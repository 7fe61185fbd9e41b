"""One small workspace for all tests of the service."""

import numpy as np
import pytest
from fixed import Fixed
from on_a_port import serving
from served import make_workspace

from limbeck.index.store import Store
from limbeck.serve import app
from limbeck.serve.ranker import Ranker
from limbeck.settings import Serve


@pytest.fixture(scope="session")
def workspace(tmp_path_factory):
    return make_workspace(tmp_path_factory.mktemp("served"))


@pytest.fixture(scope="session")
def store(workspace):
    return Store.open(workspace)


@pytest.fixture(scope="session")
def ranker(store):
    return Ranker(store)


@pytest.fixture(scope="session")
def url(ranker, workspace):
    """Where the service is found, on a port."""
    with serving(app.create(Fixed(ranker), Serve(candidates=40, results=10), workspace.folder("images/pins"))) as url:
        yield url


@pytest.fixture
def random():
    return np.random.default_rng(0)
