"""Classes of Pins and queries: from a table, from clusters, from what people acted on; told where nobody said them."""

import json

import numpy as np
import pyarrow as pa
import pytest
import torch
from scipy.sparse import csr_array
from sides import assert_sides_agree

from limbeck.records import empty, schema
from limbeck.signals import classifier_training, interests, interests_training, taxonomy
from limbeck.signals.classifier import Accuracy
from limbeck.signals.interests import Interests
from limbeck.signals.interests_training import Evidence
from limbeck.signals.searchsage import NOBODY

KINDS, DIMENSIONS = 4, 16
PIN_IDS = [f"pin{i}" for i in range(120)]
NOTHING = empty("interests")
NAMES = ("garden", "kitchen", "party", "shoes")


def texts(count, seed=1, first=0):
    """Untuned vectors of texts; the i-th is of kind i % 4."""
    random = np.random.default_rng(seed)
    kinds = np.arange(first, first + count) % KINDS
    return (np.eye(DIMENSIONS)[kinds] + random.normal(0, 0.1, (count, DIMENSIONS))).astype(np.float32)


def read(queries):
    """A query "q7" is of kind 7 % 4; its vector is somewhat like those of Pins of that kind."""
    return np.concatenate([texts(1, seed=100 + int(q[1:]), first=int(q[1:])) for q in queries])


def table(*rows):
    """Rows of the table of interests: pin_id, query, interest, shopping."""
    return pa.Table.from_pylist([dict(zip(schema("interests").names, row)) for row in rows], schema("interests"))


def engaged(*rows):
    return pa.table(dict(zip(NOBODY.column_names, map(list, zip(*rows)))), NOBODY.schema) if rows else NOBODY


def of_pins(count, shopping=None):
    return [(PIN_IDS[i], None, NAMES[i % KINDS], shopping and shopping(i)) for i in range(count)]


