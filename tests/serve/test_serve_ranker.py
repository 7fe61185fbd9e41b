from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limbeck.relevance import expected_level
from limbeck.serve.ranker import Ranker, UnknownPins

QUERIES = ("red sofa", "oak shelf for the living room", "wedding dress", "テーブル", "zzz qqq")


class FixedRetriever:
    """A retriever with a fixed answer, which remembers how much it was asked for."""

    def __init__(self, store, *pins):
        self.rows, self.asked = store.rows(pins), 0

    def retrieve(self, query, k):
        self.asked = k
        return self.rows[:k]


@pytest.mark.parametrize("query", QUERIES)
def test_online_grades_are_offline_grades(ranker, store, grader, query):
    pins = store.vectors.pin_ids
    offline = grader.grade(pa.table({"query": [query] * len(pins), "pin_id": pins}))
    np.testing.assert_allclose(ranker.grade(query, pins), offline, atol=2e-4)  # what is kept of Pins is in float16


def test_a_document_that_says_what_a_pin_says_is_graded_like_it(ranker, store, workspace):
    for row in workspace.table("pin_texts").slice(2, 20).to_pylist():
        (by_id, by_text) = (
            ranker.rerank_documents("red sofa", [d])[0]
            for d in ({"pin_id": row["pin_id"]}, {k: v for k, v in row.items() if k not in ("pin_id", "digest")})
        )
        assert by_text.probabilities == pytest.approx(by_id.probabilities, abs=1e-4)


def test_ranked_pins_carry_the_whole_answer(ranker, workspace):
    pins = {p["pin_id"]: p for p in workspace.table("pins").to_pylist()}
    for ranked in ranker.rerank("red sofa", list(pins)):
        shown = ("title", "description", "image", "link", "language")
        assert {c: getattr(ranked, c) for c in shown} == {c: pins[ranked.pin_id][c] for c in shown}
        assert sum(ranked.probabilities) == pytest.approx(1, abs=1e-5)
        assert ranked.level == 1 + ranked.probabilities.index(max(ranked.probabilities))
        assert ranked.expected_level == pytest.approx(
            float(expected_level(np.asarray([ranked.probabilities]))[0]), abs=1e-4
        )


@given(st.lists(st.integers(0, 49), unique=True, min_size=1), st.sampled_from(QUERIES))
def test_the_order_does_not_depend_on_how_the_pins_came(ranker, numbers, query):
    pins = [f"pin{i:02d}" for i in numbers]
    ranked = ranker.rerank(query, pins)
    assert [(-r.expected_level, r.pin_id) for r in ranked] == sorted((-r.expected_level, r.pin_id) for r in ranked)
    assert [r.pin_id for r in ranked] == [r.pin_id for r in ranker.rerank(query, sorted(pins))]


def test_unknown_pins_are_named(ranker):
    with pytest.raises(UnknownPins, match="'nobody', 'nothing'"):
        ranker.rerank("red sofa", ["pin01", "nobody", "pin02", "nothing", "nobody"])


def test_nothing_asked_nothing_answered(ranker):
    assert ranker.rerank("red sofa", []) == []
    assert ranker.rerank_documents("red sofa", []) == []


def test_documents_and_pins_may_be_mixed(ranker):
    documents = [{"description": "a tea pot"}, {"pin_id": "pin03"}, {}, {"title": "red sofa"}]
    ranked = ranker.rerank_documents("red sofa", documents)
    assert sorted(r.index for r in ranked) == [0, 1, 2, 3]
    alone = {i: ranker.rerank_documents("red sofa", [d])[0] for i, d in enumerate(documents)}
    for r in ranked:
        assert r.probabilities == pytest.approx(alone[r.index].probabilities, abs=1e-4)


def test_a_search_grades_what_was_retrieved(store):
    retriever = FixedRetriever(store, "pin07", "pin03", "pin21", "pin22")
    found = Ranker(store, retriever).search("red sofa", k=2, candidates=3)
    best = Ranker(store).rerank("red sofa", ["pin07", "pin03", "pin21"])[:2]
    assert found == best
    assert retriever.asked == 3


def test_filters_leave_out_pins_that_state_another(store, workspace):
    pins = {p["pin_id"]: p for p in workspace.table("pins").to_pylist()}
    retriever = FixedRetriever(store, *sorted(pins))
    found = Ranker(store, retriever).search("red sofa", 50, 50, language="DE", country="US")
    assert {r.pin_id for r in found} == {
        p for p, row in pins.items() if row["language"] in (None, "de") and row["country"] == "US"
    }
    few = Ranker(store, retriever).search("red sofa", 50, candidates=3, language="de")
    assert len(few) == 3
    assert retriever.asked > 3


def test_search_finds_the_words(ranker):
    assert "tea pot" in " ".join(r.title or "" for r in ranker.search("tea pot", 50, 10))
    assert all(len(ranker.search(q, 5, 20)) == 5 for q in QUERIES)


@given(st.text(min_size=1, max_size=1_000))
def test_any_query_is_answered(ranker, query):
    found = ranker.search(query, 3, 10)
    assert len(found) == 3
    assert all(np.isfinite(r.probabilities).all() for r in found)


def test_threads_answer_as_one_does(store):
    ranker = Ranker(store)
    queries = [f"{q} {i % 7}" for i in range(40) for q in QUERIES[:2]]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda q: ranker.search(q, 10, 30), queries))
    assert together == [Ranker(store).search(q, 10, 30) for q in queries]
