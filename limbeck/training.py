"""What every training has in common: checkpoints to resume from, progress, and no noise on the terminal."""

import logging
import warnings
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import transformers
from transformers import TrainerCallback
from transformers.trainer_utils import get_last_checkpoint

from limbeck.backbone import bf16, device
from limbeck.progress import Advance, track

# On CPU the backward pass of torch's fused attention is half of a training step; the plain one is faster there.
ATTENTION = {"cpu": "eager", "cuda": "sdpa"}
CHECKPOINTS = 4  # per training: a kill loses at most a quarter of it


def arguments(scratch: Path, steps: int, seed: int) -> dict[str, Any]:
    """Arguments of the Hugging Face Trainer that do not depend on what is trained, for `steps` optimiser steps."""
    every = max(1, -(-steps // CHECKPOINTS))
    return {
        "output_dir": str(scratch),
        "max_steps": steps,
        "seed": seed,
        "data_seed": seed,
        "bf16": bf16(),
        "use_cpu": device().type == "cpu",
        "eval_strategy": "steps",
        "eval_steps": every,
        "save_strategy": "steps",
        "save_steps": every,
        "save_total_limit": 1,
        "load_best_model_at_end": True,
        "metric_for_best_model": "eval_loss",
        "report_to": "none",
        "disable_tqdm": True,
        "logging_strategy": "no",
        "dataloader_pin_memory": device().type == "cuda",
    }


def run(trainer: transformers.Trainer, what: str, scratch: Path) -> None:
    """Train, from the last checkpoint in `scratch` if there is one; the best checkpoint's weights are left loaded."""
    trainer.remove_callback(transformers.PrinterCallback)
    trainer.add_callback(_Progress(what))
    with quiet():
        trainer.train(resume_from_checkpoint=get_last_checkpoint(str(scratch)))


class quiet(AbstractContextManager[None]):  # noqa: N801 - reads as a statement: `with quiet():`
    """Silence the libraries' own progress bars and notes: the run has its own."""

    def __enter__(self) -> None:
        self._level = transformers.logging.get_verbosity()
        transformers.logging.set_verbosity_error()
        transformers.logging.disable_progress_bar()
        logging.getLogger("sentence_transformers").setLevel(logging.ERROR)
        self._warnings = warnings.catch_warnings()
        self._warnings.__enter__()
        warnings.simplefilter("ignore")

    def __exit__(self, *_: object) -> None:
        self._warnings.__exit__(None, None, None)
        transformers.logging.set_verbosity(self._level)


class _Progress(TrainerCallback):
    """Shows the trainer's steps as the run's own progress bar."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._bar: AbstractContextManager[Advance] | None = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._bar = track(self._what, state.max_steps, "steps")
        self._advance = self._bar.__enter__()
        self._advance(state.global_step)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._advance(1)

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self._bar is not None:
            self._bar.__exit__(None, None, None)
