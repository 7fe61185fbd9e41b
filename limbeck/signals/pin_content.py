"""What PinSAGE learns from: the graph of saves, and the untuned vectors of its Pins, on the disk at half precision."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch
from torch import nn

from limbeck.signals import pin_graph
from limbeck.signals.pin_graph import Graph


class Content:
    """Unit untuned vectors (pins, d) of 16 bits, and the graph that the Pins are in."""

    def __init__(self, base: np.ndarray, graph: Graph) -> None:
        self.base, self.graph = base, graph

    def read(
        self, pins: np.ndarray, avoided: np.ndarray, seed: int, alone: np.ndarray | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Pins' own vectors and the weighted means of their neighbours', float32 (n, d) each.

        Walks leave out the boards `avoided` (n,); Pins that are `alone` (n,) are taken for new ones.
        """
        found, share = map(torch.from_numpy, pin_graph.neighbours(self.graph, pins, avoided, seed))
        # As half precision goes through, gathered and summed in one kernel: thirty times as fast as in three.
        rows = torch.from_numpy(self.base)
        around = nn.functional.embedding_bag(found, rows, per_sample_weights=share.half(), mode="sum").float()
        own = torch.from_numpy(self.base[pins]).float()
        if alone is not None:
            around = torch.where(torch.from_numpy(alone)[:, None], own, around)
        return own, around


def halved(shards: Sequence[Path], file: Path) -> tuple[pa.Array, np.ndarray]:
    """Ids of Pins, and their unit vectors, float16 (pins, d), mapped from `file`; a shard is in memory at once."""
    rows = [pq.read_metadata(path).num_rows for path in shards]
    ids: list[pa.Array] = []
    base: np.ndarray | None = None
    for path in shards:
        table = pq.read_table(path, columns=["pin_id", "vector"])
        if not len(table):
            continue
        part = table.column("vector").combine_chunks().flatten().to_numpy().reshape(len(table), -1)
        if base is None:
            base = np.lib.format.open_memmap(file, "w+", np.float16, (sum(rows), part.shape[1]))
        begin = sum(map(len, ids))
        base[begin : begin + len(part)] = part / np.maximum(np.linalg.norm(part, axis=1, keepdims=True), 1e-12)
        ids += table.column("pin_id").chunks
    return pa.chunked_array(ids, pa.string()).combine_chunks(), np.zeros((0, 0), np.float16) if base is None else base


def graph(saves: Sequence[Path], pin_ids: pa.Array, engaged: pa.Table | None = None) -> Graph:
    """Which Pins are on which boards. Saves of Pins that are gone count for nothing.

    With `engaged` (query, pin_id), every query is one more board: of the Pins that somebody acted on for it.
    """
    table = pa.concat_tables([pq.read_table(path, columns=["pin_id", "board_id"]) for path in saves])
    pin, board, boards = _numbered(table.column("pin_id"), table.column("board_id"), pin_ids)
    if engaged is not None:
        of_query, query, queries = _numbered(engaged.column("pin_id"), engaged.column("query"), pin_ids)
        pin, board = np.concatenate([pin, of_query]), np.concatenate([board, query + boards])
        boards += queries
    return pin_graph.of(pin, board, len(pin_ids), boards)


def _numbered(pins: pa.ChunkedArray, names: pa.ChunkedArray, pin_ids: pa.Array) -> tuple[np.ndarray, np.ndarray, int]:
    """Row numbers of Pins that are known, numbers of the names beside them, and how many names there are."""
    row = pc.index_in(pins, pin_ids)
    encoded = names.combine_chunks().dictionary_encode()
    known = pc.is_valid(row)
    number = encoded.indices.filter(known.combine_chunks()).to_numpy().astype(np.int32)
    return row.drop_null().to_numpy().astype(np.int32), number, len(encoded.dictionary)
