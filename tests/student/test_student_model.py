"""The head does the arithmetic that its drawing says, and keeps it in its files."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file
from sentence_transformers import SentenceTransformer

from limbeck.student.model import Head, create_tower, load_tower, save
from limbeck.student.shape import Shape


def drawn(seed, rows, features, size=8):
    """Query vectors, Pin vectors and features."""
    random = np.random.default_rng(seed)
    shapes = ((rows, size), (rows, size), (rows, features))
    return tuple(random.standard_normal(shape).astype(np.float32) for shape in shapes)


def head_of(features, hidden, products=8):
    return Head(Shape(8, products, tuple(features), hidden))


def by_hand(folder, query, pin, features, products):
    """The head's logits from its file alone, in double precision."""
    stored = {k: v.astype(np.float64) for k, v in load_file(folder / "head.safetensors").items()}
    product = (query.astype(np.float64) * pin)[:, :products]
    standard = (features - stored["mean"]) * stored["scale"]
    hidden = np.concatenate([query, pin, product, product.mean(axis=1, keepdims=True), standard], axis=1)
    layers = sum(name.endswith(".weight") for name in stored)
    for i in range(layers):
        hidden = hidden @ stored[f"layers.{i}.weight"].T + stored[f"layers.{i}.bias"]
        hidden = np.maximum(hidden, 0) if i < layers - 1 else hidden
    return hidden


@given(
    seed=st.integers(0, 2**32),
    rows=st.integers(1, 5),
    features=st.integers(0, 4),
    hidden=st.sampled_from([(), (6,), (6, 3)]),
    products=st.integers(1, 8),
)
def test_the_head_by_hand(seed, rows, features, hidden, products, tmp_path_factory):
    torch.manual_seed(seed)
    folder = tmp_path_factory.mktemp("head")
    query, pin, given_features = drawn(seed, rows, features)
    head = head_of([f"f{i}" for i in range(features)], hidden, products)
    head.standardise(drawn(seed + 1, 50, features)[2] * 7 + 3)
    head.save(folder)
    loaded = Head.load(folder)
    assert loaded.shape == head.shape
    with torch.inference_mode():
        logits = loaded(*map(torch.from_numpy, (query, pin, given_features))).numpy()
    assert logits.dtype == np.float32
    np.testing.assert_allclose(logits, by_hand(folder, query, pin, given_features, products), atol=1e-4)


def test_features_are_brought_to_mean_zero_and_spread_one():
    features = drawn(0, 1_000, 3)[2] * np.float32([1, 100, 0.01]) + np.float32([5, -3, 0])
    head = head_of(("a", "b", "c"), ())
    head.standardise(features)
    standard = (torch.from_numpy(features) - head.mean) * head.scale
    np.testing.assert_allclose(standard.mean(dim=0), 0, atol=1e-4)
    np.testing.assert_allclose(standard.std(dim=0), 1, rtol=1e-3)


@pytest.mark.parametrize("value", [0.0, 0.1, -3.7, 1e4])
def test_a_constant_feature_keeps_a_spread_of_one(value):
    head = head_of(("constant", "as well"), ())
    head.standardise(np.full((300_000, 2), value, np.float32))
    assert head.scale.tolist() == [1, 1]
    assert (head.mean.numpy() == np.float32(value)).all()


def test_a_feature_that_is_nearly_always_the_same_is_not_taken_for_constant():
    features = np.zeros((100_000, 1), np.float32)
    features[0] = 1
    head = head_of(("rare",), ())
    head.standardise(features)
    assert head.scale.item() == pytest.approx(1 / features.std(dtype=np.float64), rel=1e-5)


def test_the_projection_starts_as_orthogonal_directions_from_the_seed(settings):
    first, again, other = (create_tower(settings, seed)[2].linear.weight.detach() for seed in (1, 1, 2))
    torch.testing.assert_close(first @ first.T, torch.eye(16), atol=1e-5, rtol=0)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_saved_tower_is_read_with_and_without_limbeck(settings, tmp_path):
    tower = create_tower(settings, 0)
    save(tower, Head(Shape(16, 16, ("a",), (4,))), tmp_path)
    files = {p.suffix for p in tmp_path.rglob("*") if p.is_file()}
    assert files == {".json", ".safetensors"}
    expected = tower.encode(["a red sofa", ""])
    for loaded in (load_tower(tmp_path), SentenceTransformer(str(tmp_path / "tower"))):
        assert [type(m).__name__ for m in loaded] == ["Transformer", "Pooling", "Dense", "LayerNorm"]
        assert loaded.max_seq_length == settings.max_tokens
        np.testing.assert_allclose(loaded.encode(["a red sofa", ""]), expected, atol=1e-5)
