"""The tables as a whole: declared columns, whole references, the same from the same seed in whatever order."""

import dataclasses
import hashlib
import json
import subprocess
import sys

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from small_worlds import SEED, SETTINGS, TINY, Made, make

from limbeck import records
from limbeck.errors import InputError
from limbeck.settings import World
from limbeck.sources.world import boards, catalogue, generate, logs, people, queries

CACHED = (boards.boards, catalogue.catalogue, logs.log, logs._shelves, people.users, queries.queries)
DIGEST = """
import dataclasses, hashlib, json, sys
import pyarrow as pa
from limbeck.settings import World
from limbeck.sources.world import generate
out = {}
for name, shards in generate.shards(World(**json.loads(sys.argv[1])), int(sys.argv[2])).items():
    out[name] = hashlib.sha256(repr([make().to_pylist() for make in shards.values()]).encode()).hexdigest()
print(json.dumps(out))
"""


TABLES = set(records.INPUTS) - {"interests"}  # nobody in the world says what is about what


def digest(shards: dict) -> str:
    return hashlib.sha256(repr([make().to_pylist() for make in shards.values()]).encode()).hexdigest()


def test_tables_have_exactly_the_declared_columns(small: Made) -> None:
    assert set(small.tables) == TABLES
    for name, rows in small.tables.items():
        assert rows.schema.equals(records.schema(name)), name
        assert records.conform(rows, name).num_rows > 0


def test_the_same_seed_makes_the_same_world_in_another_process(tiny: Made) -> None:
    here = {name: digest(shards) for name, shards in generate.shards(TINY, SEED).items()}
    command = [sys.executable, "-c", DIGEST, json.dumps(dataclasses.asdict(TINY)), str(SEED)]
    there = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert json.loads(there) == here


def test_another_seed_makes_another_world(tiny: Made) -> None:
    other = make(TINY, SEED + 1)
    assert all(not other[name].equals(tiny.tables[name]) for name in TABLES)


def test_a_shard_does_not_depend_on_what_was_made_before(tiny: Made) -> None:
    shards = generate.shards(TINY, SEED)
    assert sum(len(of_table) > 1 for of_table in shards.values()) > 1
    for name in reversed(list(shards)):
        made = {}
        for key in reversed(list(shards[name])):
            for cached in CACHED:
                cached.cache_clear()
            made[key] = shards[name][key]()
        assert pa.concat_tables([made[key] for key in shards[name]]).equals(tiny.tables[name]), name


def test_keys_are_unique_and_references_whole(small: Made) -> None:
    tables = small.tables
    for name in ("pins", "boards", "links", "captions"):
        (key,) = records.KEYS[name]
        assert pc.count_distinct(tables[name][key]).as_py() == tables[name].num_rows
    pins = set(tables["pins"]["pin_id"].to_pylist())
    for name in ("saves", "impressions", "judgments", "heldout", "captions"):
        assert set(tables[name]["pin_id"].to_pylist()) <= pins
    assert set(tables["saves"]["board_id"].to_pylist()) <= set(tables["boards"]["board_id"].to_pylist())
    linked = set(tables["pins"]["link"].drop_null().to_pylist())
    assert linked == set(tables["links"]["link"].to_pylist())


def test_only_pictured_pins_have_captions(small: Made) -> None:
    pins = small.tables["pins"]
    pictured = set(pins.filter(pc.is_valid(pins["image"]))["pin_id"].to_pylist())
    assert set(small.tables["captions"]["pin_id"].to_pylist()) < pictured
    assert len(pictured) < pins.num_rows


def test_without_pictures_there_are_neither_images_nor_captions() -> None:
    made = generate.shards(World(pins=200, users=40, searches=300, pictures=False), SEED)
    assert made["captions"] == {}
    assert made["pins"]["00000"]()["image"].null_count == 200


def test_identifiers_tell_nothing(small: Made) -> None:
    """Ids are digits in no order: neighbours among the sorted ids are of the same thing no more often than others."""
    world = catalogue.catalogue(SETTINGS, SEED)
    thing = world.facets.thing[world.pin_ids.argsort()]
    assert (thing[1:] == thing[:-1]).mean() < 0.1
    assert all(pin.isdigit() for pin in small.tables["pins"]["pin_id"].to_pylist())


def test_sizes_follow_the_settings(small: Made) -> None:
    tables = small.tables
    assert tables["pins"].num_rows == SETTINGS.pins
    assert pc.count_distinct(tables["impressions"]["search_id"]).as_py() == SETTINGS.searches
    assert tables["boards"].num_rows == SETTINGS.users * boards.BOARDS_PER_USER
    pairs = tables["judgments"].group_by(["query", "pin_id"]).aggregate([])
    assert 0.9 * SETTINGS.judged_pairs <= pairs.num_rows <= SETTINGS.judged_pairs
    assert 0.9 * SETTINGS.heldout_pairs <= tables["heldout"].num_rows <= SETTINGS.heldout_pairs


def test_a_tiny_world_has_everything(tiny: Made) -> None:
    assert all(rows.num_rows > 0 for rows in tiny.tables.values())
    assert set(tiny.tables["heldout"]["level"].to_pylist()) == {1, 2, 3, 4, 5}


@pytest.mark.parametrize(("field", "value"), [("pins", 20), ("users", 3), ("searches", 0), ("raters", 0), ("days", -1)])
def test_a_world_too_small_is_refused(field: str, value: int) -> None:
    with pytest.raises(InputError, match=rf"world\.{field} is {value}"):
        generate.shards(World(**{field: value}), SEED)
