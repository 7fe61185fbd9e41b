"""Fixtures shared by all tests. Being here, it also puts this folder's modules within the tests' reach."""

import gc
import os

import hypothesis
import pytest
from toy_task import SENTENCES

gc.disable()  # until all is imported, of which nothing is garbage: looking for it took more time than the imports

if "PYTEST_XDIST_WORKER" in os.environ:  # the cores have a worker each
    for name, value in {"OMP_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}.items():
        os.environ.setdefault(name, value)

# No test may fail because the machine is busy. More examples are had by `--hypothesis-profile thorough`.
PATIENT = {"deadline": None, "suppress_health_check": [hypothesis.HealthCheck.too_slow]}
hypothesis.settings.register_profile("brief", max_examples=20, **PATIENT)
hypothesis.settings.register_profile("thorough", max_examples=300, **PATIENT)
hypothesis.settings.load_profile("brief")


LONGEST = ("runs", "teacher", "serve", "student")  # these folders begin first, so that none is left alone at the end


def folder_of(nodeid):
    return nodeid.split("::")[0].removeprefix("tests/").split("/")[0]


def pytest_collection_modifyitems(items):
    rank = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(folder_of(item.nodeid), len(rank)))


def pytest_collection_finish():
    """What was imported stays: without this, every training begins by looking through all of it for garbage."""
    gc.freeze()
    gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """The tests of a folder, or of a file without one, stay together and in order: what they share is made once."""
    from xdist.scheduler import LoadScopeScheduling

    config.option.loadscopereorder = False

    class ByFolder(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return folder_of(nodeid)

    return ByFolder(config, log)


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory):
    """The folder of a tiny BERT."""
    from tiny_models import write_encoder  # here, because most tests need no torch

    folder = tmp_path_factory.mktemp("tiny") / "encoder"
    write_encoder(folder, SENTENCES)
    return folder


@pytest.fixture(scope="module")
def browser():
    """One browser for the tests of a module: while it is open its event loop runs, and others cannot in this thread."""
    from chromium import started

    with started() as browser:
        yield browser
