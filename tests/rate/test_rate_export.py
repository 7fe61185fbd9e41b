"""What others read: every judgment that stands, and nothing that a spreadsheet would run."""

import csv
import io
from datetime import UTC, datetime

import ir_measures
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_desks import make_pairs

from limbeck.errors import InputError
from limbeck.rate import export
from limbeck.rate.store import ADMIN, Event
from limbeck.records import schema

PAIRS = make_pairs(gold=2)
NOW = datetime(2026, 5, 4, tzinfo=UTC)
FORMULAS = tuple("=+-@\t\r\n＝＋－＠")


@pytest.fixture
def rated(store):
    def say(person, *levels):
        events = [Event(f"event-{n:04d}", PAIRS[n].pair, "rate", level) for n, level in levels]
        store.append(person, events, NOW)

    say("ana", (0, 5), (2, 5), (3, 4), (18, 2))
    say("ben", (0, 1), (2, 1), (3, 4))
    say(ADMIN, (2, 2))
    store.append("cleo", [Event("event-skip", PAIRS[4].pair, "skip")], NOW)
    return store


def test_an_adjudicated_pair_has_one_judgment_and_a_gold_pair_none(rated):
    rows = export.judgments(rated)
    assert rows.schema.equals(schema("judgments"))
    found = {(r["query"], r["pin_id"], r["rater_id"]): r["level"] for r in rows.to_pylist()}
    assert found == {
        ("red sofa", "pin2", ADMIN): 2,
        ("red sofa", "pin3", "ana"): 4,
        ("red sofa", "pin3", "ben"): 4,
        ("=HYPERLINK(1)", "pin0", "ana"): 2,
    }
    assert set(rows.column("judged_at").to_pylist()) == {NOW}


def test_the_files_are_what_they_say(rated, tmp_path):
    export.write(rated, tmp_path / "out")
    assert {p.name for p in (tmp_path / "out").iterdir()} == set(export.FILES)
    assert pq.read_table(tmp_path / "out" / "judgments.parquet").equals(export.judgments(rated))
    queries = dict(line.split("\t") for line in (tmp_path / "out" / "queries.tsv").read_text().splitlines())
    qrels = {(queries[q.query_id], q.doc_id): q.relevance for q in ir_measures.read_trec_qrels(
        str(tmp_path / "out" / "qrels.txt"))}  # fmt: skip
    assert qrels == {("red sofa", "pin2"): 1, ("red sofa", "pin3"): 3, ("=HYPERLINK(1)", "pin0"): 1}
    with open(tmp_path / "out" / "history.csv", newline="", encoding="utf-8") as file:
        history = list(csv.DictReader(file))
    assert len(history) == len(rated.history()) == 9
    assert {row["query"] for row in history} == {"red sofa", "'=HYPERLINK(1)"}


def test_nothing_rated_is_said_in_words(store, tmp_path):
    with pytest.raises(InputError, match="nothing is rated yet"):
        export.write(store, tmp_path)


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12), min_size=1, max_size=4))
def test_no_cell_is_a_formula_and_every_text_can_be_read_back(texts):
    written = export.to_csv([{"text": text, "more": f"={text}"} for text in texts], ["text", "more"])
    rows = list(csv.DictReader(io.StringIO(written, newline="")))
    for row, text in zip(rows, texts, strict=True):
        for name, given_ in (("text", text), ("more", f"={text}")):
            assert not row[name].lstrip(" '\"").startswith(FORMULAS) or row[name].startswith("'")
            assert row[name] in (given_, f"'{given_}")
    assert all(row["more"].startswith("'=") for row in rows)
