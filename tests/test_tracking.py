"""What TensorBoard and MLflow are told of a training, by the real libraries, in a local folder.

They are imported where they are used: it takes seconds, and whoever collects the tests imports this file.
"""

import os
import sys

import pytest
import toy_trainings

from limbeck import settings, tracking
from limbeck.errors import InputError
from limbeck.settings import Tracking


def test_off_by_default():
    assert settings.Recipe("r").tracking == Tracking() == Tracking(report_to=())
    assert tracking.arguments(Tracking()) == {}
    tracking.require(Tracking())


@pytest.mark.parametrize("package", ["tensorboard", "mlflow"])
def test_a_missing_package_is_named_with_the_remedy(package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=rf'the package {package}, .*pip install "limbeck\[tracking\]"'):
        tracking.require(Tracking(report_to=(package,)))


def test_where_to_is_said_for_as_long_as_it_lasts(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "mine")
    before = dict(os.environ)
    with tracking.destination(tmp_path, "shop"):
        assert os.environ["TENSORBOARD_LOGGING_DIR"] == str(tmp_path / "tensorboard")
        assert os.environ["MLFLOW_EXPERIMENT_NAME"] == "mine"
    assert dict(os.environ) == before


@pytest.fixture(scope="module")
def logged(tiny_encoder, tmp_path_factory):
    """Folder of the logs of one training that was told to both."""
    folder = tmp_path_factory.mktemp("tracking")
    both = Tracking(report_to=("tensorboard", "mlflow"), logging_steps=2)
    with tracking.destination(folder, "shop"):
        toy_trainings.teacher(tiny_encoder, folder / "out", folder / "scratch", logging=both)
    return folder


def test_tensorboard_has_the_losses(logged):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(logged / "tensorboard"))
    events.Reload()
    assert {"train/loss", "train/learning_rate", "eval/loss"} <= set(events.Tags()["scalars"])
    assert len(events.Scalars("train/loss")) > len(events.Scalars("eval/loss")) > 2


def test_mlflow_has_the_losses_and_the_settings(logged):
    import mlflow

    client = mlflow.MlflowClient(f"sqlite:///{logged / 'mlflow.db'}")
    (experiment,) = client.search_experiments(filter_string="name = 'shop'")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FINISHED"
    assert {"loss", "eval_loss"} <= run.data.metrics.keys()
    assert run.data.params["bf16"] in ("True", "False")
    losses = client.get_metric_history(run.info.run_id, "eval_loss")
    assert len(losses) > 2


@pytest.mark.long
def test_being_watched_changes_no_weight(logged, tiny_encoder, tmp_path):
    toy_trainings.teacher(tiny_encoder, tmp_path / "out", tmp_path / "scratch")
    for path in (tmp_path / "out").rglob("*.safetensors"):
        assert path.read_bytes() == (logged / "out" / path.relative_to(tmp_path / "out")).read_bytes()
