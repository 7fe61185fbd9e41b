"""What is gathered about a Pin, against an independent computation in DuckDB."""

import dataclasses
from datetime import timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from longer import longer
from text_world import TODAY, table, world, write

from limbeck import records
from limbeck.errors import InputError, WorkspaceError
from limbeck.settings import Text
from limbeck.text import gather, tables

ORACLE = (Path(__file__).parent / "oracle.sql").read_text()
WINDOWED = Text(window_days=30, buckets=3, top_board_titles=4, top_engaged_queries=2)


def oracle(found: dict[str, pa.Table], settings: Text) -> list[dict]:
    database = duckdb.connect(config={"threads": 1})
    database.execute("SET disabled_optimizers='top_n_window_elimination'")
    for name in ("pins", "boards", "saves", "links", "impressions", "captions"):
        database.register(name, found.get(name, records.empty(name)))
    asked = {k: v for k, v in dataclasses.asdict(settings).items() if f"${k}" in ORACLE}
    return database.execute(ORACLE, asked).to_arrow_table().to_pylist()


def texts(rows: pa.Table) -> list[dict]:
    return rows.drop_columns(["digest"]).to_pylist()


def saves(*rows: tuple[str, str, int]) -> dict[str, pa.Table]:
    """Pins p and q, and saves of p: (user, board title, days ago)."""
    boards = {title: f"b{i}" for i, title in enumerate({t: None for _, t, _ in rows})}
    times = [TODAY - timedelta(days=days) for *_, days in rows]
    ids = {"board_id": [boards[t] for _, t, _ in rows], "pin_id": ["p"] * len(rows), "user_id": [u for u, *_ in rows]}
    return {
        "pins": table("pins", {"pin_id": ["p", "q"]}),
        "boards": table("boards", {"board_id": list(boards.values()), "title": list(boards)}),
        "saves": table("saves", {**ids, "saved_at": times}),
    }


@pytest.mark.parametrize("seed", [0, longer(1), longer(2)])
def test_agrees_with_duckdb(seed, tmp_path, gathered):
    found = world(seed)
    weights = Text(window_days=45, buckets=2, min_users=3, save_weight=0.7, long_click_weight=0.1, click_weight=0.2)
    for n, settings in enumerate((WINDOWED, weights)):
        files = write(found, tmp_path / f"tables{n}")
        assert texts(gathered(files, settings)) == oracle(found, settings)


def test_conforms_to_the_declared_table(tmp_path, gathered):
    rows = gathered(write(world(0), tmp_path / "tables"), WINDOWED)
    assert rows.schema.equals(records.schema("pin_texts"))
    assert any(r["board_titles"] for r in rows.to_pylist())
    assert any(r["engaged_queries"] for r in rows.to_pylist())


@pytest.mark.parametrize("missing", ["boards", *map(longer, ("saves", "links", "impressions", "captions")), "all"])
def test_a_missing_table_leaves_its_source_empty(missing, tmp_path, gathered):
    found = {k: v for k, v in world(1).items() if k == "pins" or missing not in (k, "all")}
    assert texts(gathered(write(found, tmp_path / "tables"), WINDOWED)) == oracle(found, WINDOWED)


def test_does_not_depend_on_order_of_rows_and_files_or_on_the_number_of_buckets(tmp_path, gathered):
    found = world(2)
    once = gathered(write(found, tmp_path / "once"), WINDOWED)
    backwards = {k: v.take(list(range(len(v)))[::-1]) for k, v in found.items()}
    files = {k: v[::-1] for k, v in write(backwards, tmp_path / "again", files=5).items()}
    for buckets in (1, 7):
        assert gathered(files, dataclasses.replace(WINDOWED, buckets=buckets)).equals(once)


def test_prepared_files_are_the_same_bytes_every_time(tmp_path):
    files = write(world(3), tmp_path / "tables")
    made = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        gather.prepare(files, WINDOWED, tmp_path / name, tmp_path / "scratch")
        made.append({p.name: p.read_bytes() for p in (tmp_path / name).iterdir()})
    assert made[0] == made[1]


def test_a_token_needs_several_users(tmp_path, gathered):
    found = saves(("u1", "attic", 0), ("u1", "Attic!", 0), ("u1", "roof", 0), ("u2", "roof", 0))
    assert gathered(write(found, tmp_path / "t"), Text()).to_pylist()[0]["board_titles"] == ["roof"]


