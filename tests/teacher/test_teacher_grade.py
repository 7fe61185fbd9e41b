"""Bulk grading gives what the plain model gives, whatever the batches."""

import itertools

import numpy as np
import pyarrow as pa
import pytest
import tiny_families
import torch
from sentence_transformers import CrossEncoder
from toy_task import judged, pins

from limbeck.inference import reader
from limbeck.settings import Teacher
from limbeck.teacher import model
from limbeck.teacher.grade import TeacherGrader

QUERIES = ["red", "blue lamp for the living room", "chair", "sofa", "a modern tea pot"]
TEXTS = ["a red sofa", "lamp " * 50, "", "Ünïcode 沙发 ☕ cosy", "kitchen table, cosy and modern"]


def grader(folder):
    return TeacherGrader(folder, pins())


def plain(folder):
    return CrossEncoder(str(folder)).predict(list(zip(QUERIES, TEXTS)), apply_softmax=True)


def test_the_same_five_numbers_as_sentence_transformers(fresh, single_precision):
    graded = grader(fresh).grade_texts(QUERIES, TEXTS)
    assert graded.dtype == np.float32
    np.testing.assert_allclose(graded, plain(fresh), atol=1e-5)
    assert np.ptp(graded, axis=0).max() > 0.01  # the texts do matter


@pytest.mark.parametrize("family", ["llama", "qwen"])
def test_several_queries_behind_one_pin_get_the_numbers_they_get_alone(family, tmp_path, single_precision):
    backbone = tiny_families.write(family, tmp_path / "backbone")
    settings = Teacher(backbone=str(backbone), prompt="Pin:\n{text}\nQuery:\n{query}\nRelevance:", max_tokens=48)
    model.save(model.create(settings, seed=3), tmp_path / "teacher")
    queries, texts = zip(*itertools.product([*QUERIES, "red " * 80], TEXTS))
    graded = grader(tmp_path / "teacher").grade_texts(list(queries), list(texts))
    alone = CrossEncoder(str(tmp_path / "teacher"), model_kwargs={"dtype": torch.float32})
    expected = alone.predict(list(zip(queries, texts)), apply_softmax=True)
    np.testing.assert_allclose(graded, expected, atol=1e-4)
    assert np.ptp(graded, axis=0).max() > 0.01  # the texts do matter


def test_nearly_the_same_in_bfloat16(fresh, half_precision):
    np.testing.assert_allclose(grader(fresh).grade_texts(QUERIES, TEXTS), plain(fresh), atol=5e-3)


def test_a_trained_teacher_is_read_by_sentence_transformers(learned, single_precision):
    rows = judged("valid")
    pairs = list(zip(rows.column("query").to_pylist(), rows.column("text").to_pylist()))
    expected = CrossEncoder(str(learned)).predict(pairs, apply_softmax=True)
    np.testing.assert_allclose(grader(learned).grade(rows), expected, atol=1e-5)


def test_batches_do_not_matter(fresh, single_precision, monkeypatch):
    teacher = grader(fresh)
    together = teacher.grade_texts(QUERIES, TEXTS)
    alone = [teacher.grade_texts([query], [text])[0] for query, text in zip(QUERIES, TEXTS)]
    np.testing.assert_allclose(together, alone, atol=1e-6)
    monkeypatch.setattr(reader, "TOKENS_PER_PACKED_BATCH", 40)
    np.testing.assert_allclose(together, teacher.grade_texts(QUERIES, TEXTS), atol=1e-6)


def test_what_is_beyond_the_limit_is_not_read(fresh):
    texts = ["lamp " * 40 + ending for ending in ("sofa", "red tea pot", "")]
    teacher = grader(fresh)
    graded = teacher.grade_texts(["red"] * 3, texts)
    assert (graded == graded[0]).all()
    assert not (graded[0] == teacher.grade_texts(["red"], ["sofa " * 40])[0]).all()


def test_long_queries_are_cut_too(fresh):
    graded = grader(fresh).grade_texts(["red " * 80 + end for end in ("blue", "green")], ["lamp " * 80] * 2)
    assert np.isfinite(graded).all()
    assert (graded[0] == graded[1]).all()


def test_rows_keep_their_order(learned, single_precision):
    rows, teacher = judged("valid"), grader(learned)
    order = np.random.default_rng(0).permutation(rows.num_rows)
    np.testing.assert_allclose(teacher.grade(rows.take(order)), teacher.grade(rows)[order], atol=1e-6)


def test_the_same_bytes_every_time(learned):
    rows = judged("valid")
    first = grader(learned)
    assert first.grade(rows).tobytes() == first.grade(rows).tobytes() == grader(learned).grade(rows).tobytes()


def test_distributions_are_float32_and_sum_to_one(learned):
    graded = grader(learned).grade(judged("train"))
    assert (graded.dtype, graded.shape) == (np.float32, (judged("train").num_rows, 5))
    assert (graded > 0).all()
    np.testing.assert_allclose(graded.sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("pins_known", [pins(), pins().slice(0, 0)])
def test_a_pin_without_a_text_is_read_as_empty(learned, pins_known):
    teacher = TeacherGrader(learned, pins_known)
    pairs = pa.table({"query": ["red lamp"], "pin_id": ["nobody knows"]})
    assert (teacher.grade(pairs) == teacher.grade_texts(["red lamp"], [""])).all()


def test_no_pairs_no_rows(learned):
    graded = grader(learned).grade(judged("train").slice(0, 0))
    assert (graded.dtype, graded.shape) == (np.float32, (0, 5))


def test_tokens_are_those_that_the_model_is_given(fresh):
    teacher, model = grader(fresh), CrossEncoder(str(fresh))
    rows = pa.table({"query": ["red", "a red lamp " * 20, "blue"], "pin_id": ["red-sofa", "red-oak shelf", "unknown"]})
    texts = dict(zip(*(pins().column(c).to_pylist() for c in ("pin_id", "text"))))
    given = [(q, texts.get(p, "")) for q, p in zip(*(c.to_pylist() for c in rows.columns))]
    assert teacher.tokens(rows).tolist() == [int(model.preprocess([pair])["attention_mask"].sum()) for pair in given]
