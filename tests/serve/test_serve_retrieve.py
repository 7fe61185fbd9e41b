from collections import defaultdict
from fractions import Fraction

import numpy as np
from embedders import Lengths
from hypothesis import given
from hypothesis import strategies as st

from limbeck.index.sides import Hits
from limbeck.serve.retrieve import FusedRetriever, fuse

RANKING = st.lists(st.integers(0, 7), unique=True).map(lambda rows: np.asarray(rows, np.int64))


class Fixed:
    """One side of the retrieval, with a fixed answer."""

    def __init__(self, *rows):
        self.rows = np.asarray(rows, np.int64)

    def search(self, query, k):
        return Hits(self.rows[:k], np.ones(len(self.rows[:k])))


@given(st.lists(RANKING, min_size=1, max_size=3))
def test_fusion_orders_by_the_sum_of_reciprocal_ranks(rankings):
    exact = defaultdict(Fraction)
    for ranking in rankings:
        for rank, row in enumerate(ranking.tolist(), 1):
            exact[row] += Fraction(1, 60 + rank)
    assert fuse(rankings).tolist() == sorted(exact, key=lambda row: (-exact[row], row))


def test_what_both_sides_find_comes_before_what_one_side_finds_first():
    assert fuse([np.array([0, 1]), np.array([2, 1])]).tolist() == [1, 0, 2]


def test_a_retriever_answers_at_most_k_of_both_sides():
    retriever = FusedRetriever(Fixed(0, 1, 2), Fixed(3, 1, 4), Lengths())
    assert retriever.retrieve("query", 3).tolist() == [1, 0, 3]
    assert retriever.retrieve("query", 1).tolist() == [0]
