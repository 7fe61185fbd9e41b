"""Fixtures shared by all tests. Being here, it also puts this folder's modules within the tests' reach."""

import pytest
from toy_task import SENTENCES


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory):
    """The folder of a tiny BERT."""
    from tiny_models import write_encoder  # here, because most tests need no torch

    folder = tmp_path_factory.mktemp("tiny") / "encoder"
    write_encoder(folder, SENTENCES)
    return folder
