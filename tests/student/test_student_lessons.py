"""What a student learns from: every text once, pairs as numbers into them, features and targets row by row."""

import numpy as np
import pyarrow as pa
from toy_task import WordMatch, judged, pins

from limbeck.relevance import from_columns
from limbeck.student import lessons
from limbeck.student.lessons import Lessons


def test_numbers_lead_back_to_the_texts(laid_out):
    rows = judged("valid")
    examples = laid_out.examples(rows)
    assert [laid_out.queries.texts[i] for i in examples.query] == rows.column("query").to_pylist()
    assert [laid_out.pins.texts[i] for i in examples.pin] == rows.column("text").to_pylist()
    assert len(examples) == rows.num_rows
    assert len(set(laid_out.queries.texts)) == len(laid_out.queries.texts)
    assert len(laid_out.pins.texts) == pins().num_rows


def test_untuned_vectors_stand_beside_the_texts(laid_out, untuned, base):
    np.testing.assert_allclose(laid_out.queries.base, untuned.encode(laid_out.queries.texts), atol=1e-6)
    known = dict(zip(pins().column("text").to_pylist(), base.matrix))
    assert all((vector == known[text]).all() for text, vector in zip(laid_out.pins.texts, laid_out.pins.base))
    assert (laid_out.queries.base.dtype, laid_out.pins.base.dtype) == (np.float32, np.float32)


def test_features_and_targets_row_by_row(laid_out, monkeypatch):
    rows, match = judged("train"), WordMatch()
    monkeypatch.setattr(lessons, "ROWS_PER_BATCH", 7)
    examples = laid_out.examples(rows)
    expected = match.pairs(rows.column("query").to_pylist(), match.rows(rows.column("pin_id").to_pylist()))
    assert (examples.features == expected).all()
    assert (examples.target == from_columns(rows)).all()
    assert (examples.features.dtype, examples.target.dtype) == (np.float32, np.float32)
    assert laid_out.feature_names == match.names


def test_some_examples_are_drawn_row_by_row(laid_out):
    examples = laid_out.examples(judged("train"))
    some = examples.some(5, seed=1)
    assert len(some) == 5
    assert examples.some(len(examples), seed=1) is examples
    whole = {(q, p): i for i, (q, p) in enumerate(zip(examples.query, examples.pin))}
    rows = [whole[pair] for pair in zip(some.query, some.pin)]
    assert rows == sorted(set(rows))
    assert (some.features == examples.features[rows]).all()
    assert (some.target == examples.target[rows]).all()
    assert (some.weight == examples.weight[rows]).all()


def test_a_pin_without_a_text_is_read_as_empty_and_has_no_vector(untuned, base):
    pairs = judged("train").slice(0, 2)
    names = pairs.column_names
    pairs = pairs.set_column(names.index("pin_id"), "pin_id", pa.array(["nobody knows", pairs["pin_id"][1].as_py()]))
    taught = Lessons([pairs], pins(), WordMatch(), untuned.read, base)
    examples = taught.examples(pairs)
    assert taught.pins.texts[examples.pin[0]] == ""
    assert not taught.pins.base[examples.pin[0]].any()
    assert taught.pins.base[examples.pin[1]].any()


def test_no_pairs_no_examples(laid_out):
    examples = laid_out.examples(judged("train").slice(0, 0))
    assert len(examples) == 0
    assert examples.features.shape == (0, 3)
