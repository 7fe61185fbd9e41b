"""The declared tables: their Arrow schemas, and what is refused as such a table."""

import dataclasses
import typing
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from limbeck import records
from limbeck.errors import InputError

TEXTS = pa.list_(pa.string())


def boards(**columns):
    return pa.table({"board_id": pa.array(["b1", "b2"]), "title": pa.array(["Garden", None]), **columns})


def saves(**columns):
    when = pa.array([datetime(2026, 1, 1, tzinfo=UTC)], pa.timestamp("us", tz="UTC"))
    return pa.table({"board_id": ["b"], "pin_id": ["p"], "user_id": ["u"], "saved_at": when} | columns)


@pytest.mark.parametrize("table", records.RECORDS)
def test_a_column_admits_nulls_exactly_where_its_annotation_does(table):
    hints = typing.get_type_hints(records.RECORDS[table])
    schema = records.schema(table)
    assert schema.names == [f.name for f in dataclasses.fields(records.RECORDS[table])]
    assert [f.nullable for f in schema] == [type(None) in typing.get_args(hints[n]) for n in schema.names]


@pytest.mark.parametrize(
    ("table", "column", "kind"),
    [
        ("pins", "pin_id", pa.string()),
        ("pins", "created_at", pa.timestamp("us", tz="UTC")),
        ("impressions", "position", pa.int32()),
        ("impressions", "dwell_seconds", pa.float32()),
        ("impressions", "clicked", pa.bool_()),
        ("judgments", "level", pa.int32()),
        ("pin_texts", "board_titles", TEXTS),
        ("pin_vectors", "vector", pa.list_(pa.float32())),
        ("soft_labels", "p5", pa.float32()),
    ],
)
def test_types(table, column, kind):
    assert records.schema(table).field(column).type == kind


def test_keys_and_inputs_name_declared_columns_and_tables():
    assert set(records.INPUTS) <= records.RECORDS.keys()
    assert all(set(key) <= set(records.schema(table).names) for table, key in records.KEYS.items())
    assert set(records.PROBABILITIES) < set(records.schema("soft_labels").names)


@pytest.mark.parametrize("table", records.RECORDS)
def test_empty_tables_survive_parquet_with_their_schema(table, tmp_path):
    pq.write_table(records.empty(table), tmp_path / "empty.parquet")
    assert pq.read_table(tmp_path / "empty.parquet").schema.equals(records.schema(table))


def test_conform_selects_orders_and_casts():
    rows = boards(extra=pa.array([1, 2]))
    rows = rows.select(["extra", "title", "board_id"]).cast(
        pa.schema([("extra", pa.int64()), ("title", pa.large_string()), ("board_id", pa.large_string())])
    )
    found = records.conform(rows.replace_schema_metadata({"written": "elsewhere"}), "boards")
    assert found.schema.equals(records.schema("boards"), check_metadata=True)
    assert found.to_pylist() == [{"board_id": "b1", "title": "Garden"}, {"board_id": "b2", "title": None}]


def test_conform_turns_times_into_utc():
    berlin = pa.array([datetime(2026, 1, 1, 12, tzinfo=UTC)]).cast(pa.timestamp("ms", tz="Europe/Berlin"))
    found = records.conform(saves(saved_at=berlin), "saves").column("saved_at")
    assert found.type == pa.timestamp("us", tz="UTC")
    assert found[0].as_py() == datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("rows", "table", "complaint"),
    [
        (boards().drop(["title"]), "boards", "mine.csv, column 'title': no such column in the boards table"),
        (
            boards(board_id=pa.array([None, "b"])),
            "boards",
            "mine.csv, column 'board_id': 1 empty values where none are allowed",
        ),
        (saves(saved_at=["yesterday"]), "saves", "mine.csv, column 'saved_at': cannot be timestamp[us, tz=UTC]: "),
        (saves(saved_at=[[1]]), "saves", "mine.csv, column 'saved_at': cannot be timestamp[us, tz=UTC]: "),
    ],
)
def test_conform_refuses_and_says_where(rows, table, complaint):
    with pytest.raises(InputError) as refused:
        records.conform(rows, table, "mine.csv")
    assert str(refused.value).startswith(complaint)


@pytest.mark.parametrize("level", [2**31, 2.5, "high"])
def test_conform_never_bends_a_number(level):
    judged = records.empty("judgments").drop(["level"]).append_column("level", pa.array([], type=pa.int32()))
    row = dict.fromkeys(judged.column_names) | {"query": "q", "pin_id": "p", "level": level}
    with pytest.raises(InputError, match=r"column 'level': cannot be int32: "):
        records.conform(pa.Table.from_pylist([row]), "judgments")
