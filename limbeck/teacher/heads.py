"""The teacher's last layers: from the hidden state to five `scores` whose softmax is the distribution over the levels.

`softmax` is one linear layer. `ordinal` is the proportional-odds model (McCullagh 1980, Regression Models for Ordinal
Data, JRSS B 42; in networks: CORAL, arXiv 1901.07884): P(level ≤ k) = σ(θₖ − w·h), four thresholds in ascending order
on one line. It is trained as a module of its own and saved as two plain Dense modules that compute the same numbers,
so that a folder loads with sentence-transformers alone, whichever head it has.
"""

import copy
from typing import Any, Literal

import numpy as np
import torch
from sentence_transformers import CrossEncoder
from sentence_transformers.base.modules import Dense
from sentence_transformers.base.modules.module import Module
from torch import nn

from limbeck.backbone import device
from limbeck.relevance import LEVELS

RAREST = 1e-3  # the least share of the labels that a level is taken to have when thresholds begin
# Adam moves every number by about the learning rate a step. The few thresholds would hardly move in a fine-tuning.
THRESHOLDS_FASTER = 100


def create(kind: Literal["softmax", "ordinal"], size: int) -> Module:
    """A fresh head on hidden states of `size` numbers."""
    if kind == "ordinal":
        return CumulativeLink(size)
    return Dense(size, len(LEVELS), activation_function=nn.Identity(), module_output_name="scores")


class CumulativeLink(Module):
    """Proportional odds: `scores` (n, 5) are the log-probabilities of the levels.

    log P(k) = log σ(θₖ − η) + log σ(η − θₖ₋₁) + log(1 − exp(θₖ₋₁ − θₖ)) with η = w·h, which loses no digits where a
    probability is near 0 or 1. That is two linear layers with log σ between them. Gaps between thresholds are stored as
    logarithms, and so are positive.
    """

    config_keys: list[str] = ["size"]  # noqa: RUF012 - so the library declares it

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        self.linear = nn.Linear(size, 1, bias=False)
        self.first_threshold = nn.Parameter(torch.zeros(1))
        self.log_gaps = nn.Parameter(torch.zeros(len(LEVELS) - 2))
        self.begin(np.full(len(LEVELS), 1 / len(LEVELS)))

    def begin(self, shares: np.ndarray) -> None:
        """Set the thresholds to where, for η = 0, levels have these shares (5,) of the labels."""
        upto = np.cumsum(np.maximum(shares, RAREST))
        thresholds = torch.from_numpy(np.log(upto[:-1] / (upto[-1] - upto[:-1]))).float()
        with torch.no_grad():
            self.first_threshold.copy_(thresholds[:1])
            self.log_gaps.copy_(thresholds.diff().log())

    def forward(self, features: dict[str, torch.Tensor], **_: Any) -> dict[str, torch.Tensor]:
        """In single precision, also under autocast."""
        hidden = features["sentence_embedding"].float()
        with torch.autocast(hidden.device.type, enabled=False):
            inner, outer = self._layers()
            features["scores"] = nn.functional.linear(
                nn.functional.logsigmoid(nn.functional.linear(hidden, *inner)), *outer
            )
        return features

    def _layers(self) -> tuple[tuple[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]:
        """Weight and bias of two linear layers: to θ − η and η − θ, (8, size); from their log σ to scores, (5, 8)."""
        gaps = self.log_gaps.exp()
        thresholds = torch.cat([self.first_threshold, self.first_threshold + gaps.cumsum(0)])
        weight, count = self.linear.weight.expand(len(thresholds), -1), len(thresholds)
        inner = torch.cat([-weight, weight]), torch.cat([thresholds, -thresholds])
        below, above = torch.eye(len(LEVELS), count), torch.eye(len(LEVELS), count).roll(1, 0)
        between = torch.log(-torch.expm1(-gaps))
        return inner, (torch.cat([below, above], 1).to(weight), nn.functional.pad(between, (1, 1)))

    @torch.no_grad()
    def plain(self) -> list[Dense]:
        """The same numbers from two modules of sentence-transformers."""
        inner, outer = self._layers()
        size, middle = self.size, len(inner[1])
        return [
            Dense(size, middle, activation_function=nn.LogSigmoid(), init_weight=inner[0], init_bias=inner[1]),
            Dense(
                middle,
                len(LEVELS),
                activation_function=nn.Identity(),
                init_weight=outer[0],
                init_bias=outer[1],
                module_output_name="scores",
            ),
        ]

    def save(self, output_path: str, *args: Any, safe_serialization: bool = True, **kwargs: Any) -> None:
        """Write it into a checkpoint of the training; finished teachers are saved `plain`."""
        self.save_config(output_path)
        self.save_torch_weights(output_path, safe_serialization=safe_serialization)

    @classmethod
    def load(cls, model_name_or_path: str, subfolder: str = "", *_: Any, **kwargs: Any) -> "CumulativeLink":
        """Read what `save` wrote."""
        head = cls(**cls.load_config(model_name_or_path, subfolder))
        return cls.load_torch_weights(model_name_or_path, subfolder=subfolder, model=head)


def learning_rates(model: CrossEncoder, base: float) -> dict[str, float]:
    """Learning rates other than `base`, by a pattern of the parameters' names."""
    ordinal = isinstance(model[-1], CumulativeLink)
    return {r"(first_threshold|log_gaps)$": THRESHOLDS_FASTER * base} if ordinal else {}


def plain(model: CrossEncoder) -> CrossEncoder:
    """The same model made of sentence-transformers' own modules alone."""
    head = model[-1]
    return assembled([*list(model)[:-1], *head.plain()]) if isinstance(head, CumulativeLink) else model


def assembled(modules: list[nn.Module]) -> CrossEncoder:
    """A `CrossEncoder` whose modules after pooling are in single precision, with the numbers that they have.

    The library rounds them to the backbone's precision.
    """
    exact = [copy.deepcopy(module.state_dict()) for module in modules[2:]]
    model = CrossEncoder(modules=modules, device=str(device()))
    for module, numbers in zip(modules[2:], exact):
        module.float().load_state_dict(numbers)
    return model
