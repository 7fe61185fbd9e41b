from collections import defaultdict
from fractions import Fraction

from embedders import Lengths
from hypothesis import given
from hypothesis import strategies as st

from limbeck.serve.retrieve import FusedRetriever, fuse

RANKING = st.lists(st.sampled_from("abcdefgh"), unique=True)


class Fixed:
    """One side of the retrieval, with a fixed answer."""

    def __init__(self, *pins):
        self.pins = pins

    def search(self, query, k):
        return [(pin, 1.0) for pin in self.pins[:k]]


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
    retriever = FusedRetriever(Fixed("a", "b", "c"), Fixed("d", "b", "e"), Lengths())
    assert retriever.retrieve("query", 3) == ["b", "a", "d"]
    assert retriever.retrieve("query", 1) == ["a"]
