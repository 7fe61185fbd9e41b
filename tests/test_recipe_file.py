"""Recipes: what is read from TOML, and what is refused in which words."""

import dataclasses
import json
import types
import typing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limbeck import recipe_file, settings
from limbeck.errors import InputError
from limbeck.settings import Joined, Level, Lookup, Recipe, TableMapping, Translated, World
from limbeck.starting_recipe import DEMO, MINE

RECIPES = Path(__file__).parents[1] / "recipes"
HERE = Path("shop/recipe.toml")
FULL = """
name = "shop"
seed = 7
workspace = "/data/shop"

[[tables.pins]]
files = ["items-1.csv.gz", "items-2.csv.gz"]
encoding = "latin-1"
delimiter = ";"
quote = "'"
nulls = ["NULL", "-"]
distinct = true
constants = { language = "en", country = "US" }
where = { kind = ["chair", 3], live = true, shop = "a" }

[tables.pins.columns]
pin_id = "id"
title = ["name", "label"]
link = { column = "url", file = "u.csv", key = "k", value = "v" }

[tables.pins.columns.description]
columns = ["short", "long"]
separator = " / "

[[tables.pins]]
files = ["more.parquet"]
format = "parquet"
columns = { pin_id = "id" }

[[tables.judgments]]
files = ["ratings.tsv"]
level = { column = "stars", thresholds = [1, 2.5, 3, 4] }

[[tables.judgments]]
files = ["words.jsonl"]
columns = { language = { column = "site", table = { com = "en", de = "de" } } }
level = { column = "word", table = { bad = 1, good = 5 } }

[text]
sources = ["title", "link_title"]

[teacher]
pooling = "lasttoken"
epochs = 3

[student]
hidden = [64]

[measure]
learning_curve = []
"""


JUDGE = "[judge]\nendpoint = 'http://localhost:8000/v1'\nmodel = 'm'\n"


def parse(text):
    return recipe_file.parse(text, HERE)


def refusal(text, path=HERE):
    with pytest.raises(InputError) as refused:
        recipe_file.parse(text, path)
    return str(refused.value)


def test_a_full_recipe():
    recipe = parse(FULL)
    assert (recipe.name, recipe.seed, recipe.workspace, recipe.folder) == ("shop", 7, "/data/shop", Path("shop"))
    first, second = recipe.tables["pins"]
    assert first == TableMapping(
        files=("items-1.csv.gz", "items-2.csv.gz"),
        columns={
            "pin_id": "id",
            "title": ("name", "label"),
            "link": Lookup("url", "u.csv", "k", "v"),
            "description": Joined(("short", "long"), " / "),
        },
        constants={"language": "en", "country": "US"},
        where={"kind": ("chair", 3), "live": True, "shop": "a"},
        encoding="latin-1",
        delimiter=";",
        quote="'",
        nulls=("NULL", "-"),
        distinct=True,
    )
    assert second == TableMapping(("more.parquet",), {"pin_id": "id"}, format="parquet")
    stars, words = recipe.tables["judgments"]
    assert stars.level == Level("stars", thresholds=(1.0, 2.5, 3.0, 4.0))
    assert words.columns == {"language": Translated("site", {"com": "en", "de": "de"})}
    assert words.level == Level("word", {"bad": 1, "good": 5})
    assert recipe.text == settings.Text(sources=("title", "link_title"))
    assert recipe.teacher == settings.Teacher(pooling="lasttoken", epochs=3.0)
    assert isinstance(recipe.teacher.epochs, float)
    assert recipe.student == settings.Student(hidden=(64,))
    assert recipe.measure == settings.Measure(learning_curve=())


def test_what_is_not_said_keeps_its_default_and_the_file_gives_the_name():
    assert parse("[world]") == Recipe("recipe", world=World(), folder=Path("shop"))


def test_the_recipe_in_the_repository_is_the_demos():
    demo = recipe_file.parse(DEMO, Path("demo.toml"))
    assert dataclasses.replace(recipe_file.read(RECIPES / "demo.toml"), folder=demo.folder) == demo
    assert demo.world is not None


def test_the_recipe_to_start_from_can_be_read():
    assert set(recipe_file.parse(MINE, HERE).tables) == {"pins", "judgments"}


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.toml")), ids=lambda path: path.stem)
def test_every_recipe_in_the_repository_can_be_read_and_is_named_as_its_file(path):
    assert recipe_file.read(path).name == path.stem


