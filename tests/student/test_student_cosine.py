"""The untrained baseline: cosines of untuned vectors, calibrated on the training judgments."""

import numpy as np
import pyarrow as pa
import pytest
from toy_task import judged, pins

from limbeck import calibration
from limbeck.relevance import from_columns
from limbeck.student.cosine import CosineGrader
from limbeck.student.vectors import Vectors


@pytest.fixture(scope="module")
def grader(untuned, base):
    return CosineGrader(untuned.read, base, judged("train"))


def cosines(rows, untuned, base):
    """One pair at a time, in double precision; zero where there is no Pin."""
    known = dict(zip(base.pin_ids, base.matrix.astype(np.float64)))
    found = []
    for query, pin in zip(rows.column("query").to_pylist(), rows.column("pin_id").to_pylist()):
        q, p = untuned.encode([query])[0].astype(np.float64), known.get(pin, np.zeros(32))
        found.append(q @ p / max(np.sqrt(q @ q) * np.sqrt(p @ p), 1e-12))
    return np.asarray(found)


def test_cosines_by_hand(grader, untuned, base):
    fitted = calibration.fit(cosines(judged("train"), untuned, base), from_columns(judged("train")))
    unknown = pa.table({"query": ["red lamp"], "pin_id": ["nobody knows"]})
    rows = pa.concat_tables([judged("valid").select(["query", "pin_id"]), unknown])
    graded = grader.grade(rows)
    assert (graded.dtype, graded.shape) == (np.float32, (rows.num_rows, 5))
    np.testing.assert_allclose(graded, fitted(cosines(rows, untuned, base)), atol=5e-3)
    np.testing.assert_allclose(graded.sum(axis=1), 1, atol=1e-6)


def test_rows_keep_their_order(grader):
    rows = judged("valid")
    order = np.random.default_rng(0).permutation(rows.num_rows)
    np.testing.assert_allclose(grader.grade(rows.take(order)), grader.grade(rows)[order], atol=1e-5)


def test_only_the_training_judgments_are_fitted_on(grader, untuned, base):
    other = CosineGrader(untuned.read, base, judged("train", contrary=True))
    assert np.abs(other.grade(judged("valid")) - grader.grade(judged("valid"))).max() > 0.01


def test_no_pairs_no_rows(grader):
    assert grader.grade(judged("valid").slice(0, 0)).shape == (0, 5)


def test_other_pins_are_graded_by_the_same_calibration(grader, untuned, base):
    renamed = pa.table({"pin_id": [f"other {p}" for p in base.pin_ids], "text": pins().column("text")})
    others = grader.over(Vectors.of_texts(renamed, untuned))
    rows = judged("valid").select(["query", "pin_id"])
    asked = pa.table(
        {"query": rows.column("query"), "pin_id": [f"other {p}" for p in rows.column("pin_id").to_pylist()]}
    )
    np.testing.assert_allclose(others.grade(asked), grader.grade(rows), atol=1e-5)
    assert len(np.unique(grader.grade(asked), axis=0)) == 1  # the first grader knows none of them
