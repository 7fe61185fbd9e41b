"""Texts to vectors: the numbers of the plain tower, and nothing computed twice."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sentence_transformers import SentenceTransformer
from toy_task import pins

from limbeck.inference import reader as bulk_reader
from limbeck.remembered import Remembered
from limbeck.student import encode
from limbeck.student.encode import Encoder
from limbeck.student.vectors import Vectors

TEXTS = ["a red sofa", "", "lamp " * 60, "Ünïcode 沙发 ☕ cosy", "kitchen table, cosy and modern", "a red sofa"]


def plain(folder):
    return SentenceTransformer(str(folder / "tower")).encode(TEXTS)


@pytest.mark.parametrize("tune", ["projection", "all"])
def test_the_same_vectors_as_sentence_transformers(tune, students, single_precision, monkeypatch):
    encoder = Encoder.of_student(students(tune))
    vectors = encoder.encode(TEXTS)
    assert (vectors.dtype, vectors.shape) == (np.float32, (len(TEXTS), 16))
    np.testing.assert_allclose(vectors, plain(students(tune)), atol=1e-5)
    monkeypatch.setattr(bulk_reader, "TOKENS_PER_PACKED_BATCH", 40)
    np.testing.assert_allclose(encoder.encode(TEXTS), vectors, atol=1e-5)


def test_nearly_the_same_in_bfloat16(students, monkeypatch):
    monkeypatch.setattr(bulk_reader, "bf16", lambda: True)
    vectors = Encoder.of_student(students("projection")).encode(TEXTS)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, plain(students("projection")), atol=0.1)


def test_untuned_vectors_are_the_means_of_the_backbone(settings, single_precision):
    plain_backbone = SentenceTransformer(settings.backbone)  # a folder with no modules.json is pooled by the mean
    plain_backbone.max_seq_length = settings.max_tokens
    np.testing.assert_allclose(Encoder.untuned(settings).encode(TEXTS), plain_backbone.encode(TEXTS), atol=1e-5)


def test_untuned_vectors_projected_are_the_vectors_of_the_student(students, settings, single_precision):
    base = Encoder.untuned(settings).encode(TEXTS)
    base.flags.writeable = False  # as those read from a table are
    encoder = Encoder.of_student(students("projection"))
    np.testing.assert_allclose(encoder.project(base), encoder.encode(TEXTS), atol=1e-5)


def test_no_texts_no_vectors(settings):
    assert len(Encoder.untuned(settings).encode([])) == 0


# -- vectors in memory --


def table(pin_ids, matrix):
    return pa.table({"pin_id": pin_ids, "vector": pa.array(list(matrix), pa.list_(pa.float32()))})


def test_vectors_by_pin_and_zeros_for_unknown_ones():
    matrix = np.arange(6, dtype=np.float32).reshape(3, 2) + 1
    vectors = Vectors(table(["a", "b", "c"], matrix))
    asked = ["c", "nobody", "a", "c"]
    assert vectors.rows(asked).tolist() == [2, -1, 0, 2]
    assert vectors.of(asked).tolist() == [[5, 6], [0, 0], [1, 2], [5, 6]]
    assert vectors.of(asked).dtype == np.float32
    assert vectors.of([]).shape == (0, 2)
    assert vectors.replaced(matrix[:, :1]).of(asked).tolist() == [[5], [0], [1], [5]]


def test_vectors_of_a_table_in_pieces():
    matrix = np.arange(12, dtype=np.float32).reshape(6, 2)
    whole = table(list("abcdef"), matrix)
    pieces = pa.concat_tables([whole.slice(1, 2), whole.slice(4, 1)])
    assert Vectors(pieces).of(["b", "c", "e", "a"]).tolist() == [*matrix[[1, 2, 4]].tolist(), [0, 0]]


def test_vectors_of_texts(students):
    encoder = Encoder.of_student(students("projection"))
    vectors = Vectors.of_texts(pins(), encoder)
    assert vectors.pin_ids == pins().column("pin_id").to_pylist()
    assert (vectors.matrix == encoder.encode(pins().column("text").to_pylist())).all()


# -- vectors in shards --


def texts_of(editions):
    """One text for each Pin; its digest changes with its edition."""
    rows = [{"pin_id": f"p{i}", "text": f"{i} {e}", "digest": f"{i} {e}"} for i, e in enumerate(editions)]
    return pa.Table.from_pylist(rows, pa.schema([(c, pa.string()) for c in ("pin_id", "text", "digest")]))


class Reader:
    """Makes a vector of each text, and remembers which it has read."""

    def __init__(self):
        self.read = []

    def __call__(self, rows):
        texts = rows.column("text").to_pylist()
        self.read += texts
        return np.asarray([[float(n) for n in text.split()] for text in texts], np.float32).reshape(len(texts), 2)


def made(shards, order=None):
    """All shards, in the table's order, whatever order they are made in."""
    tables = {key: shards[key]() for key in order or shards}
    return pa.concat_tables([tables[key] for key in shards])


@given(
    before=st.lists(st.integers(0, 2), max_size=12),
    after=st.lists(st.integers(0, 2), min_size=1, max_size=12),
    rows_per_shard=st.integers(1, 13),
    random=st.randoms(use_true_random=False),
)
def test_only_vectors_of_changed_texts_are_computed(before, after, rows_per_shard, random):
    previous = made(encode.shards(texts_of(before), Reader(), None, 4)) if before else None
    if previous is not None:  # a table made long ago may be in any order
        order = list(range(previous.num_rows))
        random.shuffle(order)
        previous = previous.take(order)
    reader, texts = Reader(), texts_of(after)
    shards = encode.shards(texts, reader, previous, rows_per_shard)
    assert len(shards) == -(-len(after) // rows_per_shard)
    assert list(shards) == sorted(shards)
    found = made(shards, random.sample(list(shards), len(shards)))
    assert found.select(["pin_id", "digest"]).equals(texts.select(["pin_id", "digest"]))
    assert found.column("vector").to_pylist() == [[i, e] for i, e in enumerate(after)]
    assert found.schema.field("vector").type == pa.list_(pa.float32())
    changed = {f"{i} {e}" for i, e in enumerate(after)} - {f"{i} {e}" for i, e in enumerate(before)}
    assert sorted(reader.read) == sorted(changed)


def test_a_new_encoder_may_have_another_size():
    previous = made(encode.shards(texts_of([0, 0]), Reader(), None, 4))
    texts = texts_of([1, 1])
    found = made(encode.shards(texts, lambda rows: np.ones((rows.num_rows, 5), np.float32), previous, 4))
    assert found.column("vector").to_pylist() == [[1] * 5] * 2


def test_no_texts_are_one_empty_shard():
    found = made(encode.shards(texts_of([]), Reader(), None, 4))
    assert found.num_rows == 0


def test_texts_that_were_read_lately_are_not_read_again():
    asked = []

    def read(texts):
        asked.append(list(texts))
        return np.asarray([[len(t), 1] for t in texts], dtype=np.float32).reshape(-1, 2)

    remembered = Remembered(read, size=2)
    assert remembered(["a", "bbb", "a"]).tolist() == [[1, 1], [3, 1], [1, 1]]
    assert remembered(["cc", "bbb"]).tolist() == [[2, 1], [3, 1]]
    assert remembered(["a"]).tolist() == [[1, 1]]
    assert remembered([]).shape == (0, 2)
    assert asked == [["a", "bbb"], ["cc"], ["a"], []]
