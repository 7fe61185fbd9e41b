"""Whole runs: what they make, what they make again and why, and what may not leak from the held-out queries."""

import dataclasses
import hashlib
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import tiny_run
from longer import longer
from tiny_run import TINY, Home

from limbeck import assembly, pipeline, teaching
from limbeck.recipe_file import read
from limbeck.records import INPUTS, KEYS, RECORDS, schema
from limbeck.workspace import Workspace

ASKED_FOR = ("pictures", "generated_captions", "image_vectors", "interests", "logged")  # by settings, or one's own
TABLES = [table for table in RECORDS if table not in ASKED_FOR]
MODELS = {"models/teacher", "models/student", "models/student-30", "models/student-human"}
INDEXES = {
    "images/pins",
    "evidence/parts",
    "evidence/problems",
    "signals/match",
    "signals/engagement",
    "signals/searchsage",
    "signals/pinsage",
    "signals/interests",
    "index/lexical",
    "index/texts",
    "index/boards",
    "index/understanding",
    "index/onnx",
    "index/shares",
    "index/nearest",
    "index/catalogue",
    "index/alignment",
}
MEASURED = {"evaluation/grades", "evaluation/attacked", "evaluation/measures", "report/page"}
VECTORS = {"encoder_vectors", "signals/searchsage", "signals/pinsage", "signals/interests"}
SEARCHABLE = {"pin_vectors", "index/onnx", "index/shares", "index/nearest", "index/catalogue", "index/alignment"}


