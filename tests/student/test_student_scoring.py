"""The head arranged for serving gives the numbers of the trained one, whatever part of it is computed when."""

import numba
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from limbeck.errors import WorkspaceError
from limbeck.relevance import expected_level
from limbeck.signals.signal import Group
from limbeck.student import tiles
from limbeck.student.model import Head
from limbeck.student.scoring import Held, Scorer
from limbeck.student.shape import Shape

GROUPS = (Group("a", "pin", ("x", "y")), Group("b", "query", ("z",)), Group("c", "pair", ("w",)))
NAMES = ("plain", "also plain", "a.x", "a.y", "b.z", "c.w")
SIZE, PINS = 12, 40


def world(seed, groups=GROUPS, names=NAMES):
    """Vectors of a query and of Pins, and features of all pairs: what tells of the query is the same for all Pins."""
    random = np.random.default_rng(seed)
    sizes = ((1, SIZE), (PINS, SIZE), (PINS, len(names)))
    query, pins, features = (random.standard_normal(size) * 3 for size in sizes)
    for group, begin, end in Shape(SIZE, 1, names, (), groups).spans:
        missing = random.random(PINS) < 0.4
        if group.of == "query":
            features[:], missing[:] = np.where(np.arange(len(names)) == begin, features[0], features), missing[0]
        features[missing, begin:end] = np.nan
    return tuple(rows.astype(np.float32) for rows in (query, pins, features))


def saved(folder, seed, hidden, products, groups=GROUPS, names=NAMES):
    torch.manual_seed(seed)
    head = Head(Shape(SIZE, products, names, hidden, groups))
    head.standardise(np.concatenate([world(seed + n, groups, names)[2] for n in range(1, 4)]) * 2 + 1)
    head.save(folder)
    return Head.load(folder)


def as_served(head):
    """The head, those of its weights rounded that are multiplied for each pair: the mean of products with them."""
    shape, first, *deeper = (
        head.shape,
        *(module.weight for module in head.modules() if isinstance(module, torch.nn.Linear)),
    )
    begin = 2 * shape.vector_size
    told = begin + shape.products + 1
    of_pairs = [told + place for place, side in enumerate(shape.sides) if side == "pair"]
    groups = told + len(shape.features)
    of_pairs += [groups + place for place, (group, *_) in enumerate(shape.spans) if group.of == "pair"]
    with torch.no_grad():
        mean = first[:, told - 1 : told] / shape.products
        first[:, begin : told - 1] = (first[:, begin : told - 1] + mean).bfloat16().float() - mean
        first[:, of_pairs] = first[:, of_pairs].bfloat16().float()
        for weight in deeper:
            weight[:] = weight.bfloat16().float()
    return head


def by_torch(head, query, pins, features):
    with torch.inference_mode():
        logits = head(torch.from_numpy(query).expand(len(pins), -1), torch.from_numpy(pins), torch.from_numpy(features))
        return logits.softmax(dim=1).numpy()


def arranged(scorer, query, pins, features, rows, bits=32):
    """Pins' shares first, the query's once, then the pairs."""
    sides = np.asarray(scorer.shape.sides)
    held = Held.of(scorer.held(pins, features[:, sides == "pin"]), bits)
    asked = scorer.asked(query[0], features[0, sides == "query"])
    return scorer.candidates(asked, held, rows, features[rows][:, sides == "pair"])


