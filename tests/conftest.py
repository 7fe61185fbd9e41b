"""Fixtures shared by all tests. Being here, it also puts this folder's modules within the tests' reach."""

import os

import hypothesis
import pytest
from toy_task import SENTENCES

if "PYTEST_XDIST_WORKER" in os.environ:  # the cores have a worker each
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# No test may fail because the machine is busy.
hypothesis.settings.register_profile("patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("patient")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """The tests of a folder, or of a file without one, stay together and in order: what they share is made once."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFolder(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return nodeid.split("::")[0].removeprefix("tests/").split("/")[0]

    return ByFolder(config, log)


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory):
    """The folder of a tiny BERT."""
    from tiny_models import write_encoder  # here, because most tests need no torch

    folder = tmp_path_factory.mktemp("tiny") / "encoder"
    write_encoder(folder, SENTENCES)
    return folder
