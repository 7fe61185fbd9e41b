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
from torch import nn
from torch.utils.data import DataLoader
from transformers import TrainerCallback
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_utils import get_last_checkpoint

from limbeck import processes
from limbeck.backbone import LOADING, bf16, device, find, keep_memory
from limbeck.errors import InputError
from limbeck.progress import Advance, track

# On CPU the backward pass of torch's fused attention is half of a training step; the plain one is faster there.
# Elsewhere each family takes its best: DeBERTa has no fused one.
ATTENTION = {"cpu": {"attn_implementation": "eager"}}
TEXT_ALONE = {"text": {"method": "forward", "method_output_name": "last_hidden_state"}}
CHECKPOINTS = 4  # per training, each validated: a kill loses at most a quarter of it
SHORT = 100  # steps: so few are halved, as validating takes a fifth of a training's time where it is done four times


def load_transformer(backbone: str, max_tokens: int, folder: Path, **loading: Any) -> Transformer:
    """A pretrained backbone to be trained, reading at most `max_tokens`: in single precision, whatever it is saved in.

    Padding comes last, so that the numbers of a text never depend on the texts beside it, and over-long texts are cut
    at their end. A chat template is not used, and special tokens written into a text are letters like others.
    `loading` goes to `from_pretrained` and comes before the defaults.
    """
    loading = {**LOADING, **ATTENTION.get(device().type, {}), "dtype": torch.float32, **loading}
    transformer = Transformer(
        find(backbone, folder),
        model_kwargs=loading,
        processor_kwargs={"split_special_tokens": True, "padding_side": "right", "truncation_side": "right"},
        modality_config=TEXT_ALONE,
        module_output_name="token_embeddings",
    )
    limit = _reach(transformer)
    if limit is not None and max_tokens > limit:
        remedy = "Set max_tokens to that or less, or take another backbone"
        raise InputError(f"{backbone} reads at most {limit} tokens, not {max_tokens}", remedy=remedy)
    transformer.max_seq_length = max_tokens
    _pad(transformer.tokenizer, backbone)
    return transformer


def _reach(transformer: Transformer) -> int | None:
    """How many tokens the backbone has positions for; RoBERTa and its kin begin to count after the padding's number."""
    limit = transformer.max_seq_length
    embeddings = getattr(transformer.model, "embeddings", None)
    positions, padding = (getattr(embeddings, name, None) for name in ("position_embeddings", "padding_idx"))
    if isinstance(positions, nn.Embedding) and isinstance(padding, int):
        return min(limit or positions.num_embeddings, positions.num_embeddings - padding - 1)
    return limit


def _pad(tokenizer: Any, backbone: str) -> None:
    """A decoder's tokenizer that knows no padding takes its end of text for it: padding is never looked at."""
    if tokenizer.pad_token is None and tokenizer.eos_token is None:
        remedy = "Set pad_token in its tokenizer_config.json"
        raise InputError(f"the tokenizer of {backbone} has neither padding nor an end of text", remedy=remedy)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token


def forget_lengths(tokenizer: Any) -> None:
    """Have a tokenizer forget to what length it cut and padded last, before it is saved: that would be saved with it.

    A training that was killed at its end, and goes on there, has cut nothing.
    """
    if tokenizer.is_fast:
        tokenizer.backend_tokenizer.no_truncation()
        tokenizer.backend_tokenizer.no_padding()


def arguments(scratch: Path, steps: int, seed: int) -> dict[str, Any]:
    """Arguments of the Hugging Face Trainer that do not depend on what is trained, for `steps` optimiser steps."""
    every = max(1, -(-steps // (CHECKPOINTS if steps > SHORT else 2)))
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
        """The one to validate on. Of several processes each takes all of it: unequal batches cannot be gathered."""
        if processes.count() > 1:
            return self._loaders["valid"]
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
    if processes.leads():
        while (newest := get_last_checkpoint(str(scratch))) and not _is_whole(Path(newest)):
            shutil.rmtree(newest)
    processes.tell()  # the others look after that
    return get_last_checkpoint(str(scratch))


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