@given(
    seed=st.integers(0, 2**32),
    hidden=st.sampled_from([(), (6,), (7, 3), (40, 4, 3)]),
    products=st.integers(1, SIZE),
    plain=st.booleans(),
    rows=st.lists(st.integers(0, PINS - 1), max_size=70),
)
def test_both_forms_give_the_numbers_of_the_trained_head(seed, hidden, products, plain, rows, tmp_path_factory):
    kind, folder = ((), NAMES[:2]) if plain else (GROUPS, NAMES), tmp_path_factory.mktemp("head")
    expected = by_torch(as_served(saved(folder, seed, hidden, products, *kind)), *world(seed, *kind))
    scorer, rows = Scorer(folder), np.asarray(rows, np.int64)
    np.testing.assert_allclose(scorer.probabilities(*world(seed, *kind)), expected, atol=1e-5)
    found = arranged(scorer, *world(seed, *kind), rows)
    assert (found.dtype, found.shape) == (np.float32, (len(rows), 5))
    np.testing.assert_allclose(found, expected[rows], atol=1e-4 if tiles.available() else 1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_grades_without_tiles_are_the_same_within_a_hundredth_of_a_level(seed, monkeypatch, tmp_path):
    saved(tmp_path, seed, (128, 64), SIZE)
    rows = np.random.default_rng(seed).integers(0, PINS, 1_000)

    def levels():
        return expected_level(arranged(Scorer(tmp_path), *world(seed), rows))

    here = levels()
    monkeypatch.setattr(tiles, "available", lambda: False)
    assert np.abs(levels() - here).max() < 1e-3


@pytest.mark.parametrize(("bits", "apart"), [(16, 2e-3), (8, 5e-2)])
@given(seed=st.integers(0, 2**32))
def test_fewer_bits_cost_little(bits, apart, seed, tmp_path_factory):
    folder, rows = tmp_path_factory.mktemp("head"), np.arange(PINS)
    saved(folder, seed, (16, 8), 5)
    scorer, given_ = Scorer(folder), world(seed)
    exact, fewer = (expected_level(arranged(scorer, *given_, rows, kept)) for kept in (32, bits))
    np.testing.assert_allclose(fewer, exact, atol=apart)


def test_halves_are_the_float16_that_they_stand_for(tmp_path):
    saved(tmp_path, 0, (), SIZE)
    scorer, (query, pins, features) = Scorer(tmp_path), world(0)
    held = scorer.held(pins, features[:, np.asarray(scorer.shape.sides) == "pin"])
    held[0, :6] = [0.0, -0.0, 6e-8, -6.1e-5, 1e6, -1.5]
    halves = Held.of(held, 16)
    assert halves.numbers[0, 4] == np.finfo(np.float16).max
    wide = Held.of(halves.numbers.astype(np.float32), 32)
    asked = scorer.asked(query[0], features[0, np.asarray(scorer.shape.sides) == "query"])
    columns = features[:, np.asarray(scorer.shape.sides) == "pair"]
    found = [scorer.candidates(asked, kept, np.arange(PINS), columns) for kept in (halves, wide)]
    assert (found[0] == found[1]).all()


@pytest.mark.parametrize("bits", [8, 16, 32])
def test_other_pins_are_held_as_those_on_the_disk_are(tmp_path, bits):
    """A kernel is compiled for each type of array: seconds in which the first search with live Pins would wait."""
    numbers = world(0)[1]
    np.save(tmp_path / "numbers.npy", Held.of(numbers, bits).numbers)
    mapped = Held(np.asarray(np.load(tmp_path / "numbers.npy", mmap_mode="r")), Held.of(numbers, bits).scale)
    for found, expected in zip(mapped.alike(numbers), mapped):
        assert numba.typeof(found) == numba.typeof(expected)
        np.testing.assert_array_equal(found, expected)


def test_the_head_of_another_version_is_refused(tmp_path):
    saved(tmp_path, 0, (), 1)
    path = tmp_path / "head.json"
    path.write_text(path.read_text().replace('"version": 2', '"version": 1'))
    for load in (Scorer, Head.load):
        with pytest.raises(WorkspaceError, match=r"another version .* trains it anew"):
            load(tmp_path)


def test_features_tell_of_what_their_groups_tell_of():
    assert Shape(4, 4, NAMES, (), GROUPS).sides == ("pair", "pair", "pin", "pin", "query", "pair")
