"""The student's shape: one tower that embeds queries and Pins apart, and a head that grades a pair of vectors.

    query ─► tower ─► q ┐
                        ├─► [q, p, q∘p, q·p/d, features] ─► feed-forward ─► five logits
    Pin   ─► tower ─► p ┘                    ▲
    match features, signals of (query, Pin) ─┘

The tower is a `SentenceTransformer` (Transformer, mean Pooling, Dense, LayerNorm) and loads as one, without Limbeck.
The head is a handful of matrices in safetensors (arXiv 2410.17152, section 3.3: a feed-forward student over embeddings
and text-match features). A signal that is missing stands at its mean, and a bit for its group says that it is missing.
"""

import itertools
import json
import warnings
from collections.abc import Collection, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Dense
from sentence_transformers.sentence_transformer.modules import LayerNorm, Pooling
from torch import nn

from limbeck.backbone import LOADING, device, seed_everything
from limbeck.relevance import LEVELS
from limbeck.settings import Student
from limbeck.signals.signal import Group
from limbeck.training import load_transformer, quiet

TOWER = "tower"  # its folder in that of a model


class Head(nn.Module):
    """From query vectors (n, d), Pin vectors (n, d) and features (n, f) to logits (n, 5).

    The last features are those of the `groups` of signals, in their order; they may be NaN, a group as a whole.
    """

    mean: torch.Tensor
    scale: torch.Tensor

    def __init__(
        self, vector_size: int, features: Sequence[str], hidden: Sequence[int], groups: Sequence[Group] = ()
    ) -> None:
        super().__init__()
        self.features = tuple(features)
        self.groups = tuple(groups)
        self.vector_size = vector_size
        self._firsts = [begin for _, begin, _ in spans(self.features, self.groups)]
        self.register_buffer("mean", torch.zeros(len(features)))
        self.register_buffer("scale", torch.ones(len(features)))
        sizes = [3 * vector_size + 1 + len(features) + len(groups), *hidden, len(LEVELS)]
        self.layers = nn.ModuleList([nn.Linear(a, b) for a, b in itertools.pairwise(sizes)])

    def standardise(self, features: np.ndarray, left_out: Collection[str] = ()) -> None:
        """Take mean and spread of each feature from the training rows that have it.

        A constant feature keeps a spread of one; one that no row has, a mean of zero. Those that are left out stand at
        zero whatever they are, here and wherever the head is loaded.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # of a feature that no row has
            spread = np.nan_to_num(np.nanstd(features, axis=0, dtype=np.float64))  # in single precision, sums drift
            mean = np.nan_to_num(np.nanmean(features, axis=0, dtype=np.float64))
        self.mean.copy_(torch.from_numpy(mean))
        scale = np.where(spread > 1e-6, 1 / np.maximum(spread, 1e-6), 1)
        self.scale.copy_(torch.from_numpy(np.where([name in left_out for name in self.features], 0, scale)))

    def forward(self, query: torch.Tensor, pin: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        """Logits (n, 5) of row-aligned vectors and features."""
        product = query * pin
        standard = torch.nan_to_num((features - self.mean) * self.scale, nan=0.0)
        missing = torch.isnan(features[:, self._firsts]).to(standard.dtype)
        hidden = torch.cat([query, pin, product, product.mean(dim=1, keepdim=True), standard, missing], dim=1)
        for layer in self.layers[:-1]:
            hidden = nn.functional.relu(layer(hidden))
        return self.layers[-1](hidden)

    def save(self, folder: Path) -> None:
        """Write `head.safetensors` and `head.json`."""
        save_file(self.state_dict(), folder / "head.safetensors")
        hidden = [layer.out_features for layer in self.layers[:-1]]
        shape = {"vector_size": self.vector_size, "features": self.features, "hidden": hidden}
        if self.groups:
            shape["groups"] = [asdict(group) for group in self.groups]
        (folder / "head.json").write_text(json.dumps(shape, indent=1), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> "Head":
        """The head saved in `folder`, ready to grade."""
        shape = json.loads((folder / "head.json").read_text(encoding="utf-8"))
        groups = [Group(g["name"], g["of"], tuple(g["columns"])) for g in shape.get("groups", ())]
        head = cls(shape["vector_size"], shape["features"], shape["hidden"], groups)
        head.load_state_dict(load_file(folder / "head.safetensors"))
        return head.eval()


def spans(features: Sequence[str], groups: Sequence[Group]) -> list[tuple[Group, int, int]]:
    """Each group of signals with the columns it has among the features: from the first to before the second number."""
    ends = list(itertools.accumulate((len(g.columns) for g in groups), initial=0))
    before = len(features) - ends[-1]
    return [(group, before + begin, before + end) for group, (begin, end) in zip(groups, itertools.pairwise(ends))]


def create_tower(settings: Student, seed: int, folder: Path = Path(".")) -> SentenceTransformer:
    """A new tower on its pretrained backbone; the projection starts as random orthogonal directions from `seed`."""
    seed_everything(seed)
    with quiet():
        transformer = load_transformer(settings.backbone, settings.max_tokens, folder)
        size = transformer.get_embedding_dimension()
        projection = Dense(size, settings.vector_size, bias=False, activation_function=nn.Identity())
        nn.init.orthogonal_(projection.linear.weight)
        modules = [transformer, Pooling(size, pooling_mode="mean"), projection, LayerNorm(settings.vector_size)]
        return SentenceTransformer(modules=modules, device=str(device()))


def load_tower(folder: Path) -> SentenceTransformer:
    """The tower saved in a student's folder."""
    with quiet():
        return SentenceTransformer(
            str(folder / TOWER), device=str(device()), local_files_only=True, model_kwargs=LOADING
        )


def save(tower: SentenceTransformer, head: Head, folder: Path) -> None:
    """Write a student's folder: `tower/`, `head.safetensors`, `head.json`."""
    tower.save_pretrained(str(folder / TOWER), create_model_card=False)
    head.save(folder)
