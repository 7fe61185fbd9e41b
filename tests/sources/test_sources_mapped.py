"""A user's files as tables: what a mapping can say, and what comes of it."""

import gzip
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from limbeck.errors import InputError
from limbeck.records import schema
from limbeck.sources import mapped


def table(recipe, name):
    made = pa.concat_tables([make() for make in mapped.shards(recipe, name).values()])
    assert made.schema.equals(schema(name))
    return made


def test_columns_constants_and_nothing(write, recipe_of):
    write("items.csv", 'id,name,ignored\n1,"A ""red"" lamp",x\n2,,y\n')
    recipe = recipe_of("""
        [[tables.pins]]
        files = ["items.csv"]
        columns = { pin_id = "id", title = "name" }
        constants = { language = "en" }
        """)
    pins = table(recipe, "pins")
    assert pins.column("pin_id").to_pylist() == ["1", "2"]
    assert pins.column("title").to_pylist() == ['A "red" lamp', None]
    assert pins.column("language").to_pylist() == ["en", "en"]
    assert pins.column("image").null_count == 2


def test_composite_ids_joined_texts_translations_and_lookups(write, recipe_of):
    write("sites.tsv", "site\tspeech\n7\tde\n8\tfr\n")
    write("items.csv", "site,no,brand,text,land\n7,1,Acme,Good,D\n8,1,,Better,F\n9,2,,,D\n")
    recipe = recipe_of("""
        [[tables.pins]]
        files = ["items.csv"]
        [tables.pins.columns]
        pin_id = ["site", "no"]
        description = { columns = ["brand", "text"], separator = " | " }
        country = { column = "land", table = { D = "DE", F = "FR" } }
        language = { column = "site", file = "sites.tsv", key = "site", value = "speech", format = "tsv" }
        """)
    pins = table(recipe, "pins").select(["pin_id", "description", "country", "language"]).to_pylist()
    assert [tuple(p.values()) for p in pins] == [
        ("7:1", "Acme | Good", "DE", "de"),
        ("8:1", "Better", "FR", "fr"),
        ("9:2", None, "DE", None),
    ]


def test_where_nulls_and_several_blocks(write, recipe_of):
    write("a.csv", "id,split,t\n1,train,NULL\n2,test,x\n3,dev,y\n")
    write("b.jsonl", '{"id": 12345678901234567890, "t": "z"}\n')
    recipe = recipe_of("""
        [[tables.pins]]
        files = ["a.csv"]
        where = { split = ["train", "dev"] }
        nulls = ["NULL"]
        columns = { pin_id = "id", title = "t" }
        [[tables.pins]]
        files = ["b.jsonl"]
        columns = { pin_id = "id", title = "t" }
        """)
    pins = table(recipe, "pins")
    assert pins.column("pin_id").to_pylist() == ["1", "3", "12345678901234567890"]
    assert pins.column("title").to_pylist() == [None, "y", "z"]


def test_distinct_keeps_the_first_row_of_each_id_across_files(write, recipe_of):
    write("p1.csv", "id,t\n1,first\n1,second\n2,x\n")
    write("p2.csv", "id,t\n2,later\n3,y\n")
    recipe = recipe_of("""
        [[tables.pins]]
        files = ["p*.csv"]
        distinct = true
        columns = { pin_id = "id", title = "t" }
        """)
    pins = table(recipe, "pins")
    assert list(zip(*(pins.column(c).to_pylist() for c in ("pin_id", "title")))) == [
        ("1", "first"),
        ("2", "x"),
        ("3", "y"),
    ]


def test_distinct_without_a_key_leaves_out_equal_rows(write, recipe_of):
    write("j.csv", "q,p,r\nlamp,a,1\nlamp,a,1\nlamp,a,2\n")
    recipe = recipe_of("""
        [[tables.judgments]]
        files = ["j.csv"]
        distinct = true
        columns = { query = "q", pin_id = "p", level = "r" }
        """)
    assert table(recipe, "judgments").column("level").to_pylist() == [1, 2]


def test_every_rater_keeps_a_row(write, recipe_of):
    write("j.csv", "q,p,who,grade\nlamp,a,ann,good\nlamp,a,bo,bad\nlamp,a,cy,good\n")
    recipe = recipe_of("""
        [[tables.judgments]]
        files = ["j.csv"]
        columns = { query = "q", pin_id = "p", rater_id = "who" }
        level = { column = "grade", table = { bad = 2, good = 4 } }
        """)
    assert table(recipe, "judgments").column("level").to_pylist() == [4, 2, 4]


