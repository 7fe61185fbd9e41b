"""Fixtures shared by all tests. Being here, it also puts this folder's modules within the tests' reach."""

import hypothesis
import pytest
from toy_task import SENTENCES

# No test may fail because the machine is busy.
hypothesis.settings.register_profile("patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("patient")


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory):
    """The folder of a tiny BERT."""
    from tiny_models import write_encoder  # here, because most tests need no torch

    folder = tmp_path_factory.mktemp("tiny") / "encoder"
    write_encoder(folder, SENTENCES)
    return folder
