import numpy as np
from embedders import Lengths
from hypothesis import given
from hypothesis import strategies as st

from limbeck.remembered import Lru
from limbeck.serve.cache import CachedVectors, Caches, Memories

TEXTS = st.lists(st.sampled_from(["", "a", "bb", "ccc", "dddd"]))


@given(st.lists(TEXTS, max_size=8), st.integers(1, 5))
def test_cached_vectors_are_those_of_the_embedder_behind(requests, size):
    cached = CachedVectors(Lengths().vectors, Lru(size))
    for texts in requests:
        assert cached.vectors(texts)[:, 0].tolist() == [len(t) for t in texts]


def test_a_text_is_embedded_once_and_the_least_lately_used_is_forgotten():
    behind = Lengths()
    cached = CachedVectors(behind.vectors, Lru(size=2))
    for texts in (["a", "a"], ["b"], ["a"], ["c"], ["a"], ["b"]):
        cached.vectors(texts)
    assert behind.asked == ["a", "b", "c", "b"]  # c pushed b out, not a
    assert (cached.hits, cached.misses) == (2, 4)


def test_layers_ask_each_other_only_for_what_they_lack():
    behind = Lengths()
    shared = Lru(10)
    mine, yours = (CachedVectors(CachedVectors(behind.vectors, shared).vectors, Lru(10)) for _ in range(2))
    mine.vectors(["a", "bb"])
    assert yours.vectors(["bb", "ccc", "a"])[:, 0].tolist() == [2, 3, 1]
    assert behind.asked == ["a", "bb", "ccc"]


def test_a_kept_row_holds_no_other_row_in_memory():
    batch = np.ones((3, 4), np.float32)
    held = Lru()
    held.put_many({"a": batch[0]})
    batch[:] = 2
    assert held.get_many(["a"])["a"].tolist() == [1, 1, 1, 1]


def test_readings_have_caches_of_their_own_before_the_shared_one():
    behind, made = Lengths(), {}

    def shared(of, tokens):
        return made.setdefault(of, Lru(10))

    caches = Caches(Memories(10), shared)
    queries, readings = caches.queries(behind, "d"), caches.readings(behind, "d", lambda texts: -behind.vectors(texts))
    for _ in range(2):
        assert queries.vectors(["bb"]).tolist() == [[2]]
        assert readings(["bb"]).tolist() == [[-2]]
    assert behind.asked == ["bb", "bb"]
    assert {of: held.get_many(["bb"])["bb"].tolist() for of, held in made.items()} == {
        "query:d": [2],
        "reading:d": [-2],
    }
    assert {name: (c.hits, c.misses) for name, c in caches.layers.items()} == {
        "shared_query": (0, 1),
        "query": (1, 1),
        "shared_reading": (0, 1),
        "reading": (1, 1),
    }


def test_what_is_remembered_outlives_a_version_and_not_its_student():
    memories, read = Memories(10), []

    def student(texts):
        read.extend(texts)
        return np.ones((len(texts), 2), np.float32)

    def version(digest):
        return Caches(memories).readings(None, digest, student)

    for digest in ("a", "a", "b", "b", "a"):
        version(digest)(["red sofa"])
    assert read == ["red sofa"] * 3