def test_titles_are_kept_whole_and_words_beside_them_where_they_say_more(tmp_path, gathered):
    found = saves(
        *((u, t, 0) for u, t in [("u1", "Red barn"), ("u2", "red  BARN"), ("u3", "my barn"), ("u4", "日本の庭")])
    )
    assert gathered(write(found, tmp_path / "t"), Text()).to_pylist()[0]["board_titles"] == ["barn", "red barn"]


def test_the_window_reaches_back_from_the_newest_row(tmp_path, gathered):
    found = saves(*((u, t, d) for t, d in [("new", 0), ("edge", 10), ("old", 11)] for u in ("u1", "u2")))
    rows = gathered(write(found, tmp_path / "t"), Text(window_days=10)).to_pylist()
    assert rows[0]["board_titles"] == ["edge", "new"]


def test_what_is_common_everywhere_weighs_less(tmp_path, gathered):
    found = saves(*((u, t, 0) for t in ("stuff", "attic") for u in ("u1", "u2")))
    more = found["saves"].slice(0, 2).set_column(1, "pin_id", pa.array(["q", "q"]))
    found["saves"] = pa.concat_tables([found["saves"], more.cast(found["saves"].schema)])
    assert gathered(write(found, tmp_path / "t"), Text()).to_pylist()[0]["board_titles"] == ["attic", "stuff"]


def test_the_digest_changes_exactly_when_a_text_does(tmp_path, gathered):
    found = world(4)
    before = gathered(write(found, tmp_path / "before"), WINDOWED)
    pages = table("links", {"link": ["a.example"], "title": ["Andere Seite"], "description": [None]})
    after = gathered(write(found | {"links": pages}, tmp_path / "after"), WINDOWED)
    changed = [b != a for b, a in zip(texts(before), texts(after))]
    assert [b != a for b, a in zip(before.column("digest"), after.column("digest"))] == changed
    assert 0 < sum(changed) < len(changed)


def test_the_digest_tells_sources_and_items_apart(tmp_path, gathered):
    one = {
        "pins": table("pins", {"pin_id": ["a", "b", "c"], "title": ["x", None, ""], "description": [None, "x", None]})
    }
    rows = gathered(write(one, tmp_path / "t"), Text())
    assert len(set(rows.column("digest").to_pylist())) == 3


def test_a_column_missing_from_one_file_is_named(tmp_path):
    files = write(world(0), tmp_path / "tables")
    path = files["saves"][1]
    pq.write_table(pq.read_table(path).drop_columns(["user_id"]), path)
    with pytest.raises(InputError, match=r"saves/1\.parquet, column 'user_id': no such column"):
        gather.prepare(files, WINDOWED, tmp_path, tmp_path / "scratch")


def test_a_column_of_another_type_in_one_file_is_named(tmp_path):
    files = write(world(0), tmp_path / "tables")
    path = files["pins"][2]
    rows = pq.read_table(path)
    pq.write_table(rows.set_column(1, "title", pa.array(range(len(rows)))), path)
    with pytest.raises(InputError, match=r"pins/2\.parquet, column 'title': int64 where the pins table has string"):
        tables.read(files, "pins", ["pin_id", "title"])


def test_an_unreadable_file_is_named(tmp_path):
    files = write(world(0), tmp_path / "tables")
    files["boards"][0].write_bytes(b"PAR1")
    with pytest.raises(WorkspaceError, match=r"boards/0\.parquet: cannot be read"):
        gather.prepare(files, WINDOWED, tmp_path, tmp_path / "scratch")


def test_paths_are_no_patterns(tmp_path, gathered):
    files = write(world(0), tmp_path / "a[b]*")
    assert len(gathered(files, WINDOWED)) == 30


def test_buckets_are_the_same_everywhere(tmp_path):
    files = write({"pins": table("pins", {"pin_id": ["p1", "Ā", "日本"]})}, tmp_path / "tables", files=1)
    rows = tables.read(files, "pins", ["pin_id"]).select("pin_id", tables.bucket_of(1000).alias("bucket"))
    assert rows.to_pydict()["bucket"] == [644, 954, 563]  # XXH64 of the UTF-8 bytes, modulo 1000
