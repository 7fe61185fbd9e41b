"""The written-down rule, by examples and against a plain restatement of it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limbeck.sources.world.truth import Facets, levels
from limbeck.sources.world.vocabulary import (
    ATTRIBUTE,
    ATTRIBUTES,
    INTEREST_OF,
    INTERESTS,
    KINDS,
    RELATED,
    THING,
    THINGS,
    allowed,
)


def facets(interest: int, thing: int, *values: str) -> Facets:
    row = [-1] * len(KINDS)
    for value in values:
        row[ATTRIBUTES[ATTRIBUTE[value]].kind] = ATTRIBUTE[value]
    return Facets(np.array([interest]), np.array([thing]), np.array([row]))


def a(thing: str, *values: str) -> Facets:
    return facets(THINGS[THING[thing]].interest, THING[thing], *values)


def any_of(interest: str, *values: str) -> Facets:
    return facets([i.code for i in INTERESTS].index(interest), -1, *values)


@pytest.mark.parametrize(
    ("asked", "shown", "level"),
    [
        (a("sofa"), a("sofa", "blue", "velvet"), 5),
        (a("sofa", "blue"), a("sofa", "blue", "velvet"), 5),
        (a("sofa", "blue"), a("sofa", "navy"), 5),  # navy is a blue
        (a("sofa", "navy"), a("sofa", "blue"), 4),  # not every blue is navy
        (a("sofa", "blue"), a("sofa", "red"), 4),
        (a("sofa", "blue", "velvet"), a("sofa", "blue"), 4),
        (a("sofa", "blue", "velvet"), a("sofa", "red", "leather"), 3),
        (a("sofa", "blue"), a("sofa cushion", "blue"), 3),  # completes a sofa
        (a("sofa"), a("armchair"), 3),  # the same family
        (a("dress"), a("high heels"), 3),  # completes it from another interest
        (a("sofa", "blue"), a("floor lamp", "blue"), 2),
        (a("sofa", "blue"), a("dress", "blue"), 1),
        (a("soup", "vegetarian"), a("soup", "vegan", "tofu"), 5),
        (any_of("living room"), a("rug"), 5),
        (any_of("living room", "boho"), a("rug", "boho"), 5),
        (any_of("living room", "boho"), a("rug", "modern"), 3),
        (any_of("living room", "boho"), a("wardrobe", "boho"), 2),
        (any_of("living room", "boho"), a("wardrobe", "modern"), 1),
        (any_of("living room"), a("wardrobe"), 1),
    ],
)
def test_the_rule_by_example(asked: Facets, shown: Facets, level: int) -> None:
    assert levels(asked, shown).tolist() == [level]


def _meets(asked: int, shown: int) -> bool:
    return asked == shown or (shown >= 0 and ATTRIBUTES[shown].broader == ATTRIBUTES[asked].code)


def _restated(asked: Facets, shown: Facets) -> int:
    """The rule once more, in words rather than arrays."""
    wishes = [(w, h) for w, h in zip(asked.attributes[0], shown.attributes[0]) if w >= 0]
    missed = sum(not _meets(w, h) for w, h in wishes)
    same_interest = asked.interest[0] == shown.interest[0]
    if asked.thing[0] < 0:
        if same_interest:
            return 3 if missed else 5
        return 2 if wishes and not missed else 1
    wanted, found = THINGS[asked.thing[0]], THINGS[shown.thing[0]]
    if wanted is found:
        return {0: 5, 1: 4}.get(missed, 3)
    siblings = same_interest and wanted.family == found.family
    if siblings or found.code in wanted.complements or wanted.code in found.complements:
        return 3
    return 2 if same_interest else 1


@st.composite
def some_facets(draw: st.DrawFn, query: bool) -> Facets:
    thing = draw(st.integers(0, len(THINGS) - 1))
    values = [draw(st.sampled_from([-1, *choices])) for choices in allowed(THINGS[thing])]
    whole = query and draw(st.booleans())
    return Facets(np.array([INTEREST_OF[thing]]), np.array([-1 if whole else thing]), np.array([values]))


@given(some_facets(query=True), some_facets(query=False))
def test_the_rule_is_what_it_says(asked: Facets, shown: Facets) -> None:
    assert levels(asked, shown)[0] == _restated(asked, shown)


@given(some_facets(query=False))
def test_a_pin_is_highly_relevant_to_its_own_description(shown: Facets) -> None:
    assert levels(shown, shown)[0] == 5


def test_relations_are_mutual() -> None:
    assert (RELATED == RELATED.T).all()
    assert not RELATED.diagonal().any()
    assert RELATED.any(axis=1).all()