@pytest.fixture(scope="module", autouse=True)
def few_steps():
    """A few texts are learnt in fewer steps than many are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(classifier_training, "STEPS", 150)
        yield


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """A function that learns from some evidence and opens the signal, with its summary and folder."""
    torch.set_num_threads(1)

    def built(told=NOTHING, acted=NOBODY, seed=0, pins=PIN_IDS):
        out = tmp_path_factory.mktemp("interests")
        summary = interests_training.build(Evidence(told, acted), pins, texts(len(pins)), read, seed, out)
        return Interests(out, interests.aligned(out, pa.array([*pins, "later"])), read), summary, out

    return built


@pytest.fixture(scope="module")
def taught(build):
    """From a table of two thirds of the Pins, two queries, and who shops: those who ask for shoes and kitchens."""
    rows = of_pins(80, shopping=lambda i: i % KINDS in (1, 3))
    rows += [("pin100", None, "party", None), (None, " Q5 ", "shoes", False), ("nowhere", None, "cars", None)]
    return build(table(*rows))


def classes(signal, queries, pins):
    """What the signal says: the parts of its three groups."""
    asked, rows = (np.arange(len(queries)), np.asarray(pins)) if len(queries) > 1 else (np.zeros(len(pins), int), pins)
    found = signal.columns(queries, asked, np.asarray(rows))
    ends = np.cumsum([len(group.columns) for group in signal.groups])
    return np.split(found, ends[:-1], axis=1)


# -- what is known --


def test_a_pin_of_several_rows_has_a_share_of_each_class():
    rows = [("b", None, "x", True), ("b", None, "y", None), ("b", None, "x", False), (None, "Red Sofa ", "y", None)]
    told = taxonomy.told(table(*rows, ("gone", None, "z", None)), "interest", ["a", "b"], ["lamp", "red sofa"])
    assert told.names == ("x", "y", "z")
    np.testing.assert_allclose(told.pins.toarray(), [[0, 0, 0], [2 / 3, 1 / 3, 0]], atol=1e-6)
    np.testing.assert_allclose(told.queries.toarray(), [[0, 0, 0], [0, 1, 0]])
    shopping = taxonomy.told(table(*rows), "shopping", ["a", "b"], [])
    np.testing.assert_allclose(shopping.pins.toarray(), [[0, 0], [0.5, 0.5]])


def test_a_query_is_of_the_classes_of_what_people_acted_on_unless_the_table_names_it():
    told = taxonomy.told(
        table(("a", None, "x", None), ("b", None, "y", None), (None, "named", "y", None)),
        "interest",
        ["a", "b", "c"],
        ["named", "q", "quiet"],
    )
    log = engaged(("q", "a", 3), ("q", "b", 1), ("q", "c", 9), ("named", "a", 5), ("quiet", "c", 2), ("other", "a", 1))
    found = taxonomy.acted(told, log, ["a", "b", "c"], ["named", "q", "quiet"])
    np.testing.assert_allclose(found.queries.toarray(), [[0, 1], [0.75, 0.25], [0, 0]])
    np.testing.assert_array_equal(found.pins.toarray(), told.pins.toarray())


def test_clusters_are_of_one_kind_each_and_the_seed_decides():
    first, again = (taxonomy.clusters(texts(160), 3, seed=0) for _ in range(2))
    assert len(first.names) == KINDS
    counts = first.pins.toarray().T @ np.eye(KINDS)[np.arange(160) % KINDS]
    np.testing.assert_array_equal(np.sort(counts, axis=1)[:, -1], [40] * KINDS)
    np.testing.assert_array_equal(first.pins.toarray(), again.pins.toarray())
    assert first.queries.shape == (3, KINDS)
    assert not first.queries.nnz


# -- the small model --


def test_it_learns_shares_not_only_the_largest_one():
    base = np.eye(2, 8, dtype=np.float32)
    wanted = np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]])
    model = classifier_training.fit(np.repeat(base, 30, axis=0), csr_array(np.repeat(wanted, 30, axis=0)), 0)
    np.testing.assert_allclose(model.probabilities(5 * base), wanted, atol=0.03)
    assert np.isnan(model.probabilities(np.full((1, 8), np.nan, np.float32))).all()


def test_its_accuracy_is_of_texts_it_has_not_learnt_from():
    base, random = texts(400), np.random.default_rng(0)
    honest = csr_array(np.eye(KINDS)[np.arange(400) % KINDS])
    nonsense = csr_array(np.eye(KINDS)[random.integers(KINDS, size=400)])
    told, guessed = (classifier_training.learn({"pins": (base, known)}, 0)[1]["pins"] for known in (honest, nonsense))
    assert 20 < told.held_out < 60
    assert told.right == 1
    assert guessed.right < 0.5
    assert told.commonest < 0.5


def test_nothing_held_out_is_no_accuracy():
    model, accuracy = classifier_training.learn({"pins": (texts(1), csr_array(np.eye(1, 2)))}, 0)
    assert accuracy["pins"] == Accuracy(0, None, None)
    assert model.probabilities(texts(3)).shape == (3, 2)


# -- the signal --


def test_what_the_table_says_holds_and_the_rest_is_told(taught):
    signal, _, _ = taught
    assert [group.columns for group in signal.groups] == [
        ("0", "1", "2", "3", "4", "shopping"),
        ("0", "1", "2", "3", "4", "shopping"),
        ("agreement",),
    ]
    names = ("cars", *NAMES)
    query, pin, agreement = classes(signal, ["q9"], [1, 81, 100, 80])
    assert names[query[0, :5].argmax()] == "kitchen"
    np.testing.assert_array_equal(pin[0], [0, 0, 1, 0, 0, 1])  # the table's
    assert [names[row.argmax()] for row in pin[:, :5]] == ["kitchen", "kitchen", "party", "garden"]
    assert (pin[1, 2] < 1) & (pin[1, 5] > 0.8)
    assert pin[2, 3] == 1, "the table says party, whatever the text says"
    assert pin[3, 5] < 0.2
    assert agreement[0] > agreement[1] > 0.7
    assert max(agreement[2], agreement[3]) < 0.2


def test_a_query_of_the_table_is_what_it_says_there_in_any_spelling(taught):
    query, _, agreement = classes(taught[0], ["Q5"], [3, 1])
    np.testing.assert_array_equal(query, [[0, 0, 0, 0, 1, 0]] * 2)
    np.testing.assert_allclose(agreement[:, 0], [1, 0])


def test_agreement_is_the_chance_of_the_same_class(taught):
    signal = taught[0]
    query, pin, agreement = classes(signal, [f"q{i}" for i in range(20)], np.arange(80, 100))
    assert signal.models.places.shape == (5, 5)  # each class has a column of its own, so columns are shares
    np.testing.assert_allclose(agreement[:, 0], (query[:, :5] * pin[:, :5]).sum(axis=1), atol=1e-5)


def test_one_side_is_a_part_of_all_and_the_pins_side_reads_nothing(taught, build, monkeypatch):
    for signal in (taught[0], build()[0]):
        for query in ("q1", "Q5"):
            assert_sides_agree(signal, query.lower(), np.array([81, 3, 120, -1]))
    monkeypatch.setattr(taught[0], "_of_query", None)
    assert taught[0].of_side("pin", "", np.array([3, -1])).shape == (2, 6)


def test_new_pins_are_unknown_and_documents_known_by_what_they_say(taught):
    signal = taught[0]
    _, pin, agreement = classes(signal, ["q1"], [120, -1])
    assert np.isnan(pin).all()
    assert np.isnan(agreement).all()
    base = np.concatenate([texts(120)[[81]], np.full((1, DIMENSIONS), np.nan, np.float32)])
    others = signal.over(np.concatenate([base, base[:1]]), np.array([-1, -1, 81]))
    found = others.columns(["q1"], np.zeros(3, int), np.arange(3))
    assert_sides_agree(others, "q1", np.array([2, 0, -1]))
    np.testing.assert_allclose(found[0], found[2], atol=1e-6)
    assert np.isnan(found[1, 6:]).all()
    assert not np.isnan(found[1, :6]).any()
    assert found.dtype == np.float32
    assert signal.columns([], np.zeros(0, int), np.zeros(0, int)).shape == (0, 13)


def test_without_a_table_there_are_clusters_and_no_shopping_and_it_is_said(build):
    log = engaged(*sorted((f"q{q}", PIN_IDS[p], 1) for q in range(60) for p in range(120) if p % KINDS == q % KINDS))
    signal, summary, out = build(acted=log)
    assert summary.source == "clusters"
    assert signal.groups[0].columns == tuple(map(str, range(len(summary.names))))
    stored = json.loads((out / interests.SUMMARY).read_text(encoding="utf-8"))
    assert stored["accuracy"]["interest"].keys() == {"pins", "queries"}
    assert stored["accuracy"]["interest"]["queries"]["right"] > 0.8
    assert "shopping column" in summary.wording
    assert f"{len(summary.names)} clusters" in summary.wording
    _, _, agreement = classes(signal, [f"q{i}" for i in range(200, 240)], np.arange(40))
    _, _, other = classes(signal, [f"q{i}" for i in range(201, 241)], np.arange(40))
    assert agreement.mean() > 2 * other.mean()


def test_shopping_of_queries_is_learnt_from_what_people_acted_on(build):
    log = engaged(*sorted((f"q{q}", PIN_IDS[p], 1) for q in range(60) for p in range(120) if p % KINDS == q % KINDS))
    signal, summary, _ = build(table(*((p, None, None, i % KINDS == 2) for i, p in enumerate(PIN_IDS))), log)
    assert summary.source == "clusters"
    assert summary.accuracy["shopping"]["queries"].right == 1
    query, _, _ = classes(signal, ["q302", "q303"], [0, 0])
    assert query[0, -1] > 0.8 > 0.2 > query[1, -1]


def test_of_many_classes_alike_ones_lie_together(build):
    kind = np.arange(40) // 10
    weight = np.eye(30)[kind] + np.random.default_rng(0).normal(0, 0.05, (40, 30))
    places = interests_training._places(weight)
    assert places.shape == (40, interests.SIZE)
    apart = np.linalg.norm(places[:, None] - places, axis=2)
    assert apart[kind[:, None] == kind].max() < 0.5 * apart[kind[:, None] != kind].min()
    rows = [(PIN_IDS[i], None, f"{NAMES[i % KINDS]} {i // KINDS % 10}", None) for i in range(120)]
    signal, summary, _ = build(table(*rows))
    assert len(summary.names) == 40
    assert [len(group.columns) for group in signal.groups] == [interests.SIZE, interests.SIZE, 1]


def test_the_seed_decides(build):
    (_, _, first), (_, _, again), (_, _, other) = (build(seed=seed) for seed in (3, 3, 4))
    contents = [{p.name: p.read_bytes() for p in folder.iterdir()} for folder in (first, again, other)]
    assert contents[0] == contents[1] != contents[2]


def test_a_catalogue_of_one_pin(build):
    signal, summary, _ = build(pins=["pin0"])
    assert summary.names == ("cluster 0",)
    np.testing.assert_array_equal(signal.columns(["q1"], np.zeros(1, int), np.zeros(1, int)), [[1, 1, 1]])


def test_a_query_is_named_by_its_likeliest_class_or_by_none(build):
    signal, _, _ = build(table(*of_pins(len(PIN_IDS)), (None, "q2", "shoes", None)))
    assert signal.name_of("q5") == NAMES[5 % KINDS]
    assert signal.name_of("Q2 ") == "shoes"  # as the table says
    between, _, _ = build(table(*of_pins(len(PIN_IDS)), (None, "q2", "shoes", None), (None, "q2", "party", None)))
    assert between.name_of("q2") is None
