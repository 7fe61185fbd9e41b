"""The student learns whichever part of it is trained, and leaves the rest alone."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
import toy_trainings
from safetensors.numpy import load_file
from toy_task import WordMatch, judged, pins

from limbeck.errors import InputError
from limbeck.relevance import from_columns
from limbeck.student import train
from limbeck.student.encode import Encoder
from limbeck.student.grade import StudentGrader
from limbeck.student.model import Head, create_tower, save
from limbeck.student.shape import Shape
from limbeck.student.vectors import Vectors


def loss(folder):
    """Cross-entropy of the target and the student's distribution, on pairs it was not trained on."""
    student = StudentGrader(folder, WordMatch(), Vectors.of_texts(pins(), Encoder.of_student(folder)))
    return float(-(from_columns(judged("valid")) * np.log(student.grade(judged("valid")))).sum(axis=1).mean())


@pytest.fixture(scope="module")
def untrained_loss(settings, tmp_path_factory):
    folder = tmp_path_factory.mktemp("untrained")
    save(create_tower(settings, 5), Head(Shape.of(settings, WordMatch.names)), folder)
    return loss(folder)


@pytest.mark.parametrize("tune", ["projection", "all"])
def test_training_lowers_the_loss_on_other_queries(tune, students, untrained_loss):
    valid, mean = from_columns(judged("valid")), from_columns(judged("train")).mean(axis=0)
    guess = -(valid * np.log(np.maximum(mean, 1e-9))).sum(axis=1).mean()  # the best without looking at the Pin
    assert loss(students(tune)) < 0.7 * guess < guess < untrained_loss


def test_a_tuned_backbone_goes_on_from_the_student_of_one_that_is_not(students):
    assert loss(students("all")) < loss(students("projection"))


def test_a_backbone_that_tuning_made_worse_stays_as_it_comes(students, tiny_encoder, tmp_path):
    astray, out = {"tune": "all", "epochs": 15, "tower_learning_rate": 30.0}, tmp_path / "out"
    toy_trainings.student(tiny_encoder, out, tmp_path / "scratch", **astray)
    for file in ("tower/model.safetensors", "head.safetensors"):
        assert (out / file).read_bytes() == (students("projection") / file).read_bytes()


@pytest.mark.parametrize("tune", ["projection", "all"])
def test_the_backbone_changes_only_where_it_is_tuned(tune, students, tiny_encoder):
    before, after = (load_file(f / "model.safetensors") for f in (tiny_encoder, students(tune) / "tower"))
    kept = [name for name in before if not name.startswith("pooler")]
    same = [(before[name] == after[name]).all() for name in kept]
    assert all(same) if tune == "projection" else not any(same)


@pytest.mark.parametrize(("found", "kept"), [(0.9, True), (1.1, False), (float("nan"), False), (float("inf"), False)])
def test_what_was_tuned_counts_only_where_its_loss_is_known_to_be_no_larger(
    found, kept, settings, laid_out, monkeypatch
):
    head = Head(Shape.of(settings, laid_out.feature_names))
    model = train.Distillation(create_tower(settings, 0), head, laid_out.queries, laid_out.pins)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}

    def fit(model, *_):
        if model.reads:
            with torch.no_grad():
                for weight in model.parameters():
                    weight.add_(1)
        return found if model.reads else 1.0

    monkeypatch.setattr(train, "_fit", fit)
    train._fit_all(model, {}, settings, 0, Path())
    assert all(torch.equal(before[name], weight) for name, weight in model.named_parameters()) != kept


def test_everything_saved_is_finite_and_float32(students):
    for file in students("projection").rglob("*.safetensors"):
        for array in load_file(file).values():
            assert array.dtype == np.float32
            assert np.isfinite(array).all()


