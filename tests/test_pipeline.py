"""Whole runs: what they make, what they make again and why, and what may not leak from the held-out queries."""

import hashlib
import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tiny_run
from tiny_run import RECIPE, TINY, Home

from limbeck import assembly, pipeline
from limbeck.records import INPUTS, KEYS, RECORDS, schema
from limbeck.settings import read
from limbeck.workspace import Workspace

MODELS = {"models/teacher", "models/student", "models/student-30", "models/student-human"}
INDEXES = {"images/pins", "evidence/parts", "signals/match", "index/lexical", "index/nearest"}
MEASURED = {"evaluation/grades", "evaluation/measures", "report/page"}
SEARCHABLE = {"pin_vectors", "index/nearest"}


def test_a_run_makes_every_table_model_and_index(finished):
    assert set(finished.ended.made) == {*RECORDS, *MODELS, *INDEXES, *MEASURED}
    assert set(finished.ended.made.values()) == {"not made yet"}
    assert not finished.ended.skipped
    assert (finished.root / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")


@pytest.mark.parametrize("table", RECORDS)
def test_every_shard_has_exactly_the_declared_columns(finished, table):
    files = sorted((finished.root / "tables" / table).iterdir())
    assert files
    for file in files:
        assert pq.read_schema(file).equals(schema(table))


@pytest.mark.parametrize("table", KEYS)
def test_keys_are_unique(finished, table):
    rows = Workspace(finished.root).table(table, KEYS[table])
    assert rows.num_rows == rows.group_by(list(KEYS[table])).aggregate([]).num_rows > 0


def test_a_second_run_makes_nothing_and_says_so(home, copy, finished):
    before = tiny_run.finished_files(copy)
    again = home.run(copy)
    assert again.made == {}
    assert set(again.skipped) == set(finished.ended.made)
    assert all(event["made"] == [] for event in again.events if event["event"] == "done")
    assert tiny_run.finished_files(copy) == before


def test_the_same_recipe_and_seed_give_the_same_bytes(home, finished, tmp_path):
    home.run(tmp_path / "twin")
    assert tiny_run.contents(tmp_path / "twin") == finished.contents


KNOBS = [
    ("measure", "bootstrap", 60, "evaluation/measures", {"report/page"}),
    ("student", "epochs", 2, "models/student", (MODELS - {"models/teacher"}) | SEARCHABLE | MEASURED),
    (
        "teacher",
        "epochs",
        2,
        "models/teacher",
        {"soft_labels", "models/student", "models/student-30"} | SEARCHABLE | MEASURED,
    ),
    ("text", "max_tokens", 24, "composed", {"soft_labels", "encoder_vectors"} | MODELS | SEARCHABLE | MEASURED),
]


@pytest.mark.parametrize(("part", "knob", "value", "first", "others"), KNOBS, ids=lambda v: v if isinstance(v, str) else "")
def test_a_knob_remakes_exactly_what_depends_on_it(home, copy, part, knob, value, first, others):
    ended = home.run(copy, home.write(f"{part}-{knob}", **{part: {knob: value}}))
    assert set(ended.made) == {first, *others}
    assert f"{knob} was {RECIPE[part][knob]}, is {value}" in ended.made[first]
    named = (f"{knob} was", "changed")
    assert all(any(word in why for word in named) for why in ended.made.values()), ended.made


@pytest.mark.parametrize("pattern", ["tables/impressions/00001-*", "tables/soft_labels/00000-*", "models/student-*/tower/*"])
def test_a_file_that_is_gone_is_remade_and_nothing_else(home, copy, finished, pattern):
    gone = next(p for p in sorted(copy.glob(pattern)) if p.is_file())
    before = tiny_run.finished_files(copy)
    gone.unlink()
    ended = home.run(copy)
    name = "/".join(gone.relative_to(copy).parts[:2]).removeprefix("tables/")
    name = next(n for n in finished.order if n in (name, name[:-17]))
    assert set(ended.made) == {name}
    assert ended.made[name] == f"{gone.relative_to(copy / 'tables' / name if name in RECORDS else copy / Path(name).parent)} is gone"
    assert tiny_run.contents(copy) == finished.contents
