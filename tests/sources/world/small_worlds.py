"""The small worlds that the tests look at, and how to make them."""

from dataclasses import dataclass

import pyarrow as pa

from limbeck.settings import World
from limbeck.sources.world import generate

SEED = 7
SETTINGS = World(
    pins=1_500,
    users=150,
    searches=2_000,
    judged_pairs=500,
    heldout_pairs=400,
    pins_per_shard=400,
    searches_per_shard=600,
)
TINY = World(
    pins=200, users=40, searches=300, judged_pairs=200, heldout_pairs=100, pins_per_shard=80, searches_per_shard=120
)


@dataclass(frozen=True)
class Made:
    """A world and all of its tables."""

    settings: World
    seed: int
    tables: dict[str, pa.Table]


def make(settings: World, seed: int) -> dict[str, pa.Table]:
    shards = generate.shards(settings, seed)
    return {name: pa.concat_tables([make() for make in of_table.values()]) for name, of_table in shards.items()}
