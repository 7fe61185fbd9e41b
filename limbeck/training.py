"""What every training has in common: checkpoints to resume from, progress, and no noise on the terminal."""

import json
import logging
import shutil
import warnings
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch
import transformers
from sentence_transformers.base.modules import Transformer
from torch.utils.data import DataLoader
from transformers import TrainerCallback
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_utils import get_last_checkpoint

from limbeck.backbone import LOADING, bf16, device, find, keep_memory
from limbeck.errors import InputError
from limbeck.progress import Advance, track

# On CPU the backward pass of torch's fused attention is half of a training step; the plain one is faster there.
ATTENTION = {"cpu": "eager", "cuda": "sdpa"}
CHECKPOINTS = 4  # per training: a kill loses at most a quarter of it


def load_transformer(backbone: str, max_tokens: int, folder: Path) -> Transformer:
    """A pretrained backbone to be trained, reading at most `max_tokens`: in single precision, whatever it is saved in.

    Padding comes last, so that the numbers of a text never depend on the texts beside it; a decoder's tokenizer that
    knows no padding takes its end of text for it.
    """
    loading = {**LOADING, "attn_implementation": ATTENTION[device().type], "dtype": torch.float32}
    transformer = Transformer(find(backbone, folder), model_kwargs=loading)
    limit = transformer.max_seq_length
    if limit is not None and max_tokens > limit:
        remedy = "Set max_tokens to that or less, or take another backbone"
        raise InputError(f"{backbone} reads at most {limit} tokens, not {max_tokens}", remedy=remedy)
    transformer.max_seq_length = max_tokens
    transformer.tokenizer.padding_side = "right"
    if transformer.tokenizer.pad_token is None:
        transformer.tokenizer.pad_token = transformer.tokenizer.eos_token
    return transformer


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
        "save_total_limit": 2,  # the best one and the last one
        "load_best_model_at_end": True,
        "metric_for_best_model": "eval_loss",
        "report_to": "none",
        "disable_tqdm": True,
        "logging_strategy": "no",
        "dataloader_pin_memory": device().type == "cuda",
    }


class LoadedTrainer(transformers.Trainer):
    """The Hugging Face Trainer with its two data loaders given; it tells prepared ones which epoch it is."""

    def __init__(self, loaders: dict[str, DataLoader[Any]], **arguments: Any) -> None:
        super().__init__(train_dataset=loaders["train"].dataset, eval_dataset=loaders["valid"].dataset, **arguments)
        self.accelerator.even_batches = False
        self._loaders = loaders

    def get_train_dataloader(self) -> DataLoader[Any]:
        """The one to train on."""
        return self.accelerator.prepare(self._loaders["train"])

    def get_eval_dataloader(self, eval_dataset: Any = None) -> DataLoader[Any]:
        """The one to validate on."""
        return self.accelerator.prepare(self._loaders["valid"])


def run(trainer: transformers.Trainer, what: str, scratch: Path) -> None:
    """Train, from the last checkpoint in `scratch` if there is one; the best checkpoint's weights are left loaded."""
    keep_memory()
    trainer.remove_callback(transformers.PrinterCallback)
    trainer.add_callback(_Resuming(scratch))
    trainer.add_callback(_Progress(what))
    with quiet():
        trainer.train(resume_from_checkpoint=_last_whole_checkpoint(scratch))


def _last_whole_checkpoint(scratch: Path) -> str | None:
    """The newest checkpoint; those that a kill left half written are removed."""
    while newest := get_last_checkpoint(str(scratch)):
        if _is_whole(Path(newest)):
            return newest
        shutil.rmtree(newest)
    return None


def _is_whole(checkpoint: Path) -> bool:
    """Whether the trainer's state, which it writes after everything else, is there to its last byte."""
    try:
        json.loads((checkpoint / TRAINER_STATE_NAME).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return False
    return True


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


class _Resuming(TrainerCallback):
    """What the trainer misses for a resumed training to end at the weights of an undisturbed one."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.best_global_step:  # the folder may have been moved since
            state.best_model_checkpoint = str(self._scratch / f"checkpoint-{state.best_global_step}")

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step > state.max_steps:  # one too many, taken where all had been done before the kill
            control.should_evaluate = control.should_save = False


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
