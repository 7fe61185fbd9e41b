"""How PinSAGE learns: Pins of one board are to be nearer than those of other pairs, and than strangers met by walks."""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from limbeck.progress import track
from limbeck.signals import pin_graph
from limbeck.signals.pin_content import Content
from limbeck.signals.pin_graph import Graph
from limbeck.signals.pinsage import ROWS_AT_ONCE, SIZE, WEIGHTS

VERSION = 1  # raise it when the same saves are to give other vectors
BATCH, RATE = 512, 2e-3
EPOCHS, FEW, MOST = 4, 200, 2_000  # passes over a small graph; steps on a larger one, or half a pass; steps at most
TEMPERATURE = 0.1
HARD = 0.5  # strangers beside each pair by the end of training; there are none when it begins
HIDDEN = 128
ALONE = 0.1  # how often a Pin is taken for a new one, on no board


class Network(nn.Module):
    """From untuned vectors of Pins and of their neighbourhoods, (n, d) each, to unit vectors (n, SIZE)."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.own, self.around = nn.Linear(size, SIZE, bias=False), nn.Linear(size, SIZE, bias=False)
        self.hidden, self.out = nn.Linear(2 * size, HIDDEN), nn.Linear(HIDDEN, SIZE, bias=False)
        nn.init.orthogonal_(self.own.weight)
        self.around.load_state_dict(self.own.state_dict())
        nn.init.zeros_(self.out.weight)

    def forward(self, own: torch.Tensor, around: torch.Tensor) -> torch.Tensor:
        """Unit vectors."""
        hidden = torch.relu(self.hidden(torch.cat([own, around], dim=1)))
        return nn.functional.normalize(self.own(own) + self.around(around) + self.out(hidden), dim=1)


class Pairs(NamedTuple):
    """Two Pins of one board each, (n,) int64."""

    board: np.ndarray
    pin: np.ndarray
    other: np.ndarray


def build(content: Content, pin_ids: Sequence[str], seed: int, out: Path) -> None:
    """Learn from the graph, and write the network and the vectors of all Pins into `out`.

    The same seed, vectors and graph give the same bytes.
    """
    torch.manual_seed(seed)
    convolution = Network(content.base.shape[1])
    train(convolution, content, seed)
    save_file(convolution.state_dict(), out / WEIGHTS)
    _save_pins(convolution, content, pin_ids, seed, out)


def renew(learnt: Path, content: Content, pin_ids: Sequence[str], seed: int, out: Path) -> None:
    """Write the network that was learnt into another folder, and the vectors of these Pins by it, into `out`."""
    convolution = Network(content.base.shape[1])
    convolution.load_state_dict(load_file(learnt / WEIGHTS))
    shutil.copyfile(learnt / WEIGHTS, out / WEIGHTS)
    _save_pins(convolution, content, pin_ids, seed, out)


def _save_pins(convolution: Network, content: Content, pin_ids: Sequence[str], seed: int, out: Path) -> None:
    feather.write_feather(pa.table({"pin_id": pa.array(pin_ids, pa.string())}), out / "pins.arrow")
    np.save(out / "pins.npy", all_vectors(convolution.eval(), content, seed), allow_pickle=False)


@torch.inference_mode()
def all_vectors(convolution: Network, content: Content, seed: int) -> np.ndarray:
    """Vectors of all Pins, float32 (pins, SIZE)."""
    found = np.empty((len(content.base), SIZE), np.float32)
    with track("PinSAGE vectors", len(found), "Pins") as advance:
        for begin in range(0, len(found), ROWS_AT_ONCE):
            pins = np.arange(begin, min(begin + ROWS_AT_ONCE, len(found)))
            found[pins] = convolution(*content.read(pins, np.full(len(pins), -1), seed)).numpy()
            advance(len(pins))
    return found


def train(convolution: Network, content: Content, seed: int) -> None:
    """Train on pairs of Pins on the same board, each board by its size."""
    graph, random = content.graph, np.random.default_rng(seed)
    size = np.diff(graph.of_board)
    shared = int(size[size > 1].sum())
    if not shared:
        return
    once = -(-shared // BATCH)
    steps = min(EPOCHS * once, max(once // 2, FEW), MOST)
    share = np.diff(graph.of_pin) / len(graph.pins)
    correction = torch.from_numpy(np.log(np.maximum(share, 1e-12)).astype(np.float32))
    optimizer = torch.optim.AdamW(convolution.parameters(), lr=RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    with track("PinSAGE", steps, "steps") as advance:
        for step, pairs in enumerate(drawn(graph, random, steps)):
            hard = pin_graph.strangers(graph, pairs.pin[: round(HARD * BATCH * step / steps)], seed + step)
            loss = _loss(convolution, content, pairs, hard[hard >= 0].astype(np.int64), correction, random)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            advance(1)


def drawn(graph: Graph, random: np.random.Generator, batches: int) -> Iterator[Pairs]:
    """Batches of pairs: any Pin of any board that has several, and another one of it."""
    size = np.diff(graph.of_board)
    ends = np.where(size > 1, size, 0).cumsum()
    for _ in range(batches):
        save = random.integers(0, ends[-1], BATCH)
        board = np.searchsorted(ends, save, "right")
        first, many = graph.of_board[board], size[board]
        place = save - (ends[board] - many)
        other = (place + random.integers(1, many)) % many
        yield Pairs(board, graph.pins[first + place].astype(np.int64), graph.pins[first + other].astype(np.int64))


def _loss(
    convolution: Network,
    content: Content,
    pairs: Pairs,
    hard: np.ndarray,
    correction: torch.Tensor,
    random: np.random.Generator,
) -> torch.Tensor:
    """Cross-entropy of each Pin's partner among those of the batch and the strangers `hard`.

    Walks leave out the pair's own board: it is what is to be found, and would give the answer away.
    """
    count, pins = len(pairs.pin), np.concatenate([pairs.pin, pairs.other, hard])
    avoided = np.concatenate([pairs.board, pairs.board, np.full(len(hard), -1)])
    alone = random.random(len(pins)) < ALONE
    made, candidates = convolution(*content.read(pins, avoided, int(random.integers(1 << 32)), alone)), pins[count:]
    scores = made[:count] @ made[count:].T / TEMPERATURE - correction[candidates]
    same = (candidates == pairs.pin[:, None]) | (candidates == pairs.other[:, None])
    same[:, :count] |= pairs.board[:, None] == pairs.board
    np.fill_diagonal(same, False)
    return nn.functional.cross_entropy(scores.masked_fill(torch.from_numpy(same), -torch.inf), torch.arange(count))
