"""Grading with a student, offline and online."""

import numpy as np
import pyarrow as pa
import pytest
from sentence_transformers import SentenceTransformer
from toy_task import WordMatch, judged, pins

from limbeck.student import grade
from limbeck.student.encode import Encoder
from limbeck.student.grade import Student, StudentGrader
from limbeck.student.model import Head
from limbeck.student.vectors import Vectors


@pytest.fixture(scope="module")
def student(students):
    return Student(students("projection"))


@pytest.fixture(scope="module")
def grader(students, vectors):
    """The student whose backbone stayed as it came."""
    return StudentGrader(students("projection"), WordMatch(), vectors)


def test_five_probabilities_by_hand(students, single_precision):
    folder, rows, match = students("projection"), judged("valid"), WordMatch()
    queries, ids = rows.column("query").to_pylist(), rows.column("pin_id").to_pylist()
    tower = SentenceTransformer(str(folder / "tower"))
    text = dict(zip(*(pins().column(c).to_pylist() for c in ("pin_id", "text"))))
    features = match.pairs(queries, match.rows(ids))
    head = Head.load(folder)
    parameters = {k: v.double().numpy() for k, v in head.state_dict().items()}
    query, pin = (tower.encode(texts).astype(np.float64) for texts in (queries, [text[i] for i in ids]))
    standard = (features - parameters["mean"]) * parameters["scale"]
    inputs = np.concatenate([query, pin, query * pin, (query * pin).mean(axis=1)[:, None], standard], axis=1)
    hidden = np.maximum(inputs @ parameters["layers.0.weight"].T + parameters["layers.0.bias"], 0)
    powers = np.exp(hidden @ parameters["layers.1.weight"].T + parameters["layers.1.bias"])
    student = StudentGrader(folder, match, Vectors.of_texts(pins(), Encoder.of_student(folder)))
    np.testing.assert_allclose(
        student.grade(rows), powers / powers.sum(axis=1)[:, None], atol=2e-3
    )  # of rounded weights


def test_rows_keep_their_order(grader):
    rows = judged("valid")
    order = np.random.default_rng(0).permutation(rows.num_rows).repeat(2)
    np.testing.assert_allclose(grader.grade(rows.take(order)), grader.grade(rows)[order], atol=1e-6)


def test_batches_do_not_matter(grader, monkeypatch):
    rows = judged("train")
    whole = grader.grade(rows)
    monkeypatch.setattr(grade, "ROWS_PER_BATCH", 7)
    np.testing.assert_allclose(grader.grade(rows), whole, atol=1e-6)


def test_the_same_bytes_every_time(grader):
    assert grader.grade(judged("train")).tobytes() == grader.grade(judged("train")).tobytes()


def test_distributions_are_float32_and_sum_to_one(grader):
    graded = grader.grade(judged("train"))
    assert (graded.dtype, graded.shape) == (np.float32, (judged("train").num_rows, 5))
    assert (graded > 0).all()
    np.testing.assert_allclose(graded.sum(axis=1), 1, atol=1e-6)


def test_an_unknown_pin_has_a_vector_of_zeros(grader, student):
    pairs, match = pa.table({"query": ["red lamp"], "pin_id": ["nobody knows"]}), WordMatch()
    features = match.pairs(["red lamp"], match.rows(["nobody knows"]))
    expected = student.probabilities(student.vectors(["red lamp"]), np.zeros((1, 16), np.float32), features)
    np.testing.assert_allclose(grader.grade(pairs), expected, atol=1e-6)


def test_no_pairs_no_rows(grader):
    graded = grader.grade(judged("train").slice(0, 0))
    assert (graded.dtype, graded.shape) == (np.float32, (0, 5))


def test_one_query_for_many_pins(student, vectors):
    match = WordMatch()
    assert (student.features, student.vector_size) == (match.names, 16)
    query, pin_vectors = student.vectors(["red lamp"]), vectors.of(vectors.pin_ids)
    features = match.pairs(["red lamp"] * len(pin_vectors), np.arange(len(pin_vectors)))
    once = student.probabilities(query, pin_vectors, features)
    many = student.probabilities(query.repeat(len(features), axis=0), pin_vectors, features)
    assert (once == many).all()
    assert student.probabilities(query, pin_vectors[:0], features[:0]).shape == (0, 5)


def test_the_vectors_of_no_texts(student):
    assert student.vectors([]).shape == (0, 16)
