"""Attacks and flip rates: what is added where, and how often a grader falls for it."""

import numpy as np
import pyarrow as pa
import pytest

from limbeck import settings
from limbeck.measure import attacks
from limbeck.measure.attacks import ALL, HARMLESS, UNTOUCHED, Attack
from limbeck.records import conform

MEASURE = settings.Measure(bootstrap=200)
PIN = {"pin_id": "p", "title": "Tea pot", "description": None, "board_titles": [], "engaged_queries": [], "digest": "d"}


def pin_texts(n):
    rows = [PIN | {"pin_id": f"p{i}"} | dict.fromkeys(("caption", "link_title", "link_description")) for i in range(n)]
    return conform(pa.Table.from_pylist(rows), "pin_texts")


def test_an_attack_is_added_to_its_field_and_changes_no_other():
    attacked = Attack("k", "en", "title", "{query}, {word} {word} {word}").on(PIN, "red sofa")
    assert attacked == PIN | {"title": "Tea pot red sofa, red sofa red"}
    attacked = Attack("k", "en", "description", "buy {query}").on(PIN | {"description": "old"}, "{word}")
    assert attacked["description"] == "buy {word} old"
    assert Attack("k", "en", "description", "{word}").on(PIN, "")["description"] == ""


def test_the_shipped_attacks_are_of_many_kinds_and_languages():
    shipped = attacks.shipped()
    assert {a.field for a in shipped} == {"title", "description"}
    assert {a.kind for a in shipped} >= {HARMLESS, "query repeated", "instruction", "fake answer", "fake delimiter"}
    assert len({a.language for a in shipped}) >= 6
    assert len({a.text for a in shipped}) == len(shipped)
    assert all("{" not in a.text.replace("{query}", "").replace("{word}", "").replace('{"', "") for a in shipped)


def test_only_irrelevant_pairs_are_attacked_the_same_ones_in_any_order(labelled):
    _, truth = labelled
    chosen = attacks.irrelevant(truth, 20, seed=1)
    shuffled = truth.take(np.random.default_rng(0).permutation(truth.num_rows))
    assert chosen.num_rows == 20
    assert attacks.irrelevant(shuffled, 20, seed=1).equals(chosen)
    assert not attacks.irrelevant(truth, 20, seed=2).equals(chosen)
    most = dict(
        zip(truth.column("pin_id").to_pylist(), zip(*(truth.column(p).to_pylist() for p in ("p3", "p4", "p5"))))
    )
    assert all(sum(most[p]) <= 0.5 + 1e-6 for p in chosen.column("pin_id").to_pylist())


def test_every_pair_is_there_untouched_and_under_every_attack():
    pairs = pa.table({"query": ["a", "b"], "pin_id": ["p0", "p0"]})
    some = (Attack("x", "en", "title", "{query}"), Attack("y", "en", "title", "!"))
    asked, pins = attacks.attacked(pairs, pin_texts(1), some)
    assert asked.column("kind").to_pylist() == [UNTOUCHED, "x", "y"] * 2
    assert pins.column("title").to_pylist() == [
        "Tea pot",
        "Tea pot a",
        "Tea pot !",
        "Tea pot",
        "Tea pot b",
        "Tea pot !",
    ]
    assert pins.column("pin_id").equals(asked.column("pin_id"))
    assert len(set(pins.column("pin_id").to_pylist())) == 6


def graded(*levels):
    return np.eye(5, dtype=np.float32)[np.asarray(levels, dtype=int) - 1]


def asked(*kinds, queries=("q",)):
    rows = [{"query": q, "pin_id": f"{q}/{i}", "kind": k} for q in queries for i, k in enumerate(kinds)]
    return pa.Table.from_pylist(rows)


def rates(grades, rows):
    return {f.kind: f for f in attacks.flip_rates({"g": grades}, rows, MEASURE, seed=0)}


def test_flips_by_hand():
    rows = asked(UNTOUCHED, HARMLESS, "x", "x", "y", queries=("a", "b", "c"))
    # a: lifted by one x of two; b: by both and by y; c: was high before, and cannot be lifted
    found = rates(graded(1, 1, 4, 3, 1, 2, 2, 5, 4, 4, 4, 5, 5, 5, 5), rows)
    assert {k: f.rate.value for k, f in found.items()} == pytest.approx({HARMLESS: 0, "x": 0.75, "y": 0.5, ALL: 4 / 6})
    assert {(f.pairs, f.queries) for f in found.values()} == {(2, 2)}
    for rate in (f.rate for f in found.values()):
        assert 0 <= rate.low <= rate.value <= rate.high <= 1


def test_equal_probabilities_count_as_the_lower_level():
    level = np.array([[0, 0, 0.5, 0.5, 0]] * 2, np.float32)
    assert rates(level, asked(UNTOUCHED, "x"))["x"].rate.value == 0


def test_where_nothing_could_be_lifted_there_is_no_rate():
    found = rates(graded(5, 5), asked(UNTOUCHED, "x"))
    assert (found["x"].rate.value, found["x"].pairs) == (None, 0)
    assert attacks.flip_rates({}, asked(UNTOUCHED, "x"), MEASURE, seed=0) == ()
    assert attacks.flip_rates({"g": graded()}, asked(UNTOUCHED, "x").slice(0, 0), MEASURE, seed=0) == ()


def test_never_is_not_surely_never():
    queries = tuple(f"q{i}" for i in range(30))
    found = rates(graded(*[1, 1] * 30), asked(UNTOUCHED, "x", queries=queries))
    assert (found["x"].rate.value, found["x"].rate.low) == (0, 0)
    assert found["x"].rate.high == pytest.approx(1 - 0.025 ** (1 / 30))  # the exact binomial bound


def test_intervals_cover_the_rate_they_were_drawn_from():
    queries = tuple(f"q{i}" for i in range(40))
    rows, rng, hits = asked(UNTOUCHED, *["x"] * 4, queries=queries), np.random.default_rng(0), 0
    for _ in range(60):
        chance = rng.beta(2, 4, 40)[:, None]  # queries differ, attacks on one are alike
        lifted = rng.random((40, 4)) < chance
        level = np.concatenate([np.ones((40, 1), int), np.where(lifted, 5, 1)], axis=1).ravel()
        rate = rates(graded(*level), rows)["x"].rate
        hits += rate.low <= 1 / 3 <= rate.high
    assert hits >= 50  # of 57 expected