def test_a_run_makes_every_table_model_and_index(finished):
    assert set(finished.ended.made) == {*TABLES, *MODELS, *INDEXES, *MEASURED}
    assert set(finished.ended.made.values()) == {"not made yet"}
    assert not finished.ended.skipped
    assert (finished.root / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_student_of_fewer_labels_still_learns_all_that_people_said(home, finished):
    recipe, ws = read(home.folder / TINY), Workspace(finished.root)
    learnt = {
        name: set(zip(*(rows.column(c).to_pylist() for c in KEYS["soft_labels"])))
        for name, rows in assembly.curricula(recipe, ws).items()
    }
    assert learnt["student-human"] < learnt["student-30"] < learnt["student"]


@pytest.mark.parametrize("table", TABLES)
def test_every_shard_has_exactly_the_declared_columns(finished, table):
    files = sorted((finished.root / "tables" / table).iterdir())
    assert files
    for file in files:
        assert pq.read_schema(file).equals(schema(table))


@pytest.mark.parametrize("table", [table for table in TABLES if table in KEYS])
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


def test_the_same_recipe_and_seed_give_the_same_bytes_wherever_they_lie(finished, twin):
    assert twin.ended.code == 0, twin.ended.err
    assert tiny_run.contents(twin.watched.root) == finished.contents


STUDENTS = MODELS - {"models/teacher"}
TAUGHT = STUDENTS - {"models/student-human"}
QUICK = {"tower_bits", "measure.bootstrap"}
KNOBS = {
    "tower_bits was 32, is 8": ({"index": {"tower_bits": 8}}, "index/onnx", set()),
    "measure.bootstrap was 50, is 60": ({"measure": {"bootstrap": 60}}, "evaluation/measures", {"report/page"}),
    "student.epochs was 1.0, is 2.0": (
        {"student": {"epochs": 2}},
        "models/student",
        STUDENTS | SEARCHABLE | MEASURED,
    ),
    "teacher.epochs was 1.0, is 2.0": (
        {"teacher": {"epochs": 2}},
        "models/teacher",
        {"soft_labels"} | TAUGHT | SEARCHABLE | MEASURED,
    ),
    "max_tokens was 32, is 24": (
        {"text": {"max_tokens": 24}},
        "composed",
        {"soft_labels", *VECTORS} | MODELS | SEARCHABLE | MEASURED,
    ),
}


@pytest.mark.parametrize("why", [why if set(why.split()) & QUICK else longer(why) for why in KNOBS])
def test_a_knob_remakes_exactly_what_depends_on_it(home, copy, why):
    changes, first, others = KNOBS[why]
    ended = home.limbeck("--json", "run", home.write("turned", **changes), "--workspace", copy)
    assert ended.code == 0, ended.err
    assert set(ended.made) == {first, *others}
    assert why in ended.made[first]
    assert all("changed" in reason or why in reason for reason in ended.made.values())


@pytest.mark.parametrize(
    ("name", "file"),
    [
        longer("impressions", "tables/impressions/00001-*.parquet"),
        ("soft_labels", "tables/soft_labels/00000-*.parquet"),
        longer("encoder_vectors", "tables/encoder_vectors/00000-*.parquet"),
        longer("models/student", "models/student-????????????????/tower/model.safetensors"),
    ],
)
def test_a_file_that_is_gone_is_made_again_and_nothing_else(home, copy, finished, name, file):
    (gone,) = copy.glob(file)
    before = tiny_run.finished_files(copy)
    gone.unlink()
    ended = home.run(copy)
    assert list(ended.made) == [name]
    assert ended.made[name].endswith("is gone")
    assert tiny_run.contents(copy) == finished.contents
    if name in RECORDS:
        after = tiny_run.finished_files(copy)
        assert {file for file in before if before[file] != after[file]} == {str(gone.relative_to(copy))}


def test_what_labelling_will_cost_is_said_before_it(finished):
    events = finished.ended.events
    begun = next(i for i, e in enumerate(events) if e.get("name") == "soft_labels")
    said = next(i for i, e in enumerate(events) if e["event"] == "estimate")
    assert not [e for e in events[begun:said] if e["event"] == "progress" and e["done"]]
    graded, estimate = Workspace(finished.root).table("soft_labels").num_rows, events[said]
    assert (estimate["pairs"], estimate["known"], estimate["dollars"]) == (graded, 0, None)
    assert estimate["seconds"] == pytest.approx(graded / estimate["pairs_per_second"], rel=0.1, abs=0.1)
    assert 5 * graded < estimate["tokens"] < 48 * graded


def test_half_a_line_in_the_history_does_no_harm(home, copy):
    with open(copy / "history.jsonl", "a", encoding="utf-8") as history:
        history.write('{"time": 17')
    shutil.rmtree(copy / "report")
    assert set(home.run(copy).made) == {"report/page"}


# -- what may not be known --


def is_test(query: str, heldout: set[str]) -> bool:
    """The rule of the split, worked out anew: two of ten folds, and whatever is held out, only ever test."""
    normal = query.strip().lower()
    return int(hashlib.md5(normal.encode()).hexdigest(), 16) % 10 < 2 or normal in heldout


@pytest.fixture(scope="session")
def kept_back(finished) -> set[str]:
    """All queries anywhere in the finished workspace that may only test."""
    ws = Workspace(finished.root)
    heldout = {q.strip().lower() for q in ws.table("heldout").column("query").to_pylist()}
    asked = {q for name in ("impressions", "judgments", "heldout") for q in ws.table(name).column("query").to_pylist()}
    found = {q for q in asked if is_test(q, heldout)}
    assert 0 < len(found) < len(asked)
    return found


@pytest.mark.parametrize("table", ["pairs", "soft_labels"])
def test_no_pair_of_a_test_query_is_labelled(finished, kept_back, table):
    rows = Workspace(finished.root).table(table, ["query"])
    assert not set(rows.column("query").to_pylist()) & kept_back


def test_the_teacher_learns_from_no_test_query(home, copy, kept_back, monkeypatch):
    seen = {}
    monkeypatch.setattr(teaching.teacher_training, "train", lambda judged, *_: seen.update(judged))
    ws = Workspace(copy)
    ws.remove("models/teacher")
    pipeline.run(read(home.folder / TINY), ws, "teach")
    queries = {part: set(rows.column("query").to_pylist()) for part, rows in seen.items()}
    assert queries["train"]
    assert queries["valid"]
    assert not queries["train"] & queries["valid"]
    assert not (queries["train"] | queries["valid"]) & kept_back
    assert set(ws.table("judgments").column("query").to_pylist()) & kept_back, "nothing was held back"


def test_no_student_learns_from_a_test_query(home, copy, kept_back, monkeypatch):
    seen = []

    def train(parts, lessons, *_):
        texts = np.asarray(lessons.queries.texts)
        seen.append({part: set(texts[examples.query]) for part, examples in parts.items()})

    monkeypatch.setattr(pipeline.student_training, "train", train)
    ws = Workspace(copy)
    for name in STUDENTS:
        ws.remove(name)
    pipeline.run(read(home.folder / TINY), ws, "distill")
    assert len(seen) == len(STUDENTS)
    for queries in seen:
        assert queries["train"]
        assert queries["valid"]
        assert not queries["train"] & queries["valid"]
        assert not (queries["train"] | queries["valid"]) & kept_back


def test_searchsage_learns_from_no_test_query(home, finished, kept_back, monkeypatch, tmp_path):
    seen = set()
    monkeypatch.setattr(assembly.sage, "build", lambda pairs, *_: seen.update(pairs.column("query").to_pylist()))
    ws = Workspace(finished.root)
    recipe = read(home.folder / TINY)
    assembly.searchsage(recipe, ws, assembly.reader(recipe, ws), tmp_path)
    logged = set(ws.table("exposures", ["query"]).column("query").to_pylist())
    forbidden = {query.strip().lower() for query in kept_back}
    assert seen
    assert seen < logged
    assert logged & forbidden, "nothing was held back"
    assert not seen & forbidden


def test_pinsage_walks_along_no_test_query(home, finished, kept_back, monkeypatch, tmp_path):
    seen = set()
    monkeypatch.setattr(
        assembly.pin_content, "graph", lambda saves, pins, engaged: seen.update(engaged.column("query").to_pylist())
    )
    monkeypatch.setattr(assembly.pinsage_training, "build", lambda *_: None)
    recipe = read(home.folder / TINY)
    recipe = dataclasses.replace(recipe, signals=dataclasses.replace(recipe.signals, pinsage_queries=True))
    assembly.pinsage(recipe, Workspace(finished.root), tmp_path, tmp_path)
    assert seen
    assert not seen & {query.strip().lower() for query in kept_back}


@pytest.mark.long
def test_held_out_levels_are_read_by_the_measures_alone(home, finished, tmp_path):
    root = tmp_path / "other"
    for name in INPUTS:
        shutil.copytree(finished.root / "tables" / name, root / "tables" / name)
        shutil.copyfile(finished.root / "tables" / f"{name}.json", root / "tables" / f"{name}.json")
    ws = Workspace(root)
    rows, made = ws.table("heldout"), ws.manifest("heldout").made
    levels = pc.subtract(pa.scalar(6, pa.int32()), rows.column("level"))
    opposite = rows.set_column(rows.column_names.index("level"), schema("heldout").field("level"), levels)
    ws.remove("heldout")
    ws.write_table("heldout", made, {"00000": lambda: opposite})
    assert home.run(root).made.keys() == finished.ended.made.keys() - set(INPUTS)
    found = tiny_run.contents(root)
    assert {n for n in found if found[n] != finished.contents[n]} == {
        "heldout",
        "evaluation/attacked",
        "evaluation/measures",
    }


# -- one's own tables --


def own_tables(finished, folder: Path, tables: list[str], **changes: object) -> None:
    """The finished workspace's inputs as somebody's own files in `folder`, and a recipe that maps them."""
    ws = Workspace(finished.root)
    (folder / "recipes").mkdir(parents=True)
    recipe = tiny_run.changed(**changes)
    text = [tiny_run.toml({k: v for k, v in recipe.items() if k != "world"})]
    for name in tables:
        pq.write_table(ws.table(name), folder / "recipes" / f"{name}.parquet")
        columns = ", ".join(f'{c} = "{c}"' for c in schema(name).names)
        text.append(f'[[tables.{name}]]\nfiles = ["{name}.parquet"]\ncolumns = {{ {columns} }}\n')
    (folder / TINY).write_text("\n".join(text), encoding="utf-8")


@pytest.fixture
def without_log(home, finished, tmp_path) -> Home:
    """A home whose recipe maps Pins, links, judgments and held-out labels, and nothing else."""
    made = Home(tmp_path / "own")
    own_tables(finished, made.folder, ["pins", "links", "judgments", "heldout"])
    shutil.copytree(home.folder / "recipes" / "backbone", made.folder / "recipes" / "backbone")
    return made


def test_without_a_log_pairs_come_from_the_catalogue_and_the_run_ends_in_a_report(without_log, finished, tmp_path):
    root = tmp_path / "ws"
    ended = without_log.run(root)
    (missing,) = [event["tables"] for event in ended.events if event["event"] == "missing"]
    assert missing == ["boards", "saves", "impressions", "captions"]
    kinds = {stratum.rpartition("/")[2] for stratum in Workspace(root).table("pairs").column("stratum").to_pylist()}
    assert kinds == {"top", "deep", "random", "judged"}
    assert "report/page" in ended.made
    assert (root / "report.html").exists()
    assert without_log.run(root).made == {}


def test_wrong_input_is_refused_before_anything_is_written(without_log, tmp_path):
    judgments = without_log.folder / "recipes" / "judgments.parquet"
    rows = pq.read_table(judgments)
    levels = pa.array([9, *rows.column("level").to_pylist()[1:]], pa.int32())
    pq.write_table(rows.set_column(rows.column_names.index("level"), "level", levels), judgments)
    ended = without_log.limbeck("run", TINY, "--workspace", tmp_path / "ws")
    assert ended.code == 2
    assert "judgments.parquet, row 1, column 'level'" in ended.err
    assert len(ended.err.splitlines()) == 1
    assert not (tmp_path / "ws").exists()