def _values(hint):
    """Values of a knob's type, as a strategy."""
    if typing.get_origin(hint) is typing.Literal:
        return st.sampled_from(typing.get_args(hint))
    if isinstance(hint, types.UnionType):
        return st.one_of(st.none() if option is type(None) else _values(option) for option in typing.get_args(hint))
    if dataclasses.is_dataclass(hint):
        return _knobs(hint)
    if typing.get_origin(hint) is tuple:
        return st.lists(_values(typing.get_args(hint)[0]), max_size=3).map(tuple)
    numbers = {bool: st.booleans(), int: st.integers(1, 10**6), float: st.floats(0, 1e9), str: st.text(max_size=8)}
    return numbers[hint]


def _knobs(section):
    hints = typing.get_type_hints(section)
    special = {
        "sources": st.lists(st.sampled_from(settings.SOURCES), max_size=3).map(tuple),
        "without": st.lists(st.sampled_from(settings.FAMILIES), max_size=3).map(tuple),
        "prompt": st.sampled_from(["", "{query} | {text}", "Is this Pin:\n{text}\nwhat was asked for: {query}?"]),
        "signal_dropout": st.floats(0, 0.99),
        "human_weight": st.floats(0, 1),
        "human_share": st.floats(0, 1, exclude_max=True),
        "meaningful_change": st.floats(0, 1),
        "temperature": st.floats(0.01, 1e9),
        "floors": st.sets(st.floats(1, 5), max_size=4).map(sorted).map(tuple),
    }
    return st.builds(section, **{name: special.get(name, _values(hint)) for name, hint in hints.items()})


def _toml(value):
    if isinstance(value, tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {_toml(v)}" for name, v in value.items()) + " }"
    return (
        json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")
        if isinstance(value, (str, bool))
        else repr(value)
    )


SECTIONS = ("world", "text", "teacher", "labels", "signals", "student", "serve", "measure", "reproduce")


@given(st.sampled_from(SECTIONS).flatmap(lambda n: st.tuples(st.just(n), _knobs(getattr(settings, n.capitalize())))))
def test_every_knob_can_be_written_in_a_recipe(drawn):
    section, knobs = drawn
    lines = [f"{name} = {_toml(value)}" for name, value in dataclasses.asdict(knobs).items() if value is not None]
    text = "\n".join([f"[{section}]", *lines, *([] if section == "world" else ["[world]"])])
    assert getattr(parse(text), section) == knobs


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("sead = 3\n[world]", "unknown key 'sead'; did you mean 'seed'?"),
        ("xyzzy = 3\n[world]", "unknown key 'xyzzy'"),
        ("folder = '.'\n[world]", "unknown key 'folder'"),
        ("[world]\npinz = 3", "unknown key 'world.pinz'; did you mean 'pins'?"),
        ("[world]\npins = 'many'", "world.pins is 'many', expected a whole number"),
        ("[world]\npins = 2.5", "world.pins is 2.5, expected a whole number"),
        ("[world]\npins = true", "world.pins is True, expected a whole number"),
        ("[world]\npictures = 1", "world.pictures is 1, expected true or false"),
        ("world = 3", "world is 3, expected a table"),
        ("name = 3\n[world]", "name is 3, expected a text"),
        ("seed = -1\n[world]", "seed is -1, expected 0 or more"),
        ("[world]\n[teacher]\nepochs = 'two'", "teacher.epochs is 'two', expected a number"),
        (
            "[world]\n[teacher]\npooling = 'max'",
            "teacher.pooling is 'max', expected one of 'auto', 'cls', 'lasttoken', 'mean'",
        ),
        ("[world]\n[student]\nhidden = 3", "student.hidden is 3, expected a list"),
        ("[world]\n[student]\nhidden = [3, 'x']", "student.hidden[1] is 'x', expected a whole number"),
        ("[world]\n[text]\nbuckets = 0", "text.buckets is 0, expected 1 or more"),
        ("[world]\n[text]\nsources = ['titel']", "unknown text source 'titel'; did you mean 'title'?"),
        ("", "a recipe has either [world] or [[tables.…]]"),
        ("[world]\n[[tables.pins]]\nfiles = ['a']", "a recipe has either [world] or [[tables.…]]"),
        ("[[tables.boards]]\nfiles = ['a']", "no [[tables.pins]]. Only the pins table is required; map it"),
        (
            "[[tables.pins]]\nfiles = ['a']\n[[tables.judgements]]\nfiles = ['b']",
            "unknown table 'judgements'; did you mean 'judgments'?",
        ),
        ("[[tables.pins]]\ncolumns = {}", "missing key 'tables.pins[0].files'"),
        ("[[tables.pins]]\nfiles = 'a.csv'", "tables.pins[0].files is 'a.csv', expected a list"),
        ("[[tables.pins]]\nfiles = ['a']\nformat = 'xls'", "expected one of 'csv', 'tsv', 'jsonl', 'parquet'"),
        ("[[tables.pins]]\nfiles = ['a']\ncolumns = { title = 5 }", "title is 5, expected a text or a list or a table"),
        (
            "[[tables.pins]]\nfiles = ['a']\ncolumns = { title = { column = 'a', fiel = 'b', key = 'k' } }",
            "unknown key 'tables.pins[0].columns.title.fiel'; did you mean 'file'?",
        ),
        (
            "[[tables.pins]]\nfiles = ['a']\ncolumns = { title = { column = 'a', file = 'f', key = 'k' } }",
            "missing key 'tables.pins[0].columns.title.value'",
        ),
        ("[[tables.pins]]\nfiles = ['a']\nlevel = { table = {} }", "missing key 'tables.pins[0].level.column'"),
        ("[world]\n[judge]\nmodel = 'm'", "missing key 'judge.endpoint'"),
        (f"[world]\n{JUDGE}mode = 'guess'", "judge.mode is 'guess', expected one of 'logprobs', 'json'"),
        ("[world]\n[judge]\nmodel = 'm'\nendpoint = 'localhost:8000'", "judge.endpoint is not an http(s) address"),
        ("[world]\n[judge]\nmodel = 'm'\nendpoint = 'http://[::1'", "judge.endpoint is not an http(s) address"),
        (f"[world]\n{JUDGE}concurrency = 0", "judge.concurrency is 0, expected 1 or more"),
        (f"[world]\n{JUDGE}timeout_seconds = inf", "judge.timeout_seconds is inf, expected 0.001 or more"),
        (f"[world]\n{JUDGE}most_dollars = 3", "judge.most_dollars needs the prices of tokens"),
        (f"[world]\n{JUDGE}body = {{ messages = 'x' }}", "judge.body.messages is Limbeck's own to set"),
        ("[world]\n[measure]\nattacked_pairs = -1", "measure.attacked_pairs is -1, expected 0 or more"),
        ("[world]\n[serve]\ncached_queries = -1", "serve.cached_queries is -1, expected 0 or more"),
        ("[world]\n[serve.blend]\nsave = -1", "serve.blend.save is -1.0, expected 0 or more"),
        ("[world]\n[serve.blend]\nboard = nan", "serve.blend.board is nan, expected 0 or more"),
        ("[world]\n[serve.blend]\nfloors = [3.5, 2.5]", "serve.blend.floors is [3.5, 2.5]"),
        ("[world]\n[serve.blend]\nfloors = [0]", "serve.blend.floors is [0.0]"),
        ("[world]\n[labels]\ndollars_per_hour = nan", "labels.dollars_per_hour is nan, expected 0 or more"),
        ("[world", "not a TOML file: "),
        ("seed = 1\nseed = 2", "not a TOML file: "),
    ],
)
def test_refusals_name_the_file_and_the_key(line, complaint):
    said = refusal(line)
    assert said.startswith("shop/recipe.toml: ")
    assert complaint in said