@pytest.mark.parametrize("kind", ["csv", "float32", "float64"])
def test_thresholds_belong_to_the_level_above(tmp_path, write, recipe_of, kind):
    ratings = ["1", "1.19", "1.2", "1.5", "2.2", "2.79", "2.8", "3"]
    if kind == "csv":
        write("j.csv", "q,p,r\n" + "".join(f"lamp,a,{r}\n" for r in ratings))
    else:
        numbers = pa.array(map(float, ratings), getattr(pa, kind)())
        rows = {"q": ["lamp"] * len(ratings), "p": ["a"] * len(ratings), "r": numbers}
        pq.write_table(pa.table(rows), tmp_path / "j.parquet")
    recipe = recipe_of("""
        [[tables.judgments]]
        files = ["j.*"]
        columns = { query = "q", pin_id = "p" }
        level = { column = "r", thresholds = [1.2, 1.5, 2.2, 2.8] }
        """)
    assert table(recipe, "judgments").column("level").to_pylist() == [1, 1, 2, 3, 4, 4, 5, 5]


def test_a_table_of_numbers_knows_them_however_they_are_written(write, recipe_of):
    write("j.csv", "q,p,r\nx,a,3\nx,a,3.0\nx,a, 3\nx,a,0.50\n")
    recipe = recipe_of("""
        [[tables.judgments]]
        files = ["j.csv"]
        columns = { query = "q", pin_id = "p" }
        level = { column = "r", table = { 3 = 5, "0.5" = 2 } }
        """)
    assert table(recipe, "judgments").column("level").to_pylist() == [5, 5, 5, 2]


IMPRESSIONS = """
    [[tables.impressions]]
    files = ["log.*"]
    columns = { search_id = "s", searched_at = "t", user_id = "u", query = "q", pin_id = "p", position = "n", clicked = "c", dwell_seconds = "d", saved = "v" }
"""  # noqa: E501


def test_times_numbers_and_truth_values(write, recipe_of):
    rows = [
        ("2026-01-31T23:59:59.5Z", "1", "true", "2.5", "0"),
        ("2026-01-31 23:59:59", "2.0", "NO", "", "1"),
        ("2026-01-31T23:59:59+02:00", "3", "T", "1e2", "false"),
        ("1769903999", "4", "0", ".5", "y"),
        ("1769903999.25", "5", "0", "1", "n"),
        ("1769903999250", "6", "0", "1", "n"),
        ("2026-01-31", "7", "0", "1", "n"),
    ]
    write("log.csv", "s,u,q,p,t,n,c,d,v\n" + "".join(f"s,u,q,a,{','.join(row)}\n" for row in rows))
    made = table(recipe_of(IMPRESSIONS), "impressions")
    last = datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC)
    quarter = timedelta(microseconds=250_000)
    assert made.column("searched_at").to_pylist() == [
        last + 2 * quarter,
        last,
        last - timedelta(hours=2),
        last,
        last + quarter,
        last + quarter,
        datetime(2026, 1, 31, tzinfo=UTC),
    ]
    assert made.column("position").to_pylist() == [1, 2, 3, 4, 5, 6, 7]
    assert made.column("clicked").to_pylist() == [True, False, True, False, False, False, False]
    assert made.column("dwell_seconds").to_pylist() == [2.5, None, 100, 0.5, 1, 1, 1]
    assert made.column("saved").to_pylist() == [False, True, False, True, False, False, False]


def test_typed_parquet_columns(tmp_path, recipe_of):
    there = datetime(2026, 1, 31, 12, tzinfo=timezone(timedelta(hours=-5)))
    rows = {
        "s": pa.array([1.0, 2.0], pa.float64()),
        "u": pa.array(["u", "u"]).dictionary_encode(),
        "q": pa.array([["red", "lamp"], ["x"]]),
        "p": pa.array([b"a", b"b"], pa.binary()),
        "t": pa.array([there, there], pa.timestamp("ns", "America/New_York")),
        "n": pa.array([1, 2], pa.uint8()),
        "c": pa.array([True, False]),
        "d": pa.array([float("nan"), 0.25], pa.float32()),
        "v": pa.array([1, 0], pa.int64()),
    }
    pq.write_table(pa.table(rows), tmp_path / "log.parquet")
    made = table(recipe_of(IMPRESSIONS), "impressions").to_pylist()
    assert made[0] == {
        "search_id": "1",
        "searched_at": datetime(2026, 1, 31, 17, tzinfo=UTC),
        "user_id": "u",
        "country": None,
        "language": None,
        "query": "red lamp",
        "pin_id": "a",
        "position": 1,
        "clicked": True,
        "dwell_seconds": None,
        "saved": True,
    }
    assert (made[1]["search_id"], made[1]["dwell_seconds"], made[1]["saved"]) == ("2", 0.25, False)


