"""SearchSAGE: vectors of queries and Pins whose cosine tells what is engaged with, learnt from the search log alone.

Two small towers stand on the untuned encoder's vectors, so that any text has a vector, whether or not anybody clicked.
They learn by sampled softmax: each engaged pair against the Pins of the other pairs of its batch. Popular Pins are in
batches more often, so the logarithm of how often is taken off their scores (Yi et al. 2019, "Sampling-bias-corrected
neural modeling for large corpus item recommendations"); Pins that the query is engaged with are no negatives.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.feather as feather
import pyarrow.parquet as pq
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from limbeck.progress import track
from limbeck.signals.exposures import ACTIONS
from limbeck.signals.signal import Group, Read

VERSION = 1  # raise it when the same log is to give other vectors
SIZE, HIDDEN = 32, 256
BATCH, EPOCHS, RATE = 512, 4, 1e-3
TEMPERATURE = 0.1
ROWS_AT_ONCE = 65_536
WEIGHTS = "towers.safetensors"


NOBODY = pa.table(
    {"query": pa.array([], pa.string()), "pin_id": pa.array([], pa.string()), "weight": pa.array([], pa.int64())}
)


class Tower(nn.Module):
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


class Towers(nn.Module):
    """The two towers; they begin as the same projection, so that their cosine begins as the untuned one's likeness."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.query, self.pin = Tower(size), Tower(size)
        nn.init.orthogonal_(self.query.straight.weight)
        self.pin.straight.load_state_dict(self.query.straight.state_dict())

    @classmethod
    def load(cls, folder: Path) -> "Towers":
        """The towers that `build` wrote."""
        weights = load_file(folder / WEIGHTS)
        towers = cls(weights["query.straight.weight"].shape[1])
        towers.load_state_dict(weights)
        return towers.eval()

    def queries(self, base: np.ndarray) -> np.ndarray:
        """Vectors of queries by their untuned vectors (n, d): float32 (n, SIZE)."""
        return _through(self.query, base)

    def pins(self, base: np.ndarray) -> np.ndarray:
        """Vectors of Pins by their untuned vectors (n, d): float32 (n, SIZE)."""
        return _through(self.pin, base)


class SearchSage:
    """The cosine of a query and a Pin, and the vectors of both, as a signal."""

    groups: tuple[Group, ...] = (
        Group("searchsage.query", "query", tuple(map(str, range(SIZE)))),
        Group("searchsage.pin", "pin", tuple(map(str, range(SIZE)))),
        Group("searchsage", "pair", ("cosine",)),
    )

    def __init__(self, folder: Path, pin_ids: Sequence[str], read: Read) -> None:
        """Open what `build` wrote; Pins are known by their place in `pin_ids`, queries by what is `read` of them."""
        self._read, self.towers = read, Towers.load(folder)
        self._pins, self._row = _mapped(folder, pin_ids)

    def columns(
        self, queries: Sequence[str], asked: np.ndarray, rows: np.ndarray, base: np.ndarray | None = None
    ) -> np.ndarray:
        """As `Signal.columns`."""
        query = self.towers.queries(self._read(queries))[asked] if queries else np.zeros((0, SIZE), np.float32)
        pin = _taken(self._pins, self._row[rows])
        if base is not None:
            pin = np.where((rows < 0)[:, None], self.towers.pins(base), pin)
        return np.concatenate([query, pin, np.einsum("nd,nd->n", query, pin)[:, None]], axis=1)


def vectors(folder: Path, pin_ids: Sequence[str]) -> np.ndarray:
    """Vectors of Pins that `build` wrote, float32 (n, SIZE); NaN for Pins that had no text then."""
    found, row = _mapped(folder, pin_ids)
    return _taken(found, row[:-1])


def _mapped(folder: Path, pin_ids: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """The vectors as they lie on the disk, and where each Pin's is: −1 for those that had no text; one more, −1."""
    known = feather.read_table(folder / "pins.arrow").column("pin_id")
    found = np.asarray(np.load(folder / "pins.npy", mmap_mode="r"))
    row = pc.fill_null(pc.index_in(pa.array(pin_ids, pa.string()), known), -1).to_numpy()
    return found, np.append(row, -1).astype(np.int32)


def _taken(found: np.ndarray, row: np.ndarray) -> np.ndarray:
    """Rows of the vectors; NaN where there is none."""
    if not len(found):
        return np.full((len(row), found.shape[1]), np.nan, np.float32)
    return np.where((row >= 0)[:, None], found[row], np.float32(np.nan))


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
    towers = Towers(base.shape[1])
    if len(pairs):
        asked = read(query.dictionary.to_pylist())
        number = query.indices.to_numpy().astype(np.int64)
        _train(towers, (asked, number), (base, pin), pairs.column("weight").to_numpy().astype(np.float64), seed)
    save_file(towers.state_dict(), out / WEIGHTS)
    feather.write_feather(pa.table({"pin_id": pa.array(pin_ids, pa.string())}), out / "pins.arrow")
    np.save(out / "pins.npy", towers.eval().pins(base), allow_pickle=False)


Side = tuple[np.ndarray, np.ndarray]  # untuned vectors, and which of them each pair has


def _train(towers: Towers, queries: Side, pins: Side, weight: np.ndarray, seed: int) -> None:
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


def _loss(towers: Towers, queries: Side, pins: Side, correction: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of each query's own Pin among those of the batch."""
    query, pin = (torch.from_numpy(rows) for _, rows in (queries, pins))
    asked, found = towers.query(torch.from_numpy(queries[0][query])), towers.pin(torch.from_numpy(pins[0][pin]))
    scores = asked @ found.T / TEMPERATURE - correction[pin]
    same = (pin[:, None] == pin) | (query[:, None] == query)
    same.fill_diagonal_(False)
    return nn.functional.cross_entropy(scores.masked_fill(same, -torch.inf), torch.arange(len(pin)))


@torch.inference_mode()
def _through(tower: Tower, base: np.ndarray) -> np.ndarray:
    parts = [tower(torch.tensor(base[i : i + ROWS_AT_ONCE])).numpy() for i in range(0, len(base), ROWS_AT_ONCE)]
    return np.concatenate([np.zeros((0, SIZE), np.float32), *parts])
