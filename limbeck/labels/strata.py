"""Stratified sampling by hash: what is taken does not depend on the order of rows, and a larger sample only adds."""

import heapq
from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from limbeck.records import conform, empty


def allocate(sizes: Mapping[str, int], wanted: int, power: float) -> dict[str, int]:
    """How many of each stratum to take: in proportion to size ** power, never more than there are, `wanted` in all.

    Below 1, the power keeps small languages and countries alive. Places are given out one after the other, each to
    the stratum that has the fewest for its due; so a larger `wanted` gives no stratum fewer.
    """
    taken = dict.fromkeys(sizes, 0)
    queue = [(0.0, name) for name, size in sizes.items() if size]
    heapq.heapify(queue)
    for _ in range(min(wanted, sum(sizes.values()))):
        _, name = queue[0]
        taken[name] += 1
        if taken[name] < sizes[name]:
            heapq.heapreplace(queue, (taken[name] / sizes[name] ** power, name))
        else:
            heapq.heappop(queue)
    return taken


def sample(population: pa.Table, wanted: int, power: float) -> pa.Table:
    """Of each stratum the pairs with the lowest hashes, as many as are allocated to it; as the `pairs` table.

    `population` has the columns of `pairs` but for `weight`, texts dictionary-encoded in one chunk, and `hash`.
    """
    if not len(population):
        return empty("pairs")
    stratum = population.column("stratum").chunk(0)
    code, hashes = stratum.indices.to_numpy(), population.column("hash").to_numpy()
    names, counts = stratum.dictionary.to_pylist(), np.bincount(code, minlength=len(stratum.dictionary))
    allocation = allocate(dict(zip(names, counts.tolist())), wanted, power)
    taken = np.array([allocation[name] for name in names])
    chosen = _lowest(code, hashes, counts, taken)
    weights = (counts / np.maximum(taken, 1))[code[chosen]]
    rows = population.take(pa.array(chosen)).drop_columns(["hash"])
    return conform(rows.append_column("weight", pa.array(weights)), "pairs")


def _lowest(code: np.ndarray, hashes: np.ndarray, counts: np.ndarray, taken: np.ndarray) -> np.ndarray:
    """The rows among the first `taken` of their stratum by hash."""
    order = np.lexsort((hashes, code))
    code = code[order]
    rank = np.arange(len(order)) - (np.cumsum(counts) - counts)[code]
    return order[rank < taken[code]]
