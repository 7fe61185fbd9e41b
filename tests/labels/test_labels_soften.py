import hashlib
import random
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limbeck.labels import soften
from limbeck.labels.known import Known
from limbeck.records import empty, schema
from limbeck.workspace import Made, Workspace, digest_of

Labelled = Callable[..., pa.Table]


class Counting:
    """A grader whose answer follows from query, Pin and text, and that remembers what it was asked."""

    name = "counting"

    def __init__(self, texts: dict[str, str], limit: int | None = None) -> None:
        self.texts, self.limit = texts, limit
        self.asked: Counter[tuple[str, str]] = Counter()
        self.calls: list[int] = []

    def grade(self, pairs: pa.Table) -> np.ndarray:
        if self.limit is not None and len(self.calls) == self.limit:
            raise KeyboardInterrupt
        keys = list(zip(pairs.column("query").to_pylist(), pairs.column("pin_id").to_pylist()))
        self.asked.update(keys)
        self.calls.append(len(keys))
        return np.array([self._answer(*key) for key in keys], dtype=np.float32).reshape(-1, 5)

    def _answer(self, query: str, pin_id: str) -> np.ndarray:
        digest = hashlib.sha256(f"{query}|{pin_id}|{self.texts[pin_id]}".encode()).digest()
        raw = np.frombuffer(digest[:5], np.uint8).astype(np.float64) + 1
        return raw / raw.sum()


def pairs_of(keys: list[tuple[str, str]]) -> pa.Table:
    common = {"language": "en", "country": "US", "stratum": "en/US/head", "weight": 1.0}
    return pa.Table.from_pylist([common | {"query": q, "pin_id": p} for q, p in keys], schema=schema("pairs"))


def composed(texts: dict[str, str]) -> pa.Table:
    rows = [{"pin_id": pin_id, "text": text, "digest": digest_of(text)} for pin_id, text in texts.items()]
    return pa.Table.from_pylist(rows, schema=schema("composed"))


TEXTS = {f"p{i}": f"text of {i}" for i in range(12)}
KEYS = [(f"query {i % 5}", f"p{i % 12}") for i in range(60)]


def work_of(
    folder: Path, keys: list[tuple[str, str]], texts: dict[str, str], *lying: pa.Table, name: str = "teacher-1"
) -> soften.Work:
    """The work there is where each table of `lying` is a shard that some run left."""
    workspace, pairs = Workspace(Path(tempfile.mkdtemp(dir=folder))), pairs_of(keys)
    for number, rows in enumerate(lying):
        (workspace.root / "tables" / "soft_labels").mkdir(parents=True, exist_ok=True)
        pq.write_table(rows, workspace.root / "tables" / "soft_labels" / f"{number:05d}-of-another-run.parquet")
    return soften.Work.of(pairs, soften.telling([composed(texts)], pairs), Known(workspace, name))


@pytest.fixture(scope="session")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Labelled:
    """All labels of some pairs, as one table."""
    folder = tmp_path_factory.mktemp("labelled")

    def made(
        keys: list[tuple[str, str]],
        texts: dict[str, str],
        *lying: pa.Table,
        grader: Counting | None = None,
        rows_per_shard: int = 7,
        name: str = "teacher-1",
    ) -> pa.Table:
        work = work_of(folder, keys, texts, *lying, name=name)
        make = soften.shards(work, grader or Counting(texts), name, rows_per_shard)
        return pa.concat_tables([empty("soft_labels"), *(one() for one in make.values())])

    return made


def test_every_pair_gets_the_graders_answer_and_the_digest_of_the_text(labelled: Labelled) -> None:
    rows = {(r["query"], r["pin_id"]): r for r in labelled(KEYS, TEXTS).to_pylist()}
    assert rows.keys() == set(KEYS)
    for key, row in rows.items():
        expected = Counting(TEXTS)._answer(*key).astype(np.float32)
        assert [row[p] for p in ("p1", "p2", "p3", "p4", "p5")] == expected.tolist()
        assert (row["grader"], row["digest"]) == ("teacher-1", digest_of(TEXTS[key[1]]))


def test_shards_are_full_but_for_the_last_and_follow_the_pins(tmp_path: Path) -> None:
    make = soften.shards(work_of(tmp_path, KEYS, TEXTS), Counting(TEXTS), "t", 16)
    assert list(make) == ["00000", "00001", "00002", "00003"]
    tables = [one() for one in make.values()]
    assert [len(t) for t in tables] == [16, 16, 16, 12]
    pins = [(r["pin_id"], r["query"]) for t in tables for r in t.to_pylist()]
    assert pins == sorted(pins)


def test_pairs_of_pins_that_say_nothing_are_left_out(labelled: Labelled) -> None:
    texts = {"p1": "something", "p2": "", "p3": " \n"}
    assert labelled([("q", p) for p in ("p1", "p2", "p3", "gone")], texts).column("pin_id").to_pylist() == ["p1"]
    assert labelled([], TEXTS).equals(empty("soft_labels"))
    assert labelled(KEYS, {}).equals(empty("soft_labels"))


def test_a_grader_is_asked_in_chunks_the_first_a_small_one(labelled: Labelled, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soften, "FIRST", 3)
    monkeypatch.setattr(soften, "CHUNK", 10)
    grader = Counting(TEXTS)
    assert labelled(KEYS, TEXTS, grader=grader, rows_per_shard=32).equals(labelled(KEYS, TEXTS))
    assert grader.calls == [3, 10, 10, 9, 3, 10, 10, 5]


