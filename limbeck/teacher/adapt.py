"""Domain-adaptive pre-training: masked-language modelling on the catalogue's own texts before fine-tuning.

Gururangan et al. 2020 (Don't Stop Pretraining, arXiv 2004.10964), with BERT's masks (arXiv 1810.04805, section 3.1): of
the tokens asked for, 80 % are hidden, 10 % replaced at random, 10 % left. What is saved is a backbone like any other.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
import transformers
from torch.utils.data import DataLoader, Dataset
from transformers import (
    AutoConfig,
    AutoModelForMaskedLM,
    AutoTokenizer,
    DataCollatorForLanguageModeling,
    DataCollatorForTokenClassification,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING

from limbeck import pooling, processes, training
from limbeck.backbone import LOADING, device, seed_everything
from limbeck.batches import TokenBudgetSampler
from limbeck.errors import InputError
from limbeck.progress import say
from limbeck.settings import Adapt

VALID_SHARE, MOST_VALID = 0.05, 2_000  # of the texts, kept back to choose the best checkpoint by
WARMUP = 0.06
IGNORED = -100  # the label of tokens that are not asked for


def adapt(texts: Sequence[str], backbone: str, settings: Adapt, seed: int, out: Path, scratch: Path) -> None:
    """Train the backbone (a folder or hub id) to fill gaps in the texts, and save it, without its head, to `out`.

    Of several processes, each takes other batches, and the first one saves.
    """
    check(backbone)
    seed_everything(seed)
    model, tokenizer = _load(backbone)
    tokens = _tokens(texts, tokenizer, min(settings.max_tokens, _limit(model, tokenizer)))
    order = np.random.default_rng(seed).permutation(len(tokens))
    cut = min(MOST_VALID, max(1, round(VALID_SHARE * len(tokens))))
    parts = {"train": [tokens[i] for i in order[cut:]], "valid": [tokens[i] for i in order[:cut]]}
    loaders = {part: _loader(part, rows, tokenizer, settings, seed) for part, rows in parts.items()}
    steps = max(1, round(len(loaders["train"]) / processes.count() * settings.epochs))
    arguments = transformers.TrainingArguments(
        **training.arguments(scratch, steps, seed),
        learning_rate=settings.learning_rate,
        warmup_steps=round(steps * WARMUP),
        remove_unused_columns=False,
        prediction_loss_only=True,
    )
    trainer = training.LoadedTrainer(loaders, model=model, args=arguments)
    training.run(trainer, "adaptation", scratch)
    if not processes.leads():
        return
    model.base_model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    if mode := pooling.trained(backbone):
        pooling.keep(mode, model.config.hidden_size, out)
    losses = {line["step"]: line["eval_loss"] for line in trainer.state.log_history if "eval_loss" in line}
    noted = {part: len(rows) for part, rows in parts.items()} | {"steps": steps, "validation_loss": losses}
    (out / "training.json").write_text(json.dumps(noted, indent=1), encoding="utf-8")


def check(backbone: str) -> None:
    """`InputError` where a backbone (a folder or hub id) is of a kind that has no masked-language modelling."""
    config = AutoConfig.from_pretrained(backbone, trust_remote_code=False)
    if type(config) not in MODEL_FOR_MASKED_LM_MAPPING:
        what = f"{backbone}: a {config.model_type} model cannot be adapted, it knows no masked-language modelling"
        raise InputError(what, remedy="Leave out [adapt], or take an encoder such as BERT or XLM-RoBERTa")


def _load(backbone: str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Model and tokenizer. A backbone that was published without its head gets a fresh one, tied to its embeddings."""
    loading = {**LOADING, **training.ATTENTION.get(device().type, {}), "dtype": torch.float32}
    with training.quiet():
        tokenizer = AutoTokenizer.from_pretrained(backbone, trust_remote_code=False)
        model, found = AutoModelForMaskedLM.from_pretrained(backbone, output_loading_info=True, **loading)
    if tokenizer.mask_token is None:
        raise InputError(f"{backbone}: its tokenizer has no mask token", remedy="Leave out [adapt]")
    if any(not name.startswith(f"{model.base_model_prefix}.") for name in found["missing_keys"]):
        say("fresh_head", f"  [dim]{backbone} has no masked-language head: a fresh one is trained with it[/]")
    tokenizer.padding_side = "right"
    return model.to(device()), tokenizer


def _limit(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> int:
    """How many tokens both can take."""
    positions = getattr(model.config, "max_position_embeddings", None)
    return min(tokenizer.model_max_length, positions or tokenizer.model_max_length)


def _tokens(texts: Sequence[str], tokenizer: PreTrainedTokenizerBase, limit: int) -> list[np.ndarray]:
    """The token ids of every different text that says something."""
    different, tokens = list(dict.fromkeys(texts)), []
    for begin in range(0, len(different), 10_000):
        found = tokenizer(different[begin : begin + 10_000], truncation=True, max_length=limit)["input_ids"]
        tokens += [np.asarray(ids, dtype=np.int32) for ids in found]
    special = np.asarray(tokenizer.all_special_ids)
    tokens = [ids for ids in tokens if not np.isin(ids, special).all()]
    if len(tokens) < 2:
        raise InputError("no texts to adapt the backbone to", remedy="Leave out [adapt], or give Pins texts")
    return tokens


class _Masked(Dataset[dict[str, list[int]]]):
    """Texts with some tokens hidden: which ones follows from seed, epoch and row alone, and so survives a kill."""

    def __init__(
        self, tokens: list[np.ndarray], collator: DataCollatorForLanguageModeling, seed: int, epoch: Callable[[], int]
    ) -> None:
        self._tokens, self._collator, self._seed, self._epoch = tokens, collator, seed, epoch

    def __len__(self) -> int:
        return len(self._tokens)

    def __getitem__(self, row: int) -> dict[str, list[int]]:
        state = np.random.SeedSequence((self._seed, self._epoch(), row)).generate_state(1, np.uint64)
        self._collator.generator = torch.Generator().manual_seed(int(state[0]))
        labels = torch.empty(0)
        while not (labels != IGNORED).any():  # of a short text nothing may be chosen: a mean over nothing is no number
            ids, labels = self._collator.torch_mask_tokens(torch.as_tensor(self._tokens[row], dtype=torch.int64)[None])
        return {"input_ids": ids[0].tolist(), "labels": labels[0].tolist()}


def _loader(
    part: str, tokens: list[np.ndarray], tokenizer: PreTrainedTokenizerBase, settings: Adapt, seed: int
) -> DataLoader[dict[str, list[int]]]:
    """Batches of equal token budget. Training texts get other masks every epoch, those to validate on never do."""
    lengths = np.asarray([len(ids) for ids in tokens], dtype=np.int64)
    sampler = TokenBudgetSampler(lengths, settings.tokens_per_batch, seed, processes.count() if part == "train" else 1)
    collator = DataCollatorForLanguageModeling(tokenizer, mlm_probability=settings.masked)
    rows = _Masked(tokens, collator, seed, (lambda: sampler.epoch + 1) if part == "train" else (lambda: 0))
    return DataLoader(rows, batch_sampler=sampler, collate_fn=DataCollatorForTokenClassification(tokenizer))