def test_paths_are_relative_to_the_recipe_and_may_name_environment_variables(write, recipe_of, monkeypatch, tmp_path):
    write("data/items.csv", "id\n1\n")
    toml = '[[tables.pins]]\nfiles = ["${LIMBECK_TEST_DATA:-data}/items.csv"]\ncolumns = { pin_id = "id" }'
    monkeypatch.delenv("LIMBECK_TEST_DATA", raising=False)
    assert table(recipe_of(toml), "pins").num_rows == 1
    write("elsewhere/items.csv", "id\n1\n2\n")
    monkeypatch.setenv("LIMBECK_TEST_DATA", str(tmp_path / "elsewhere"))
    assert table(recipe_of(toml), "pins").num_rows == 2


def many(write, recipe_of, monkeypatch):
    """25 rows in two files, read by threes and kept in shards of up to seven rows."""
    monkeypatch.setattr("limbeck.sources.delimited.ROWS_PER_BATCH", 3)
    monkeypatch.setattr("limbeck.sources.mapped.ROWS_PER_SHARD", 7)
    write("p1.csv", "id\n" + "".join(f"{i}\n" for i in range(20)))
    write("p2.csv", "id\n" + "".join(f"{i}\n" for i in range(15, 25)))
    return recipe_of('[[tables.pins]]\nfiles = ["p?.csv"]\ndistinct = true\ncolumns = { pin_id = "id" }')


def test_shards_are_the_same_in_whatever_order_they_are_made(write, recipe_of, monkeypatch):
    recipe = many(write, recipe_of, monkeypatch)
    inorder = {key: make() for key, make in mapped.shards(recipe, "pins").items()}
    assert sum(map(len, inorder.values())) == 25
    assert max(map(len, inorder.values())) <= 9
    assert pa.concat_tables(inorder.values()).column("pin_id").to_pylist() == [str(i) for i in range(25)]
    again = mapped.shards(recipe, "pins")
    for key in (*reversed(list(again)), *list(again)[1::2], *list(again)):
        assert again[key]().equals(inorder[key])


def test_a_digest_changes_with_bytes_and_mapping_alone(write, recipe_of):
    toml = '[[tables.pins]]\nfiles = ["{}"]\ncolumns = {{ pin_id = "id" }}\n'
    write("one.csv", "id\n1\n")
    write("same.csv", "id\n1\n")
    write("other.csv", "id\n2\n")
    first = mapped.digests(recipe_of(toml.format("one.csv")))
    assert mapped.digests(recipe_of(toml.format("same.csv"))) == first
    assert mapped.digests(recipe_of(toml.format("other.csv"))) != first
    assert mapped.digests(recipe_of(toml.format("one.csv") + 'constants = { language = "en" }')) != first
    write("one.csv", "id\n1\n3\n")
    assert mapped.digests(recipe_of(toml.format("one.csv"))) != first


def test_a_digest_knows_the_looked_up_file(write, recipe_of):
    write("q.csv", "n,text\n1,lamp\n")
    write("j.csv", "n,p,r\n1,a,5\n")
    recipe = recipe_of("""
        [[tables.judgments]]
        files = ["j.csv"]
        columns = { query = { column = "n", file = "q.csv", key = "n", value = "text" }, pin_id = "p", level = "r" }
        """)
    before = mapped.digests(recipe)["judgments"]
    assert table(recipe, "judgments").column("query").to_pylist() == ["lamp"]
    write("q.csv", "n,text\n1,lamps\n")
    assert mapped.digests(recipe)["judgments"] != before


def test_a_zip_may_hold_what_macos_adds(write, recipe_of, tmp_path: Path):
    import zipfile

    with zipfile.ZipFile(tmp_path / "items.zip", "w") as archive:
        archive.writestr("items.tsv", "id\ttitle\n1\ta,b\n")
        archive.writestr("__MACOSX/._items.tsv", "junk")
    recipe = recipe_of('[[tables.pins]]\nfiles = ["items.zip"]\ncolumns = { pin_id = "id", title = "title" }')
    assert table(recipe, "pins").column("title").to_pylist() == ["a,b"]


def test_any_delimiter_and_unquoted_values(write, recipe_of):
    write("items.txt", gzip.compress(b'id;title\n1;5" pipe\n2;"x\n'))
    recipe = recipe_of("""
        [[tables.pins]]
        files = ["items.txt"]
        format = "csv"
        delimiter = ";"
        quote = ""
        columns = { pin_id = "id", title = "title" }
        """)
    assert table(recipe, "pins").column("title").to_pylist() == ['5" pipe', '"x']


def test_reading_what_a_recipe_of_another_kind_says(recipe_of):
    with pytest.raises(InputError, match="separater"):
        recipe_of("""
            [[tables.pins]]
            files = ["x.csv"]
            columns = { pin_id = { columns = ["a", "b"], separater = "-" } }
            """)
