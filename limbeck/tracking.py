"""Logging a training while it runs, to TensorBoard and MLflow, through the trainer's own `report_to`."""

import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from limbeck.errors import InputError
from limbeck.settings import Tracking


def require(settings: Tracking) -> None:
    """`InputError` where a package is missing."""
    for package in settings.report_to:
        if importlib.util.find_spec(package) is None:
            remedy = 'Install it: pip install "limbeck[tracking]"'
            raise InputError(f"tracking.report_to needs the package {package}, which is not there", remedy=remedy)


def arguments(settings: Tracking) -> dict[str, Any]:
    """Arguments of the Hugging Face Trainer."""
    if not settings.report_to:
        return {}
    steps = {"logging_strategy": "steps", "logging_steps": settings.logging_steps, "logging_first_step": True}
    return {"report_to": list(settings.report_to), **steps}


@contextmanager
def destination(folder: Path, name: str) -> Iterator[None]:
    """Log into `folder`, as `name`, whatever is trained meanwhile; the tools' own environment variables come first."""
    wanted = {
        "TENSORBOARD_LOGGING_DIR": str(folder / "tensorboard"),
        "MLFLOW_TRACKING_URI": f"sqlite:///{(folder / 'mlflow.db').absolute()}",
        "MLFLOW_EXPERIMENT_NAME": name,
    }
    ours = {variable: value for variable, value in wanted.items() if variable not in os.environ}
    os.environ.update(ours)
    try:
        yield
    finally:
        for variable in ours:
            os.environ.pop(variable, None)
