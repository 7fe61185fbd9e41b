"""The way in: a generated world as input tables, shard by shard, and as pictures.

Every shard depends on the settings, the seed and its own number alone, so that a run that was killed resumes.
"""

from collections.abc import Callable
from functools import partial

import pyarrow as pa

from limbeck.errors import InputError
from limbeck.settings import World
from limbeck.sources.world.boards import board_table
from limbeck.sources.world.captions import captions
from limbeck.sources.world.links import category_pages, own_pages
from limbeck.sources.world.logs import impressions
from limbeck.sources.world.pictures import draw
from limbeck.sources.world.pins import pins
from limbeck.sources.world.raters import heldout, judgments
from limbeck.sources.world.saves import saves

Shards = dict[str, Callable[[], pa.Table]]
LEAST = {"pins": 100, "users": 10, "searches": 1}  # below that, there is nothing to search for, or nobody who searches

__all__ = ["check", "draw", "shards"]


def shards(settings: World, seed: int) -> dict[str, Shards]:
    """For each input table its shards by key, each a function that makes it; without pictures there are no captions."""
    check(settings)
    of_pins = -(-settings.pins // settings.pins_per_shard)
    of_pictures = of_pins if settings.pictures else 0
    of_log = -(-settings.searches // settings.searches_per_shard)
    tables: dict[str, list[Callable[[], pa.Table]]] = {
        "pins": [partial(pins, settings, seed, number) for number in range(of_pins)],
        "boards": [partial(board_table, settings, seed)],
        "saves": [partial(saves, settings, seed, number, of_log) for number in range(of_log)],
        "links": [partial(own_pages, settings, seed, number) for number in range(of_pins)],
        "impressions": [partial(impressions, settings, seed, number) for number in range(of_log)],
        "judgments": [partial(judgments, settings, seed)],
        "heldout": [partial(heldout, settings, seed)],
        "captions": [partial(captions, settings, seed, number) for number in range(of_pictures)],
    }
    tables["links"].append(partial(category_pages, settings, seed))
    return {name: {f"{number:05d}": make for number, make in enumerate(makers)} for name, makers in tables.items()}


def check(settings: World) -> None:
    """Refuse a world that is too small to be one."""
    for field, value in vars(settings).items():
        least = LEAST.get(field, 1)
        if field != "pictures" and value < least:
            raise InputError(f"world.{field} is {value}", remedy=f"The least is {least}")
