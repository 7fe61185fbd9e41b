"""An endpoint, a judge that asks it without patience, and a few pairs to ask about."""

from pathlib import Path

import pytest
from endpoint import Endpoint, texts

from limbeck.judge import prompt
from limbeck.judge.grade import JudgeGrader
from limbeck.settings import Judge

FAST = {"first_wait_seconds": 0.001, "longest_wait_seconds": 2.0, "timeout_seconds": 120.0, "concurrency": 4}


@pytest.fixture
def endpoint():
    with Endpoint() as running:
        yield running


@pytest.fixture
def judging(endpoint, tmp_path):
    """Makes graders that ask the endpoint; all of a test share one cache."""

    def make(pins: int = 100, **settings) -> JudgeGrader:
        judge = Judge(endpoint.url, "judge-8b", **{**FAST, **settings})
        return JudgeGrader(prompt.read(judge, Path(".")), texts(pins), tmp_path / "answers.jsonl")

    return make
