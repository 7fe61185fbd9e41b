"""A workspace as a run leaves it, as far as the rating desk reads it, and its recipe."""

import json
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from limbeck import records, relevance
from limbeck.recipe_file import parse
from limbeck.relevance import Split
from limbeck.workspace import Made, Workspace

NOW = datetime(2026, 3, 1, tzinfo=UTC)
QUERIES = [f"query {i}" for i in range(30)]
TRAIN = [q for q in QUERIES if Split().of(q) == "train"]
TEST = [q for q in QUERIES if Split().of(q) == "test"]
PINS = [f"pin{i}" for i in range(8)]


def make(folder, **rate):
    """The recipe, in `folder`, and its workspace."""
    lines = "\n".join(f"{key} = {json.dumps(value)}" for key, value in rate.items())
    text = f'name = "small"\n[[tables.pins]]\nfiles = ["pins.csv"]\ncolumns = {{ pin_id = "id" }}\n[rate]\n{lines}\n'
    (folder / "small.toml").write_text(text, encoding="utf-8")
    (folder / "pins.csv").write_text("id\n" + "".join(f"{pin}\n" for pin in PINS), encoding="utf-8")
    ws = Workspace(folder / "ws")
    pins = [dict.fromkeys(records.schema("pins").names) | {"pin_id": pin, "title": f"A {pin}"} for pin in PINS]
    write(ws, "pins", pins)
    return parse(text, folder / "small.toml"), ws


def write(ws, name, rows):
    ws.write_table(name, Made(), {"00000": lambda: pa.Table.from_pylist(rows, schema=records.schema(name))})


def write_log(ws, queries=QUERIES):
    """Every query shows every Pin, the last one first."""
    place = {"searched_at": NOW, "user_id": "u", "country": "US", "language": "en", "clicked": False, "saved": False}
    rows = [
        {**place, "search_id": q, "query": q, "pin_id": pin, "position": len(PINS) - i, "dwell_seconds": None}
        for q in queries
        for i, pin in enumerate(PINS)
    ]
    write(ws, "impressions", rows)


def judgment(query, pin, level, rater="old"):
    place = {"judged_at": NOW, "language": "en", "country": "US"}
    return {**place, "query": query, "pin_id": pin, "level": level, "rater_id": rater}


def write_soft_labels(ws, answers):
    """The teacher's probabilities by (query, Pin)."""
    rows = [
        {"query": q, "pin_id": pin, **{f"p{i + 1}": p for i, p in enumerate(ps)}, "grader": "g", "digest": "d"}
        for (q, pin), ps in answers.items()
    ]
    write(ws, "soft_labels", rows)


def write_grades(ws, asked, graders):
    """What graders answered to held-out pairs, as the stage `evaluate` leaves it."""

    def build(out, scratch):
        for number, levels in enumerate(graders):
            certain = np.eye(5, dtype=np.float32)[np.asarray(levels) - 1]
            columns = {"query": [q for q, _ in asked], "pin_id": [p for _, p in asked]}
            pq.write_table(pa.table({**columns, **relevance.to_columns(certain)}), out / f"{number}.parquet")
        names = {f"grader {number}": f"{number}.parquet" for number in range(len(graders))}
        (out / "graders.json").write_text(json.dumps(names), encoding="utf-8")

    ws.write_folder("evaluation/grades", Made(), build)
