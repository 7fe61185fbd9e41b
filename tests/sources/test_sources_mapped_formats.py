"""Any table of texts comes back as it was written, whatever the format, packing and encoding."""

import csv
import gzip
import io
import json
import tempfile
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from limbeck.settings import TableMapping
from limbeck.sources import files

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NAMES = st.lists(TEXTS.filter(lambda n: n.strip() and not n.startswith("\ufeff")), min_size=1, max_size=4, unique=True)
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "latin-1"]


@st.composite
def tables(draw) -> pa.Table:
    names = draw(NAMES)
    rows = draw(st.lists(st.tuples(*(TEXTS for _ in names)), min_size=1, max_size=8))
    return pa.table([pa.array(column, pa.string()) for column in zip(*rows)], names)


def delimited(table: pa.Table, delimiter: str, ending: str) -> str:
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, lineterminator=ending, quoting=csv.QUOTE_ALL)
    writer.writerow(table.column_names)
    writer.writerows(zip(*(c.to_pylist() for c in table.columns)))
    return out.getvalue()


def content(table: pa.Table, kind: str, encoding: str, ending: str) -> bytes:
    if kind == "parquet":
        sink = io.BytesIO()
        pq.write_table(table, sink)
        return sink.getvalue()
    if kind == "jsonl":
        lines = [json.dumps(row, ensure_ascii=False) for row in table.to_pylist()]
        return (ending.join(lines) + ending).encode(encoding)
    return delimited(table, "," if kind == "csv" else "\t", ending).encode(encoding)


def pack(data: bytes, packing: str, name: str) -> bytes:
    if packing == "gz":
        return gzip.compress(data)
    if packing == "zip":
        whole = io.BytesIO()
        with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(name, data)
        return whole.getvalue()
    return data


@given(tables(), st.sampled_from(ENCODINGS), st.sampled_from(["\n", "\r\n"]), st.sampled_from(["", "zip", "gz"]))
@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "parquet"])
def test_what_is_written_is_read(kind, table, encoding, ending, packing):
    try:
        data = content(table, kind, encoding, ending)
    except UnicodeEncodeError:
        assume(False)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"t.{kind}{packing and '.' + packing}"
        path.write_bytes(pack(data, packing, f"t.{kind}"))
        file = files.file(path, TableMapping(files=(), encoding=encoding))
        files.require(file, table.column_names)
        batches = list(files.batches(file, table.column_names))
        assert files.count(file) == table.num_rows
    read = {name: [v for b in batches for v in b.columns[name].to_pylist()] for name in table.column_names}
    assert read == {name: table.column(name).to_pylist() for name in table.column_names}
    first = 2 if kind in ("csv", "tsv") else 1
    assert [n for b in batches for n in b.numbers] == list(range(first, first + table.num_rows))


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_a_large_file_comes_in_bounded_batches(tmp_path, kind):
    table = pa.table({"id": [str(i) for i in range(40_000)]})
    path = tmp_path / f"t.{kind}"
    path.write_bytes(content(table, kind, "utf-8", "\n"))
    batches = list(files.batches(files.file(path, TableMapping(files=())), ["id"]))
    assert max(len(b.numbers) for b in batches) <= 16_384
    assert [v for b in batches for v in b.columns["id"].to_pylist()] == table.column("id").to_pylist()


def test_only_the_columns_asked_for_are_read(tmp_path):
    (tmp_path / "t.csv").write_text("a,b,c\n1,2,3\n")
    (batch,) = files.batches(files.file(tmp_path / "t.csv", TableMapping(files=())), ["c"])
    assert {name: values.to_pylist() for name, values in batch.columns.items()} == {"c": ["3"]}