def test_features_are_standardised_by_the_training_rows(students, laid_out):
    head = Head.load(students("projection"))
    features = laid_out.examples(judged("train")).features
    np.testing.assert_allclose(head.mean, features.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(head.scale[:2], 1 / features[:, :2].std(axis=0), rtol=1e-5)
    assert head.scale[2] == 1  # the constant


@pytest.mark.parametrize("part", ["train", "valid"])
def test_no_labelled_pairs(part, settings, laid_out, tmp_path):
    parts = {p: laid_out.examples(judged(p)) for p in ("train", "valid")}
    parts[part] = laid_out.examples(judged(part).slice(0, 0))
    with pytest.raises(InputError, match=f"no labelled pairs to {part} on"):
        train.train(parts, laid_out, settings, 0, tmp_path / "out", tmp_path)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("tune", ["projection", "all"])
def test_the_loss_is_cross_entropy_with_the_target(tune, tiny_encoder):
    chosen = toy_trainings.student_settings(tiny_encoder, tune=tune)
    taught = toy_trainings.lessons(chosen)
    examples = taught.examples(judged("train").slice(0, 12))
    tower, head = create_tower(chosen, 0), Head(Shape(16, 16, taught.feature_names, (8,)))
    model = train.Distillation(tower, head, taught.queries, taught.pins).eval()
    model.reads = tune == "all"
    rows, features, target = np.stack([examples.query, examples.pin], axis=1), examples.features, examples.target
    with torch.inference_mode():
        found = model(*map(torch.from_numpy, (rows, features, target, examples.weight)))["loss"]
        query = tower.encode([taught.queries.texts[i] for i in examples.query], convert_to_tensor=True)
        pin = tower.encode([taught.pins.texts[i] for i in examples.pin], convert_to_tensor=True)
        logits = head(query.cpu(), pin.cpu(), torch.from_numpy(features)).double().numpy()
    logarithms = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    tolerance = 1e-5 if tune == "all" else 1e-2  # untuned vectors may have been made in bfloat16
    np.testing.assert_allclose(found, -(target * logarithms).sum(axis=1).mean(), rtol=tolerance)


def test_every_epoch_sees_every_pair_once_in_an_order_of_its_own(tiny_encoder, tmp_path, monkeypatch):
    forward, seen = train.Distillation.forward, []

    def remember(self, rows, **given):
        if self.training:
            seen.extend(map(tuple, rows.tolist()))
        return forward(self, rows, **given)

    monkeypatch.setattr(train.Distillation, "forward", remember)
    toy_trainings.student(tiny_encoder, tmp_path / "out", tmp_path / "scratch", epochs=2)
    count = judged("train").num_rows
    first, second = seen[:count], seen[count:]
    assert len(set(first)) == len(first) == len(second)
    assert set(first) == set(second)
    assert first != second


def test_a_tuned_backbone_reads_a_pin_once_for_all_its_pairs(tiny_encoder):
    chosen = toy_trainings.student_settings(tiny_encoder, tune="all", tokens_per_batch=60)
    taught = toy_trainings.lessons(chosen)
    examples = taught.examples(judged("train"))
    tower, head = create_tower(chosen, 0), Head(Shape.of(chosen, taught.feature_names))
    model = train.Distillation(tower, head, taught.queries, taught.pins)
    model.reads = True
    batches = [batch["rows"].numpy() for batch in train._loader(examples, model, chosen, 0)]
    assert len(batches) > 1
    seen = np.concatenate(batches)
    assert sorted(map(tuple, seen)) == sorted(zip(examples.query, examples.pin))
    of_each = [set(batch[:, 1]) for batch in batches]
    assert sum(map(len, of_each)) == len(set.union(*of_each)) < len(seen)
    for rows in batches:
        words = [len(taught.pins.texts[pin].split()) for pin in set(rows[:, 1])]
        asked = [len(taught.queries.texts[query].split()) for query in rows[:, 0]]
        assert sum(words) + sum(asked) <= 60 or len(words) == 1


def test_a_temperature_softens_both_sides_and_keeps_the_gradients_size():
    random = np.random.default_rng(0)
    logits = torch.from_numpy(random.standard_normal((6, 5))).requires_grad_()
    target = torch.from_numpy(random.dirichlet(np.ones(5), 6))
    plain = train.soft_cross_entropy(logits, target, 1.0)
    np.testing.assert_allclose(plain.detach(), -(target * logits.log_softmax(dim=1)).sum(dim=1).detach(), rtol=1e-9)
    softened = train.soft_cross_entropy(logits, target, 3.0)
    powers = target ** (1 / 3)
    expected = -9 * (powers / powers.sum(dim=1, keepdim=True) * (logits / 3).log_softmax(dim=1)).sum(dim=1)
    np.testing.assert_allclose(softened.detach(), expected.detach(), rtol=1e-9)
    same = (
        target.log().detach().requires_grad_()
    )  # who says what the teacher says has nothing to learn at any temperature
    [gradient] = torch.autograd.grad(train.soft_cross_entropy(same, target, 3.0).sum(), same)
    np.testing.assert_allclose(gradient, 0, atol=1e-9)


def test_pairs_count_by_their_weights(settings, laid_out):
    rows, weights = judged("train").slice(0, 8), np.arange(8, dtype=np.float32)
    weighted = laid_out.examples(rows.append_column("weight", pa.array(weights)))
    assert (weighted.weight == weights).all()
    assert (laid_out.examples(rows).weight == 1).all()
    model = train.Distillation(
        create_tower(settings, 0), Head(Shape.of(settings, laid_out.feature_names)), laid_out.queries, laid_out.pins
    )
    loader = train._loader(weighted, model.eval(), settings, 0)
    [batch] = list(loader)
    np.testing.assert_allclose(np.sort(batch["weight"]), weights / weights.mean(), rtol=1e-6)
    with torch.inference_mode():
        alone = [
            model(**{name: values[[i]] for name, values in batch.items()} | {"weight": torch.ones(1)})["loss"]
            for i in range(8)
        ]
        together = model(**batch)["loss"]
    np.testing.assert_allclose(together, np.mean(np.asarray(alone) * batch["weight"].numpy()), rtol=1e-5)
