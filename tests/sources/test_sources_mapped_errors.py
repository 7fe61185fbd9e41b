"""Every mistake gets one line: file, row, column, and what to do about it."""

import gzip
import io
import re
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from limbeck.errors import InputError
from limbeck.sources import check, mapped

PINS = '[[tables.pins]]\nfiles = ["items.csv"]\ncolumns = { pin_id = "id", title = "title" }\n'
JUDGMENTS = '[[tables.judgments]]\nfiles = ["j.csv"]\ncolumns = { query = "q", pin_id = "p", level = "r" }\n'
GRADES = """
[[tables.judgments]]
files = ["j.csv"]
columns = { query = "q", pin_id = "p" }
level = { column = "r", table = { bad = 1, good = 5 } }
"""
SAVES = """
[[tables.saves]]
files = ["saves.csv"]
columns = { board_id = "b", pin_id = "p", user_id = "u", saved_at = "t" }
"""


def line(recipe) -> str:
    """The one line that `check` refuses a recipe with; making the shards refuses it in the same words."""
    with pytest.raises(InputError) as caught:
        check.check(recipe)
    said = str(caught.value)
    assert "\n" not in said
    if "holds no rows" not in said:  # there are no shards then
        with pytest.raises(InputError, match=re.escape(said)):
            make_all(recipe)
    return said


def make_all(recipe) -> None:
    for table in recipe.tables:
        for make in mapped.shards(recipe, table).values():
            make()


def assert_refused(recipe, *words: str) -> None:
    message = line(recipe)
    for word in words:
        assert word in message, message


def test_a_missing_file_with_the_nearest_name(write, recipe_of):
    write("itens.csv", "id,title\n1,x\n")
    assert_refused(recipe_of(PINS), "items.csv", "no such file", "Did you mean 'itens.csv'?")


def test_a_missing_folder(recipe_of, tmp_path):
    assert_refused(recipe_of(PINS.replace("items", "data/deep/items")), "no such file", str(tmp_path.resolve()))


def test_a_folder_is_no_file(tmp_path, recipe_of):
    (tmp_path / "items.csv").mkdir()
    assert_refused(recipe_of(PINS), "is a folder", "/*.csv")


def test_an_environment_variable_that_is_not_set(recipe_of, monkeypatch):
    monkeypatch.delenv("LIMBECK_NOWHERE", raising=False)
    assert_refused(recipe_of(PINS.replace("items", "${LIMBECK_NOWHERE}/items")), "LIMBECK_NOWHERE is not set")


def test_a_missing_column_with_the_nearest_name(write, recipe_of):
    write("items.csv", "id,titel\n1,x\n")
    assert_refused(recipe_of(PINS), "items.csv", "column 'title'", "no such column", "Did you mean 'titel'?")


def test_a_key_that_no_json_object_has(write, recipe_of):
    write("items.jsonl", '{"id": 1}\n{"id": 2, "titles": "x"}\n')
    assert_refused(recipe_of(PINS.replace(".csv", ".jsonl")), "column 'title'", "Did you mean 'titles'?")


def test_one_parquet_file_of_several_lacks_a_column(tmp_path, recipe_of):
    pq.write_table(pa.table({"id": ["1"], "title": ["x"]}), tmp_path / "items1.parquet")
    pq.write_table(pa.table({"id": ["2"], "name": ["x"]}), tmp_path / "items2.parquet")
    assert_refused(
        recipe_of(PINS.replace("items.csv", "items*.parquet")), "items2.parquet", "column 'title'", "no such column"
    )


def test_two_columns_of_one_name(write, recipe_of):
    write("items.csv", "id,title,title\n1,x,y\n")
    assert_refused(recipe_of(PINS), "column 'title'", "2 columns have this name")


def test_another_delimiter(write, recipe_of):
    write("items.csv", "id;title\n1;x\n")
    assert_refused(recipe_of(PINS), "row 1", 'Set delimiter = ";"')


def test_a_rating_outside_the_table(write, recipe_of):
    write("j.csv", "q,p,r\nlamp,a,good\nlamp,a,fair\n")
    assert_refused(recipe_of(GRADES), "j.csv, row 3, column 'r': 'fair' is no rating", "'bad', 'good'")


@pytest.mark.parametrize("rating", ["0", "6", "2.5", "high"])
def test_a_rating_outside_one_to_five(write, recipe_of, rating):
    write("j.csv", f"q,p,r\nlamp,a,{rating}\n")
    assert_refused(recipe_of(JUDGMENTS), "row 2, column 'r'", repr(rating))


def test_a_rating_that_thresholds_cannot_place(write, recipe_of):
    write("j.csv", "q,p,r\nlamp,a,good\n")
    toml = GRADES.replace("table = { bad = 1, good = 5 }", "thresholds = [1, 2, 3, 4]")
    assert_refused(recipe_of(toml), "row 2, column 'r'", "'good'", "Thresholds want numbers")