# -- what is known --

# What may change between two runs: pairs, texts, the grader's name (it covers model and prompt); what is asked anew.
OTHER_QUERY = [("another query", p) if q == "query 3" else (q, p) for q, p in KEYS]
FEWER = [k for k in KEYS if k[1] != "p5"]
CHANGES = {
    "nothing": (KEYS, TEXTS, "teacher-1", []),
    "query": (OTHER_QUERY, TEXTS, "teacher-1", [k for k in OTHER_QUERY if k[0] == "another query"]),
    "text": (KEYS, TEXTS | {"p3": "another text"}, "teacher-1", [k for k in KEYS if k[1] == "p3"]),
    "teacher or prompt": (KEYS, TEXTS, "teacher-2", KEYS),
    "text of a Pin that is not asked about": (FEWER, TEXTS | {"p5": "another text"}, "teacher-1", []),
    "a new query and a new Pin": (
        [*KEYS, ("new", "p1"), ("query 1", "new")],
        TEXTS | {"new": "a text"},
        "teacher-1",
        [("new", "p1"), ("query 1", "new")],
    ),
    "another sample": ([*KEYS[:20], ("new", "p2")], TEXTS, "teacher-1", [("new", "p2")]),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_is_paid_for_with_exactly_the_pairs_that_it_concerns(labelled: Labelled, what: str) -> None:
    keys, texts, name, asked = CHANGES[what]
    grader = Counting(texts)
    again = labelled(keys, texts, labelled(KEYS, TEXTS), grader=grader, name=name)
    assert again.equals(labelled(keys, texts, name=name))
    assert grader.asked == Counter(asked)


def test_what_several_runs_left_is_known_once(labelled: Labelled) -> None:
    whole = labelled(KEYS, TEXTS)
    left = [whole.slice(30, 20), whole.slice(20, 25), whole.slice(0, 10), labelled(KEYS, TEXTS, name="teacher-2")]
    grader = Counting(TEXTS)
    assert labelled(KEYS, TEXTS, *left, grader=grader, rows_per_shard=13).equals(whole)
    rows = [*range(10, 20), *range(50, 60)]
    assert grader.asked == Counter(tuple(r[c] for c in ("query", "pin_id")) for r in whole.take(rows).to_pylist())


def test_a_damaged_shard_is_no_answer(labelled: Labelled, tmp_path: Path) -> None:
    work = work_of(tmp_path, KEYS, TEXTS, labelled(KEYS, TEXTS))
    (shard,) = tmp_path.rglob("*.parquet")
    shard.write_bytes(shard.read_bytes()[:-9])
    again = soften.Work.of(pairs_of(KEYS), composed(TEXTS), Known(Workspace(shard.parents[2]), "teacher-1"))
    assert (work.unknown.sum(), again.unknown.sum()) == (0, len(KEYS))


KEY = st.tuples(st.sampled_from([f"q{i}" for i in range(8)]), st.sampled_from([*TEXTS, "gone"]))


@given(
    keys=st.lists(KEY, unique=True, max_size=40),
    known=st.lists(KEY, unique=True, max_size=40),
    rows_per_shard=st.integers(1, 15),
    shuffle=st.randoms(use_true_random=False),
)
def test_in_any_order_each_new_pair_is_asked_for_once(
    labelled: Labelled,
    tmp_path_factory: pytest.TempPathFactory,
    keys: list[tuple[str, str]],
    known: list[tuple[str, str]],
    rows_per_shard: int,
    shuffle: random.Random,
) -> None:
    grader, work = Counting(TEXTS), work_of(tmp_path_factory.getbasetemp(), keys, TEXTS, labelled(known, TEXTS))
    make = soften.shards(work, grader, "teacher-1", rows_per_shard)
    order = list(make)
    shuffle.shuffle(order)
    made = {key: make[key]() for key in order}
    table = pa.concat_tables([empty("soft_labels"), *(made[key] for key in make)])
    assert table.equals(labelled(sorted(keys), TEXTS))
    assert grader.asked == Counter({k for k in keys if k[1] in TEXTS} - set(known))


@pytest.mark.parametrize("limit", [0, 1, 3, 8])
def test_interrupted_runs_end_in_the_same_table_and_ask_for_nothing_twice(
    labelled: Labelled, tmp_path: Path, limit: int
) -> None:
    workspace, made = Workspace(tmp_path), Made(settings={"labels": 1})
    asked: Counter[tuple[str, str]] = Counter()

    def run(limit: int | None) -> None:
        grader = Counting(TEXTS, limit)
        try:
            work = soften.Work.of(pairs_of(KEYS), composed(TEXTS), Known(workspace, "teacher-1"))
            make = soften.shards(work, grader, "teacher-1", 7)
            workspace.write_table("soft_labels", made, make)
        finally:
            asked.update(grader.asked)

    if limit < 8:
        with pytest.raises(KeyboardInterrupt):
            run(limit)
        assert not workspace.has("soft_labels")
    run(None)
    assert workspace.table("soft_labels").equals(labelled(KEYS, TEXTS))
    assert asked == Counter(KEYS)
