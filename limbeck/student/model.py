"""The student's shape: one tower that embeds queries and Pins apart, and a head that grades a pair of vectors.

    query ─► tower ─► q ┐
                        ├─► [q, p, q∘p, its mean, features] ─► feed-forward ─► five logits
    Pin   ─► tower ─► p ┘                     ▲
    match features, signals of (query, Pin) ──┘

The tower is a `SentenceTransformer` (Transformer, Pooling, Dense, LayerNorm) and loads as one, without Limbeck.
The head is a handful of matrices in safetensors (arXiv 2410.17152, section 3.3: a feed-forward student over embeddings
and text-match features). A signal that is missing stands at its mean, and a bit for its group says that it is missing.
Products q∘p are those of the vectors' first numbers: they alone cost time for every pair (`scoring.py`).
"""

import itertools
from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Dense
from sentence_transformers.sentence_transformer.modules import LayerNorm, Pooling
from torch import nn

from limbeck import pooling
from limbeck.backbone import LOADING, device, find, seed_everything
from limbeck.settings import Student
from limbeck.student.shape import WEIGHTS, Shape
from limbeck.training import load_transformer, quiet

TOWER = "tower"  # its folder in that of a model
ROWS_AT_ONCE = 65_536


class Head(nn.Module):
    """From query vectors (n, d), Pin vectors (n, d) and features (n, f) to logits (n, 5).

    The last features are those of the groups of signals, in their order; they may be NaN, a group as a whole.
    """

    mean: torch.Tensor
    scale: torch.Tensor

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self._firsts = [begin for _, begin, _ in shape.spans]
        self.register_buffer("mean", torch.zeros(len(shape.features)))
        self.register_buffer("scale", torch.ones(len(shape.features)))
        self.layers = nn.ModuleList([nn.Linear(a, b) for a, b in itertools.pairwise(shape.sizes)])

    def standardise(self, features: np.ndarray, left_out: Collection[str] = ()) -> None:
        """Take mean and spread of each feature from the training rows that have it.

        A constant feature keeps a spread of one; one that no row has, a mean of zero. Those that are left out stand at
        zero whatever they are, here and wherever the head is loaded.
        """
        known = sum((~np.isnan(part)).sum(axis=0) for part in _parts(features))
        count = np.maximum(known, 1)  # of a feature that no row has, too
        mean = sum(np.nansum(part, axis=0, dtype=np.float64) for part in _parts(features)) / count
        squares = sum(np.nansum((part - mean) ** 2, axis=0) for part in _parts(features))
        spread = np.sqrt(squares / count)
        self.mean.copy_(torch.from_numpy(mean))
        scale = np.where(spread > 1e-6, 1 / np.maximum(spread, 1e-6), 1)
        self.scale.copy_(torch.from_numpy(np.where([name in left_out for name in self.shape.features], 0, scale)))

    def forward(self, query: torch.Tensor, pin: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        """Logits (n, 5) of row-aligned vectors and features."""
        product = query[:, : self.shape.products] * pin[:, : self.shape.products]
        standard = torch.nan_to_num((features - self.mean) * self.scale, nan=0.0)
        missing = torch.isnan(features[:, self._firsts]).to(standard.dtype)
        hidden = torch.cat([query, pin, product, product.mean(dim=1, keepdim=True), standard, missing], dim=1)
        for layer in self.layers[:-1]:
            hidden = nn.functional.relu(layer(hidden))
        return self.layers[-1](hidden)

    def save(self, folder: Path) -> None:
        """Write the weights and the shape."""
        save_file(self.state_dict(), folder / WEIGHTS)
        self.shape.save(folder)

    @classmethod
    def load(cls, folder: Path) -> "Head":
        """The head saved in `folder`, ready to grade."""
        head = cls(Shape.load(folder))
        head.load_state_dict(load_file(folder / WEIGHTS))
        return head.eval()


def _parts(rows: np.ndarray) -> Iterator[np.ndarray]:
    """So many rows at a time that their sums may be in double precision: in single precision, they drift."""
    yield from (rows[begin : begin + ROWS_AT_ONCE] for begin in range(0, max(1, len(rows)), ROWS_AT_ONCE))


def create_tower(settings: Student, seed: int, folder: Path = Path(".")) -> SentenceTransformer:
    """A new tower on its pretrained backbone; the projection starts as random orthogonal directions from `seed`."""
    seed_everything(seed)
    with quiet():
        transformer = load_transformer(settings.backbone, settings.max_tokens, folder)
        size = transformer.get_embedding_dimension()
        projection = Dense(size, settings.vector_size, bias=False, activation_function=nn.Identity())
        nn.init.orthogonal_(projection.linear.weight)
        read = Pooling(size, pooling_mode=pooling.trained(find(settings.backbone, folder)) or "mean")
        modules = [transformer, read, projection, LayerNorm(settings.vector_size)]
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
