"""What is wrong with the data is said in words, in a small workspace that has every fault."""

import json
from datetime import UTC, datetime

import pyarrow as pa
import pytest

from limbeck import problems
from limbeck.records import schema
from limbeck.workspace import Made, Workspace

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SILENT = {"board_titles": [], "engaged_queries": []}


def rows_of(table, *rows):
    names = schema(table).names
    return pa.Table.from_pylist([{name: row.get(name) for name in names} for row in rows], schema=schema(table))


def judged(query, pin, rater, level):
    return {"query": query, "pin_id": pin, "rater_id": rater, "level": level}


CLEAN = {
    "pins": [{"pin_id": "a"}, {"pin_id": "b"}, {"pin_id": "c"}],
    "pin_texts": [{"pin_id": p, "title": p, "digest": p, **SILENT} for p in "abc"],
    "boards": [{"board_id": "x"}],
    "saves": [{"board_id": "x", "pin_id": "a", "user_id": "u", "saved_at": NOW}],
    "judgments": [judged(f"q{level}", "a", "ana", level) for level in range(1, 6)],
}


@pytest.fixture
def found(tmp_path):
    """What is found in a workspace of these tables, which differ from the clean ones."""

    def look(**changed):
        ws = Workspace(tmp_path / "ws")
        for name, rows in (CLEAN | changed).items():
            table = rows_of(name, *rows)
            half = len(rows) // 2  # in two shards
            ws.write_table(name, Made(), {"0": lambda t=table, h=half: t[:h], "1": lambda t=table, h=half: t[h:]})
        problems.write(ws, tmp_path)
        assert json.loads((tmp_path / problems.FILE).read_text()) == problems.read(tmp_path)
        return problems.read(tmp_path)

    return look


def test_of_clean_data_nothing_is_said(found):
    assert found() == []


OF_QUERY = {"query": "sofa", "interest": "living room"}


def test_an_interest_of_a_query_points_to_no_pin_and_is_no_problem(found):
    assert found(interests=[OF_QUERY, {"pin_id": "a", "interest": "living room"}]) == []


def test_an_interest_of_a_pin_that_is_not_there(found):
    assert found(interests=[OF_QUERY, {"pin_id": "gone", "interest": "living room"}]) == [
        "interests: 1 of 1 rows have a pin_id that is not in pins; they are not used."
    ]


def test_rows_that_point_to_nothing(found):
    saves = [*CLEAN["saves"], {"board_id": "x", "pin_id": "gone", "user_id": "u", "saved_at": NOW}]
    assert found(saves=saves, judgments=[*CLEAN["judgments"], judged("q", "lost", "ana", 1)]) == [
        "judgments: 1 of 6 rows have a pin_id that is not in pins; nobody learns from them.",
        "saves: 1 of 2 rows have a pin_id that is not in pins; they are not used.",
    ]


def test_pins_that_say_nothing_or_what_others_say(found):
    texts = [
        {"pin_id": "a", "title": "same", "digest": "1", **SILENT},
        {"pin_id": "b", "title": "same", "digest": "1", **SILENT},
        {"pin_id": "c", "title": "", "digest": "2", **SILENT},
        {"pin_id": "d", "digest": "2", **SILENT},
        {"pin_id": "e", "digest": "3", "board_titles": ["sofas"], "engaged_queries": []},
    ]
    assert found(pin_texts=texts) == [
        "pins: 2 of 5 say nothing in any source: no words lead to them.",
        "pins: 1 of 5 say word for word what another one says.",
    ]


def test_raters_who_contradict_or_repeat_themselves_and_levels_that_nobody_gave(found):
    said = [("ana", 1), ("ana", 3), ("ben", 2), ("ben", 2), (None, 1), (None, 4)]
    assert found(judgments=[judged("q", "a", rater, level) for rater, level in said]) == [
        "judgments: to 1 of 2 pairs one rater gave several levels; all of them count.",
        "judgments: 2 of 4 rows judge a pair that the same rater judged already.",
        "judgments: nobody gave level 5.",
    ]


def test_pictures_without_a_caption_are_counted_by_reason(found):
    picture = {"image": "x.png", "captioner": "blip"}
    pictures = [{**picture, "image": f"{i}.png", "skipped": reason} for i, reason in enumerate(("gone", None, "gone"))]
    assert found(pictures=pictures) == ["pictures: 2 of 3 have no caption: gone."]