@pytest.mark.parametrize(
    ("level", "words"),
    [
        ("thresholds = [1, 2, 3]", "not four ascending numbers"),
        ("thresholds = [1, 3, 2, 4]", "not four ascending numbers"),
        ("table = { bad = 0 }", "the level 0, not 1–5"),
        ("table = { bad = 1 }, thresholds = [1, 2, 3, 4]", "either a table or thresholds"),
    ],
)
def test_a_level_mapping_that_makes_no_sense(write, recipe_of, level, words):
    write("j.csv", "q,p,r\nlamp,a,bad\n")
    assert_refused(recipe_of(GRADES.replace("table = { bad = 1, good = 5 }", level)), "tables.judgments 1", words)


def test_undecodable_bytes_name_row_and_column(write, recipe_of):
    rows = [b"%d,plain" % i for i in range(40_000)]
    rows[30_001] = 'x,"two\nlines, é"'.encode("latin-1")
    write("items.csv", b"id,title\n" + b"\n".join(rows))
    assert_refused(
        recipe_of(PINS), "row 30003, column 'title': the bytes e9 22 0a", "are not utf-8", "encoding = 'latin-1'"
    )


def test_undecodable_bytes_in_json_lines(write, recipe_of):
    write("items.jsonl", b'{"id": "1", "title": "x"}\n\n{"id": "2", "title": "\xe9"}\n')
    assert_refused(recipe_of(PINS.replace(".csv", ".jsonl")), "row 3", "are not utf-8")


def test_undecodable_bytes_in_the_header(write, recipe_of):
    write("items.csv", "id,titel,größe\n1,x,2\n".encode("latin-1"))
    assert_refused(recipe_of(PINS), "row 1", "are not utf-8")


def test_utf16_read_as_utf8(write, recipe_of):
    write("items.csv", "id,title\n1,x\n".encode("utf-16"))
    assert_refused(recipe_of(PINS), "row 1", "encoding = 'utf-16'")


def test_half_a_utf16_character(write, recipe_of):
    write("items.csv", "id,title\n1,x\n2,y\n".encode("utf-16")[:-1])
    assert_refused(recipe_of(PINS + 'encoding = "utf-16"'), "items.csv, row 3", "are not utf-16")


def test_an_encoding_that_does_not_exist(write, recipe_of):
    write("items.csv", "id,title\n1,x\n")
    assert_refused(recipe_of(PINS + 'encoding = "latin-9000"'), "there is no encoding 'latin-9000'")


def test_bytes_in_parquet_that_are_no_text(tmp_path, recipe_of):
    titles = pa.array([b"x", b"\xff"], pa.binary())
    pq.write_table(pa.table({"id": ["1", "2"], "title": titles}), tmp_path / "items.parquet")
    assert_refused(recipe_of(PINS.replace(".csv", ".parquet")), "row 2, column 'title': the bytes are not UTF-8")


def test_a_duplicate_pin_id_even_in_another_file(write, recipe_of):
    write("items1.csv", "id,title\n1,x\n2,y\n")
    write("items2.csv", "id,title\n3,x\n1,y\n")
    assert_refused(
        recipe_of(PINS.replace("items", "items*")), "items2.csv, row 3, column 'id': '1' was already", "distinct"
    )


@pytest.mark.parametrize("table", ["boards", "links"])
def test_other_keys_must_be_unique_too(write, recipe_of, table):
    write("x.csv", "id\n1\n1\n")
    key = {"boards": "board_id", "links": "link"}[table]
    assert_refused(
        recipe_of(f'[[tables.{table}]]\nfiles = ["x.csv"]\ncolumns = {{ {key} = "id" }}'), "row 3, column 'id'"
    )


@pytest.mark.parametrize("content", [b"", b"\n", gzip.compress(b"", mtime=0), "\ufeff".encode()])
def test_an_empty_file(write, recipe_of, content):
    write("items.csv", content)
    assert_refused(recipe_of(PINS), "items.csv: is empty")


def test_a_header_and_no_rows(write, recipe_of):
    write("items.csv", "id,title\n\n")
    assert_refused(recipe_of(PINS), "items.csv: holds no rows")


def test_where_leaves_nothing(write, recipe_of):
    write("items.csv", "id,title\n1,x\n")
    assert_refused(recipe_of(PINS + 'where = { title = "y" }'), "items.csv: where (title = 'y') leaves no rows")


