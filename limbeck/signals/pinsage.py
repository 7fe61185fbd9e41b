"""PinSAGE: vectors of Pins by what they say and by the company they keep on boards (arXiv 1806.01973).

A Pin's neighbourhood is what random walks over Pins and boards visit most, weighted by how often. A small network makes
a vector of the Pin's untuned vector and the weighted mean of those of its neighbours. A Pin that is on no board is its
own neighbourhood, so that new Pins, and any text, have a vector without retraining.

The paper puts each neighbour through a layer before the mean, and convolves twice. Here walks reach two boards far, and
the mean is of the vectors as they are, which is many times cheaper; and its margin loss is a sampled softmax.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn

from limbeck.signals.searchsage import vectors
from limbeck.signals.signal import Group, Read

SIZE, HIDDEN = 32, 128
ROWS_AT_ONCE = 2_048
WEIGHTS = "convolution.safetensors"


class Convolution(nn.Module):
    """From untuned vectors of Pins and of their neighbourhoods, (n, d) each, to unit vectors (n, SIZE)."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.own, self.around = nn.Linear(size, SIZE, bias=False), nn.Linear(size, SIZE, bias=False)
        self.hidden, self.out = nn.Linear(2 * size, HIDDEN), nn.Linear(HIDDEN, SIZE, bias=False)
        nn.init.orthogonal_(self.own.weight)
        self.around.load_state_dict(self.own.state_dict())
        nn.init.zeros_(self.out.weight)

    @classmethod
    def load(cls, folder: Path) -> "Convolution":
        """The network that `build` wrote."""
        weights = load_file(folder / WEIGHTS)
        found = cls(weights["own.weight"].shape[1])
        found.load_state_dict(weights)
        return found.eval()

    def forward(self, own: torch.Tensor, around: torch.Tensor) -> torch.Tensor:
        """Unit vectors."""
        hidden = torch.relu(self.hidden(torch.cat([own, around], dim=1)))
        return nn.functional.normalize(self.own(own) + self.around(around) + self.out(hidden), dim=1)

    @torch.inference_mode()
    def alone(self, base: np.ndarray) -> np.ndarray:
        """Vectors of texts, or of Pins on no board, by their untuned vectors (n, d): float32 (n, SIZE)."""
        parts = [np.zeros((0, SIZE), np.float32)]
        for begin in range(0, len(base), ROWS_AT_ONCE):
            own = nn.functional.normalize(torch.tensor(base[begin : begin + ROWS_AT_ONCE]), dim=1)
            parts.append(self(own, own).numpy())
        return np.concatenate(parts)


class PinSage:
    """A Pin's vector, and the cosine of it and the query's, read as a Pin that says the query, as a signal."""

    groups: tuple[Group, ...] = (
        Group("pinsage.pin", "pin", tuple(map(str, range(SIZE)))),
        Group("pinsage", "pair", ("cosine",)),
    )

    def __init__(self, folder: Path, pin_ids: Sequence[str], read: Read) -> None:
        """Open what `build` wrote; Pins are known by their place in `pin_ids`, queries by what is `read` of them."""
        self._read, self.convolution = read, Convolution.load(folder)
        self._pins = np.concatenate([vectors(folder, pin_ids), np.full((1, SIZE), np.nan, np.float32)])

    def columns(
        self, queries: Sequence[str], asked: np.ndarray, rows: np.ndarray, base: np.ndarray | None = None
    ) -> np.ndarray:
        """As `Signal.columns`."""
        query = self.convolution.alone(self._read(queries))[asked] if queries else np.zeros((0, SIZE), np.float32)
        pin = self._pins[rows]
        if base is not None:
            pin = np.where((rows < 0)[:, None], self.convolution.alone(base), pin)
        return np.concatenate([pin, np.einsum("nd,nd->n", query, pin)[:, None]], axis=1)
