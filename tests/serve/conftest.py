"""One small workspace for all tests of the service, and one with another student."""

import shutil

import numpy as np
import pytest
from fixed import Fixed
from on_a_port import serving
from served import make_workspace, retrain

from limbeck.index.store import Store
from limbeck.serve import app
from limbeck.serve.ranker import Ranker
from limbeck.settings import Serve
from limbeck.student.grade import StudentGrader
from limbeck.workspace import Workspace


@pytest.fixture(scope="session")
def workspace(tmp_path_factory):
    return make_workspace(tmp_path_factory.mktemp("served"))


@pytest.fixture(scope="session")
def another(workspace, tmp_path_factory):
    """The same Pins with another student and its vectors, which others may borrow: a student takes seconds to write."""
    ws = Workspace(shutil.copytree(workspace.root, tmp_path_factory.mktemp("another") / "workspace"))
    retrain(ws, seed=1)
    return ws


@pytest.fixture(scope="session")
def store(workspace):
    return Store.open(workspace)


@pytest.fixture(scope="session")
def ranker(store):
    return Ranker(store)


@pytest.fixture(scope="session")
def grader(workspace, store):
    """The student as it grades in bulk, offline."""
    return StudentGrader(workspace.folder("models/student"), store.signals, store.vectors)


@pytest.fixture(scope="session")
def url(ranker, workspace):
    """Where the service is found, on a port."""
    with serving(app.create(Fixed(ranker), Serve(candidates=40, results=10), workspace.folder("images/pins"))) as url:
        yield url


@pytest.fixture
def random():
    return np.random.default_rng(0)
