"""A signal that is missing stands at its mean with a bit beside it, and training has met that."""

import numpy as np
import pytest
import torch
import toy_trainings
from toy_task import LIKED, WordMatch, judged, pins

from limbeck.relevance import from_columns
from limbeck.signals.signal import Group
from limbeck.student import train
from limbeck.student.encode import Encoder
from limbeck.student.grade import StudentGrader
from limbeck.student.lessons import Lessons
from limbeck.student.model import Head
from limbeck.student.shape import Shape
from limbeck.student.vectors import Vectors

GROUPS = (Group("a", "pin", ("x", "y")), Group("b", "query", ("z",)), Group("c", "pair", ("w",)))
NAMES = ("plain", "a.x", "a.y", "b.z", "c.w")


def rows(count, seed=0):
    random = np.random.default_rng(seed)
    return tuple(random.standard_normal((count, n)).astype(np.float32) for n in (8, 8, len(NAMES)))


def test_a_missing_group_stands_at_its_mean_with_a_bit_beside_it(tmp_path):
    query, pin, features = rows(6)
    features[1:4, 1:3] = np.nan
    features[4, 4] = np.nan
    head = Head(Shape(8, 8, NAMES, (), GROUPS))
    head.standardise(features * 3 + 1)
    head.save(tmp_path)
    head = Head.load(tmp_path)
    assert (head.shape.features, head.shape.groups) == (NAMES, GROUPS)
    assert [(g.name, begin, end) for g, begin, end in head.shape.spans] == [("a", 1, 3), ("b", 3, 4), ("c", 4, 5)]
    weight, bias = (head.layers[0].state_dict()[name].numpy() for name in ("weight", "bias"))
    bits = np.isnan(features[:, [1, 3, 4]])
    filled = np.where(np.isnan(features), head.mean.numpy(), features)
    standard = (filled - head.mean.numpy()) * head.scale.numpy()
    inputs = np.concatenate([query, pin, query * pin, (query * pin).mean(axis=1)[:, None], standard, bits], axis=1)
    with torch.inference_mode():
        np.testing.assert_allclose(
            head(*map(torch.from_numpy, (query, pin, features))).numpy(), inputs @ weight.T + bias, atol=1e-5
        )


def test_mean_and_spread_are_of_the_rows_that_have_a_signal():
    features = rows(500)[2] * 5 + 2
    features[::3, 1:3], features[:, 4] = np.nan, np.nan
    head = Head(Shape(8, 8, NAMES, (), GROUPS))
    head.standardise(features)
    known = features[~np.isnan(features[:, 1])]
    np.testing.assert_allclose(
        head.mean[:4], [*features[:, :1].mean(0), *known[:, 1:3].mean(0), features[:, 3].mean()], rtol=1e-5
    )
    np.testing.assert_allclose(head.scale[1:3], 1 / known[:, 1:3].std(axis=0), rtol=1e-4)
    assert (head.mean[4], head.scale[4]) == (0, 1), "nobody ever had it"


@pytest.mark.parametrize(
    ("unknown", "left"), [((1, 0, 0), [3]), ((0, 1, 0), [1, 2]), ((0, 0, 1), [1, 2, 3]), ((0, 0, 0), [1, 2, 3, 4])]
)
def test_an_unknown_pin_has_no_pair_either(unknown, left):
    head, features = Head(Shape(8, 8, NAMES, (), GROUPS)), torch.from_numpy(rows(1)[2])
    found = train.forget(features, head, torch.tensor([unknown], dtype=torch.bool))[0]
    assert torch.isnan(found).nonzero().flatten().tolist() == [i for i in range(1, 5) if i not in left]
    assert torch.equal(found[[0, *left]], features[0, [0, *left]])


class Hearsay(WordMatch):
    """As match features only a constant; a signal of Pins says whether they are liked."""

    names = ("constant", "told.liked", "heard.noise")
    groups = (Group("told", "pin", ("liked",)), Group("heard", "query", ("noise",)))
    unheard = False

    def pairs(self, queries, rows):
        found = super().pairs(queries, rows)[:, [2, 1, 0]]
        found[:, 1] = np.nan if self.unheard else found[:, 1]
        return found


@pytest.fixture(scope="module")
def taught(tiny_encoder, tmp_path_factory):
    """A student whose signal, in training, was sometimes missing."""
    torch.set_num_threads(1)
    chosen = toy_trainings.student_settings(tiny_encoder, epochs=25, signal_dropout=0.3)
    untuned, folder = Encoder.untuned(chosen), tmp_path_factory.mktemp("hearsay")
    blank = Vectors.of_texts(pins(), untuned)
    blank = blank.replaced(np.zeros_like(blank.matrix))  # the Pins' texts tell nothing: the signal has to
    lessons = Lessons([judged("train"), judged("valid")], pins(), Hearsay(), untuned.read, blank)
    parts = {part: lessons.examples(judged(part)) for part in ("train", "valid")}
    train.train(parts, lessons, chosen, 5, folder, tmp_path_factory.mktemp("scratch"))
    return folder, blank.replaced(Encoder.of_student(folder).project(blank.matrix))


def loss(grader):
    return -(from_columns(judged("valid")) * np.log(grader.grade(judged("valid")))).sum(axis=1).mean()


def test_a_student_that_was_told_grades_well_and_one_that_is_not_still_knows_the_mean(taught):
    folder, vectors = taught
    unheard = Hearsay()
    unheard.unheard = True
    valid, mean = from_columns(judged("valid")), from_columns(judged("train")).mean(axis=0)
    guess = -(valid * np.log(np.maximum(mean, 1e-9))).sum(axis=1).mean()
    assert loss(StudentGrader(folder, Hearsay(), vectors)) < 0.6 * guess
    cold = StudentGrader(folder, unheard, vectors)
    assert loss(cold) < 1.15 * guess
    liked = judged("valid").slice(0, 1).to_pylist()[0]["pin_id"].split("-")[0] in LIKED
    assert liked
    np.testing.assert_allclose(cold.grade(judged("valid")).mean(axis=0), mean, atol=0.15)