@pytest.mark.parametrize("date", ["yesterday", "2026-02-30 10:00:00", "31/01/2026", "2026", "2026-13-01T00:00:00Z"])
def test_dates_that_are_none(write, recipe_of, date):
    write("saves.csv", f"b,p,u,t\nb1,a,u1,2026-01-01T00:00:00Z\nb1,a,u1,{date}\n")
    assert_refused(
        recipe_of(SAVES), f"saves.csv, row 3, column 't': '{date}' is not a date or time", "2026-01-31T23:59:59Z"
    )


@pytest.mark.parametrize(
    ("column", "value", "kind"),
    [
        ("n", "first", "a whole number"),
        ("n", "1.5", "a whole number"),
        ("n", "3000000000", "a whole number"),
        ("c", "maybe", "true or false"),
        ("d", "1,5", "a number"),
        ("d", "inf", "a number"),
        ("d", "1e99", "a number"),
    ],
)
def test_values_of_the_wrong_kind(write, recipe_of, column, value, kind):
    row = {"s": "s", "t": "2026-01-01", "u": "u", "q": "q", "p": "a", "n": "1", "c": "1", "d": "", "v": "0"}
    row |= {column: f'"{value}"'}
    write("log.csv", ",".join(row) + "\n" + ",".join(row.values()) + "\n")
    toml = """
        [[tables.impressions]]
        files = ["log.csv"]
        [tables.impressions.columns]
        search_id = "s"
        searched_at = "t"
        user_id = "u"
        query = "q"
        pin_id = "p"
        position = "n"
        clicked = "c"
        dwell_seconds = "d"
        saved = "v"
        """
    assert_refused(recipe_of(toml), f"row 2, column '{column}': '{value}' is not {kind}")


@pytest.mark.parametrize(("row", "count"), [("2", 1), ("2,x,y", 3)])
def test_ragged_rows(write, recipe_of, row, count):
    write("items.csv", f'id,title\n1,"two\nlines"\n\n{row}\n')
    assert_refused(recipe_of(PINS), f"items.csv, row 4: {count} values, but the header has 2 columns")


@pytest.mark.parametrize("rest", ['2,"open\n3,x\n', '2,"a"b\n'])
def test_bad_quotes(write, recipe_of, rest):
    write("items.csv", f"id,title\n1,x\n{rest}")
    assert_refused(recipe_of(PINS), "items.csv, row 3: badly quoted", 'quote = ""')


def packed(**files: str) -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return whole.getvalue()


def test_a_zip_with_several_members(write, recipe_of):
    write("items.csv.zip", packed(a="id,title\n", b="id,title\n"))
    assert_refused(
        recipe_of(PINS.replace(".csv", ".csv.zip")), "items.csv.zip: holds 2 files (a, b), not one", "Unpack it"
    )


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b[:60] + bytes(9) + b[69:]])
@pytest.mark.parametrize("pack", [lambda text: packed(x=text), lambda text: gzip.compress(text.encode())])
def test_a_damaged_archive(write, recipe_of, pack, damage):
    text = "id,title\n" + "".join(f"{i},title {i * 7919}\n" for i in range(2_000))
    write("items.csv", damage(pack(text)))
    assert_refused(recipe_of(PINS + 'format = "csv"'), "items.csv: is damaged")


def test_a_file_that_is_no_parquet(write, recipe_of):
    write("items.parquet", "id,title\n1,x\n")
    assert_refused(recipe_of(PINS.replace(".csv", ".parquet")), "items.parquet: not a readable Parquet file")


def test_a_format_that_cannot_be_told(write, recipe_of):
    write("items.dat", "id,title\n1,x\n")
    assert_refused(recipe_of(PINS.replace(".csv", ".dat")), "items.dat", 'format = "csv"')


@pytest.mark.parametrize("text", ["{", "[1]", '"x"', '[{"id": 1, "title": "x"}]'])
def test_lines_that_are_no_json_objects(write, recipe_of, text):
    write("items.jsonl", f'{{"id": 1, "title": "x"}}\n\n{text}\n')
    assert_refused(recipe_of(PINS.replace(".csv", ".jsonl")), "items.jsonl, row 3: not", "per line")


def test_nested_values(write, tmp_path, recipe_of):
    write("items.jsonl", '{"id": 1, "title": {"en": "x"}}\n')
    assert_refused(recipe_of(PINS.replace(".csv", ".jsonl")), "row 1, column 'title': a nested value")
    pq.write_table(pa.table({"id": ["1"], "title": [{"en": "x"}]}), tmp_path / "items.parquet")
    assert_refused(recipe_of(PINS.replace(".csv", ".parquet")), "column 'title': a nested value")


def test_half_a_surrogate_pair_in_json(write, recipe_of):
    write("items.jsonl", '{"id": 1, "title": "x"}\n{"id": 2, "title": "\\ud83d"}\n')
    assert_refused(recipe_of(PINS.replace(".csv", ".jsonl")), "row 2, column 'title': holds half of a surrogate pair")


