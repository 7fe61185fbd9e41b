"""SearchSAGE: vectors of queries and Pins whose cosine tells what is engaged with, learnt from the search log alone.

Two small towers stand on the untuned encoder's vectors, so that any text has a vector, whether or not anybody clicked.
They learn by sampled softmax: each engaged pair against the Pins of the other pairs of its batch. Popular Pins are in
batches more often, so the logarithm of how often is taken off their scores (Yi et al. 2019, "Sampling-bias-corrected
neural modeling for large corpus item recommendations"); Pins that the query is engaged with are no negatives.
"""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch
from safetensors.torch import save_file
from torch import nn

from limbeck.progress import track
from limbeck.records import ACTIONS
from limbeck.signals.sage import SIZE, WEIGHTS, save_pins
from limbeck.signals.signal import Read

VERSION = 1  # raise it when the same log is to give other vectors
HIDDEN = 256
BATCH, EPOCHS, RATE = 512, 4, 1e-3
TEMPERATURE = 0.1


NOBODY = pa.table(
    {"query": pa.array([], pa.string()), "pin_id": pa.array([], pa.string()), "weight": pa.array([], pa.int64())}
)


class _Tower(nn.Module):
    """From untuned vectors (n, d) to unit vectors (n, SIZE): a projection, corrected by a hidden layer."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.straight = nn.Linear(size, SIZE, bias=False)
        self.hidden, self.out = nn.Linear(size, HIDDEN), nn.Linear(HIDDEN, SIZE, bias=False)
        nn.init.zeros_(self.out.weight)

    def forward(self, base: torch.Tensor) -> torch.Tensor:
        """Unit vectors."""
        base = nn.functional.normalize(base, dim=1)
        return nn.functional.normalize(self.straight(base) + self.out(torch.relu(self.hidden(base))), dim=1)


class _Towers(nn.Module):
    """The two towers; they begin as the same projection, so that their cosine begins as the untuned one's likeness."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.query, self.pin = _Tower(size), _Tower(size)
        nn.init.orthogonal_(self.query.straight.weight)
        self.pin.straight.load_state_dict(self.query.straight.state_dict())


def engaged(exposures: Sequence[Path], allowed: Callable[[str], bool]) -> pa.Table:
    """The pairs of `allowed` queries that anybody acted on: query, pin_id, weight (clicks, long clicks and saves)."""
    parts = []
    for rows in map(pq.read_table, exposures):
        weight = sum(rows.column(action).to_numpy() for action in ACTIONS)
        rows = rows.select(["query", "pin_id"]).append_column("weight", pa.array(weight, pa.int64()))
        rows = rows.filter(pc.greater(rows.column("weight"), 0))
        parts.append(
            rows.group_by(["query", "pin_id"]).aggregate([("weight", "sum")]).rename_columns(rows.column_names)
        )
    found = (pa.concat_tables(parts) if parts else NOBODY).sort_by([("query", "ascending"), ("pin_id", "ascending")])
    encoded = found.column("query").combine_chunks().dictionary_encode()
    kept = pa.array([allowed(query) for query in encoded.dictionary.to_pylist()], pa.bool_())
    return found.filter(kept.take(encoded.indices))


def build(pairs: pa.Table, pin_ids: Sequence[str], base: np.ndarray, read: Read, seed: int, out: Path) -> None:
    """Learn from engaged pairs (query, pin_id, weight), and write towers and vectors of all Pins into `out`.

    `base` (pins, d) are the Pins' untuned vectors. The same seed and log give the same bytes.
    """
    row = pc.index_in(pairs.column("pin_id"), pa.array(pin_ids, pa.string()))
    pairs, pin = pairs.filter(pc.is_valid(row)), row.drop_null().to_numpy().astype(np.int64)
    query = pairs.column("query").combine_chunks().dictionary_encode()
    torch.manual_seed(seed)
    towers = _Towers(base.shape[1])
    if len(pairs):
        asked = read(query.dictionary.to_pylist())
        number = query.indices.to_numpy().astype(np.int64)
        _train(towers, (asked, number), (base, pin), pairs.column("weight").to_numpy().astype(np.float64), seed)
    save_file(towers.state_dict(), out / WEIGHTS)
    save_pins(pin_ids, base, out)


def renew(learnt: Path, pin_ids: Sequence[str], base: np.ndarray, out: Path) -> None:
    """Write the towers that were learnt into another folder, and the vectors of these Pins by them, into `out`."""
    shutil.copyfile(learnt / WEIGHTS, out / WEIGHTS)
    save_pins(pin_ids, base, out)


Side = tuple[np.ndarray, np.ndarray]  # untuned vectors, and which of them each pair has


def _train(towers: _Towers, queries: Side, pins: Side, weight: np.ndarray, seed: int) -> None:
    random = np.random.default_rng(seed)
    share = np.bincount(pins[1], weight, len(pins[0])) / weight.sum()
    correction = torch.from_numpy(np.log(np.maximum(share, 1e-12)).astype(np.float32))
    steps = max(1, round(EPOCHS * len(weight) / BATCH))
    optimizer = torch.optim.AdamW(towers.parameters(), lr=RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    chance = weight.cumsum() / weight.sum()
    with track("SearchSAGE", steps, "steps") as advance:
        for _ in range(steps):
            drawn = np.minimum(np.searchsorted(chance, random.random(BATCH), "right"), len(weight) - 1)
            loss = _loss(towers, (queries[0], queries[1][drawn]), (pins[0], pins[1][drawn]), correction)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            advance(1)


def _loss(towers: _Towers, queries: Side, pins: Side, correction: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of each query's own Pin among those of the batch."""
    query, pin = (torch.from_numpy(rows) for _, rows in (queries, pins))
    asked, found = towers.query(torch.from_numpy(queries[0][query])), towers.pin(torch.from_numpy(pins[0][pin]))
    scores = asked @ found.T / TEMPERATURE - correction[pin]
    same = (pin[:, None] == pin) | (query[:, None] == query)
    same.fill_diagonal_(False)
    return nn.functional.cross_entropy(scores.masked_fill(same, -torch.inf), torch.arange(len(pin)))
