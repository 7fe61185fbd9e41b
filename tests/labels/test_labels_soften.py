import hashlib
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limbeck.labels import soften
from limbeck.records import empty, schema
from limbeck.workspace import Made, Workspace, digest_of


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


def labelled(
    keys: list[tuple[str, str]],
    texts: dict[str, str],
    previous: pa.Table | None = None,
    grader: Counting | None = None,
    rows_per_shard: int = 7,
    name: str = "teacher-1",
) -> pa.Table:
    grader = grader or Counting(texts)
    make = soften.shards(pairs_of(keys), composed(texts), grader, name, previous, rows_per_shard)
    return pa.concat_tables([empty("soft_labels"), *(one() for one in make.values())])


def test_every_pair_gets_the_graders_answer_and_the_digest_of_the_text() -> None:
    rows = {(r["query"], r["pin_id"]): r for r in labelled(KEYS, TEXTS).to_pylist()}
    assert rows.keys() == set(KEYS)
    for key, row in rows.items():
        expected = Counting(TEXTS)._answer(*key).astype(np.float32)
        assert [row[p] for p in ("p1", "p2", "p3", "p4", "p5")] == expected.tolist()
        assert (row["grader"], row["digest"]) == ("teacher-1", digest_of(TEXTS[key[1]]))


def test_shards_are_full_but_for_the_last_and_follow_the_pins() -> None:
    make = soften.shards(pairs_of(KEYS), composed(TEXTS), Counting(TEXTS), "t", None, 16)
    assert list(make) == ["00000", "00001", "00002", "00003"]
    tables = [one() for one in make.values()]
    assert [len(t) for t in tables] == [16, 16, 16, 12]
    pins = [(r["pin_id"], r["query"]) for t in tables for r in t.to_pylist()]
    assert pins == sorted(pins)


def test_pairs_of_pins_that_say_nothing_are_left_out() -> None:
    texts = {"p1": "something", "p2": "", "p3": " \n"}
    assert labelled([("q", p) for p in ("p1", "p2", "p3", "gone")], texts).column("pin_id").to_pylist() == ["p1"]
    assert labelled([], TEXTS).equals(empty("soft_labels"))
    assert labelled(KEYS, {}).equals(empty("soft_labels"))


def test_a_grader_is_asked_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soften, "CHUNK", 4)
    grader = Counting(TEXTS)
    assert labelled(KEYS, TEXTS, grader=grader, rows_per_shard=30).equals(labelled(KEYS, TEXTS))
    assert grader.calls == [4] * 7 + [2] + [4] * 7 + [2]


def test_what_is_known_is_not_asked_again() -> None:
    known = labelled(KEYS[:40], TEXTS)
    grader = Counting(TEXTS)
    assert labelled(KEYS, TEXTS, known, grader).equals(labelled(KEYS, TEXTS))
    assert grader.asked == Counter(set(KEYS) - set(KEYS[:40]))
    again = Counting(TEXTS)
    labelled(KEYS, TEXTS, labelled(KEYS, TEXTS), again)
    assert not again.calls


def test_a_changed_text_is_graded_again_and_only_that() -> None:
    changed = TEXTS | {"p3": "another text"}
    grader = Counting(changed)
    assert labelled(KEYS, changed, labelled(KEYS, TEXTS), grader).equals(labelled(KEYS, changed))
    assert grader.asked == Counter(k for k in KEYS if k[1] == "p3")


def test_another_teacher_answers_for_itself() -> None:
    grader = Counting(TEXTS)
    assert set(labelled(KEYS, TEXTS, labelled(KEYS, TEXTS), grader, name="teacher-2")["grader"].to_pylist()) == {
        "teacher-2"
    }
    assert grader.asked == Counter(KEYS)


KEY = st.tuples(st.sampled_from([f"q{i}" for i in range(8)]), st.sampled_from([*TEXTS, "gone"]))


@settings(max_examples=40, deadline=None)
@given(
    keys=st.lists(KEY, unique=True, max_size=40),
    known=st.lists(KEY, unique=True, max_size=40),
    rows_per_shard=st.integers(1, 15),
    shuffle=st.randoms(use_true_random=False),
)
def test_in_any_order_each_new_pair_is_asked_for_once(
    keys: list[tuple[str, str]], known: list[tuple[str, str]], rows_per_shard: int, shuffle: random.Random
) -> None:
    grader, previous = Counting(TEXTS), labelled(known, TEXTS)
    make = soften.shards(pairs_of(keys), composed(TEXTS), grader, "teacher-1", previous, rows_per_shard)
    order = list(make)
    shuffle.shuffle(order)
    made = {key: make[key]() for key in order}
    table = pa.concat_tables([empty("soft_labels"), *(made[key] for key in make)])
    assert table.equals(labelled(sorted(keys), TEXTS))
    assert grader.asked == Counter({k for k in keys if k[1] in TEXTS} - set(known))


@pytest.mark.parametrize("limit", [0, 1, 3, 8])
def test_interrupted_runs_end_in_the_same_table_and_ask_for_nothing_twice(tmp_path: Path, limit: int) -> None:
    workspace, made = Workspace(tmp_path), Made(settings={"labels": 1})
    asked: Counter[tuple[str, str]] = Counter()

    def run(limit: int | None) -> None:
        grader = Counting(TEXTS, limit)
        try:
            make = soften.shards(pairs_of(KEYS), composed(TEXTS), grader, "teacher-1", None, 7)
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