@pytest.mark.parametrize("empty", ["", "  ", '""'])
def test_an_empty_value_where_one_is_required(write, recipe_of, empty):
    write("items.csv", f"id,title\n1,x\n{empty},y\n")
    assert_refused(recipe_of(PINS), "items.csv, row 3, column 'id': is empty")


def test_the_empty_part_of_a_composite_id_is_named(write, recipe_of):
    write("items.csv", "id,title\n1,x\n2,\n")
    assert_refused(recipe_of(PINS.replace('"id"', '["id", "title"]')), "row 3, column 'title': is empty")


def test_a_value_outside_a_translation(write, recipe_of):
    write("items.csv", "id,title\n1,x\n2,y\n")
    toml = PINS.replace('"title" }', '{ column = "title", table = { x = "X" } } }')
    assert_refused(recipe_of(toml), "row 3, column 'title': 'y' is not in the table")


LOOKUP = JUDGMENTS.replace('query = "q"', 'query = { column = "q", file = "q.csv", key = "n", value = "text" }')


def test_a_lookup_that_finds_nothing(write, recipe_of):
    write("q.csv", "n,text\n1,lamp\n")
    write("j.csv", "q,p,r\n1,a,1\n2,a,1\n")
    assert_refused(recipe_of(LOOKUP), "j.csv, row 3, column 'q': '2' is not among the n of q.csv")


def test_a_lookup_that_finds_two(write, recipe_of):
    write("q.csv", "n,text\n1,lamp\n1,lamp\n1,chair\n")
    write("j.csv", "q,p,r\n1,a,1\n")
    assert_refused(recipe_of(LOOKUP), "q.csv, row 4, column 'n': '1' stands for 'lamp' and for 'chair'")


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        (PINS.replace("title =", "titel ="), "no column 'titel'. Did you mean 'title'?"),
        (PINS.replace('pin_id = "id", ', ""), "nothing is mapped to 'pin_id'"),
        (PINS + 'constants = { title = "x" }', "'title' is given twice"),
        (PINS + 'constants = { created_at = "soon" }', "the constant created_at is 'soon', not a date or time"),
        (PINS.replace('"id"', "[]"), "'pin_id' is mapped to no column"),
        (PINS.replace('["items.csv"]', "[]"), "files is empty"),
        (PINS + 'level = { column = "id", table = { x = 1 } }', "no column 'level'"),
        (PINS + 'delimiter = "::"', "delimiter and quote are one character each"),
    ],
)
def test_mappings_that_cannot_be(write, recipe_of, toml, words):
    write("items.csv", "id,title\n1,x\n")
    assert_refused(recipe_of(toml), words)


def test_all_tables_are_looked_at_before_rows_are_read(write, recipe_of):
    write("items.csv", "id,title\n1,x\n1,y\n")
    with pytest.raises(InputError, match="no such file"):
        check.check(recipe_of(PINS + JUDGMENTS))


# -- what is either about a Pin or about a query --

INTERESTS = '[[tables.interests]]\nfiles = ["i.csv"]\ncolumns = {{ {} }}\n'


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ('pin_id = "p", query = "q", interest = "i"', "of pin_id and query, exactly one is to be mapped"),
        ('interest = "i"', "of pin_id and query, exactly one is to be mapped"),
        ('pin_id = "p"', "nothing is mapped to interest or shopping"),
    ],
)
def test_a_block_of_interests_says_whose_and_which(write, recipe_of, columns, said):
    write("items.csv", "id,title\n1,x\n")
    write("i.csv", "p,q,i\n1,a,b\n")
    assert_refused(recipe_of(PINS + INTERESTS.format(columns)), "tables.interests 1", said)


def test_an_interest_of_nobody(write, recipe_of):
    write("items.csv", "id,title\n1,x\n")
    write("i.csv", "q,i\na,b\n,c\n")
    assert_refused(
        recipe_of(PINS + INTERESTS.format('query = "q", interest = "i"')), "i.csv", "row 3", "'q'", "is empty"
    )


def test_a_pin_may_have_several_interests_and_one_that_is_not_there_is_told_of(write, recipe_of):
    write("items.csv", "id,title\n1,x\n")
    write("i.csv", "p,i,s\n1,a,yes\n1,b,\n7,,no\n")
    recipe = recipe_of(PINS + INTERESTS.format('pin_id = "p", interest = "i", shopping = "s"'))
    (rows,) = (make() for make in mapped.shards(recipe, "interests").values())
    assert [tuple(row.values()) for row in rows.to_pylist()] == [
        ("1", None, "a", True),
        ("1", None, "b", None),
        ("7", None, None, False),
    ]
    assert check.check(recipe).tables["interests"].dangling == {"pin_id → pins": 1}
