from collections import defaultdict
from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from limbeck.serve.cache import CachedVectors
from limbeck.serve.retrieve import EmbeddedRetriever, fuse

RANKING = st.lists(st.sampled_from("abcdefgh"), unique=True)


class Fixed:
    """One side of the retrieval, with a fixed answer."""

    def __init__(self, *pins):
        self.pins = pins

    def search(self, query, k):
        return [(pin, 1.0) for pin in self.pins[:k]]


class Lengths:
    """An embedder that counts what it is asked."""

    def __init__(self):
        self.asked = []

    def vectors(self, texts):
        self.asked += texts
        return np.asarray([[len(t)] for t in texts], dtype=np.float32)


@given(st.lists(RANKING, max_size=3))
def test_fusion_orders_by_the_sum_of_reciprocal_ranks(rankings):
    exact = defaultdict(Fraction)
    for ranking in rankings:
        for rank, pin in enumerate(ranking, 1):
            exact[pin] += Fraction(1, 60 + rank)
    assert fuse(rankings) == sorted(exact, key=lambda pin: (-exact[pin], pin))


def test_what_both_sides_find_comes_before_what_one_side_finds_first():
    assert fuse([["a", "b"], ["c", "b"]]) == ["b", "a", "c"]


def test_a_retriever_answers_at_most_k_of_both_sides():
    retriever = EmbeddedRetriever(Fixed("a", "b", "c"), Fixed("d", "b", "e"), Lengths())
    assert retriever.retrieve("query", 3) == ["b", "a", "d"]
    assert retriever.retrieve("query", 1) == ["a"]


@given(st.lists(st.lists(st.sampled_from(["", "a", "bb", "ccc", "dddd"]), min_size=1), max_size=8), st.integers(1, 5))
def test_cached_vectors_are_those_of_the_embedder_behind(requests, size):
    cached = CachedVectors(Lengths(), size)
    for texts in requests:
        assert cached.vectors(texts)[:, 0].tolist() == [len(t) for t in texts]


def test_a_text_is_embedded_once_and_the_least_lately_used_is_forgotten():
    behind = Lengths()
    cached = CachedVectors(behind, size=2)
    for texts in (["a", "a"], ["b"], ["a"], ["c"], ["a"], ["b"]):
        cached.vectors(texts)
    assert behind.asked == ["a", "b", "c", "b"]  # c pushed b out, not a
