"""Which texts of an earlier run stay: those of the same settings, and none where models are to read otherwise."""

import dataclasses

import pyarrow as pa
import pytest

from limbeck import composing, records
from limbeck.making import Run
from limbeck.settings import Recipe, Teacher, Text
from limbeck.workspace import Made, Workspace, digest_of

TITLE = "one two three four five six seven eight nine ten"


def told(ws, title):
    row = {**dict.fromkeys(records.schema("pin_texts").names), "pin_id": "a", "title": title}
    row |= {"board_titles": [], "engaged_queries": [], "digest": digest_of(title)}
    rows = pa.Table.from_pylist([row], schema=records.schema("pin_texts"))
    ws.write_table("pin_texts", Made(settings={"title": title}), {"00000": lambda: rows})


def read(ws, recipe):
    """What models read of the Pin after a run."""
    composing.compose(Run(recipe, ws, {}))
    return ws.table("composed").column("text")[0].as_py()


@pytest.fixture
def recipe(tiny_encoder):
    return Recipe("mine", text=Text(meaningful_change=0.9), teacher=Teacher(backbone=str(tiny_encoder)))


def test_a_text_stays_until_enough_of_it_changed_or_the_settings_did(recipe, tmp_path):
    ws = Workspace(tmp_path)
    told(ws, TITLE)
    assert read(ws, recipe) == TITLE
    told(ws, TITLE + " eleven")
    assert read(ws, recipe) == TITLE
    told(ws, TITLE + " twelve")
    assert read(ws, recipe) == TITLE
    assert read(ws, dataclasses.replace(recipe, text=Text())) == TITLE + " twelve"
    told(ws, TITLE)
    assert read(ws, recipe) == TITLE + " twelve"
    fewer = dataclasses.replace(recipe.text, sources=("title", "caption"))
    assert read(ws, dataclasses.replace(recipe, text=fewer)) == TITLE


def test_a_table_of_an_older_version_is_made_anew(recipe, tmp_path):
    ws = Workspace(tmp_path)
    told(ws, TITLE)
    old = ws.made_from(["pin_texts"], rendering={"max_tokens": 96})
    rows = pa.table(
        {"pin_id": ["a"], "text": ["old"], "digest": ["x"], "said": ["y"]}, schema=records.schema("composed")
    )
    ws.write_table("composed", old, {"00000": lambda: rows})
    assert read(ws, recipe) == TITLE