@pytest.mark.parametrize(
    "line",
    [
        "key_variable = 'sk-secret0123'",
        "endpoint = 'https://me:sk-secret0123@example.com/v1'",
        "endpoint = 'https://example.com/v1?key=sk-secret0123'",
        "api_key = 'sk-secret0123'",
    ],
)
def test_a_key_in_a_recipe_is_refused_and_not_repeated(line):
    kept = [known for known in JUDGE.splitlines() if known.split()[0] != line.split()[0]]
    said = refusal("\n".join(["[world]", *kept, line]))
    assert "judge." in said
    assert "secret" not in said


def test_a_judge():
    judge = parse(f"[world]\n{JUDGE}body = {{ seed = 1, chat_template_kwargs = {{ enable_thinking = false }} }}").judge
    assert judge == settings.Judge(
        "http://localhost:8000/v1", "m", body={"seed": 1, "chat_template_kwargs": {"enable_thinking": False}}
    )
    assert parse("[world]").judge is None


def test_files_that_cannot_be_recipes(tmp_path):
    with pytest.raises(InputError, match=r"none\.toml: no such recipe\. `limbeck init` writes one"):
        recipe_file.read(tmp_path / "none.toml")
    with pytest.raises(InputError, match="a folder, not a recipe"):
        recipe_file.read(tmp_path)
    (tmp_path / "latin.toml").write_bytes('name = "Stühle"\n[world]'.encode("latin-1"))
    with pytest.raises(InputError, match=r"latin\.toml: not a TOML file"):
        recipe_file.read(tmp_path / "latin.toml")


def test_any_script_and_a_byte_order_mark_are_fine(tmp_path):
    (tmp_path / "r.toml").write_bytes('\ufeffname = "椅子 كرسي"\r\n[world]\r\n'.encode())
    assert recipe_file.read(tmp_path / "r.toml") == Recipe("椅子 كرسي", world=World(), folder=tmp_path)
