"""Signals beside match features: the same numbers for one query and for many; other Pins are unknown to them."""

import numpy as np
import pytest
from match_worlds import pin_texts

from limbeck.signals.joined import Joined
from limbeck.signals.signal import Group, Signal

PINS = ({"title": "red sofa"}, {"title": "blue lamp"}, {"title": "red lamp"})
QUERIES = ("red lamp", "sofa", "red lamp")


class Told(Signal):
    """A signal that tells the row, the length of the query, and their product; of even rows nothing.

    Of other Pins it tells the first number of what they say, or half the row of those that it knows.
    """

    groups = (
        Group("told.pin", "pin", ("row",)),
        Group("told.query", "query", ("length",)),
        Group("told", "pair", ("x",)),
    )

    def columns(self, queries, asked, rows):
        length = np.asarray([len(q) for q in queries])[asked]
        row = self.told(rows)
        return np.stack([row, length, row * length], axis=1).astype(np.float32)

    def told(self, rows):
        return np.where(rows % 2, rows, np.nan)

    def over(self, base, known):
        other, numbers = Told(), np.append(np.where(known < 0, base[:, 0], known / 2), np.nan)
        other.told = lambda rows: numbers[rows]
        return other


@pytest.fixture
def joined(index):
    return Joined(index(*PINS), [Told()])


def test_signals_stand_behind_the_match_features(joined):
    rows = joined.rows(["1", "nobody", "0"])
    found = joined.pairs(QUERIES, rows)
    assert joined.names == (*joined.match.names, "told.pin.row", "told.query.length", "told.x")
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found[:, :-3], joined.match.pairs(QUERIES, rows))
    np.testing.assert_array_equal(found[:, -3:], [[1, 8, 8], [-1, 4, -4], [np.nan, 8, np.nan]])


def test_one_query_is_answered_as_many_are(joined):
    rows = np.array([2, 0, 1, -1])
    np.testing.assert_array_equal(joined.features("red lamp", rows), joined.pairs(["red lamp"] * 4, rows))


def test_documents_and_other_pins_are_known_by_what_they_say(joined):
    base = np.float32([[0.5], [0.25], [np.nan]])
    told = [[0.5, 4, 2], [0.25, 4, 1], [np.nan, 4, np.nan]]
    np.testing.assert_array_equal(joined.features_of("sofa", PINS, base)[:, -3:], told)
    others = joined.over(pin_texts(PINS), base)
    found = others.pairs(["sofa"] * 3, others.rows(["1", "nobody", "0"]))
    np.testing.assert_array_equal(found[:, -3:], [told[1], [np.nan, 4, np.nan], told[0]])
    assert others.names == joined.names


def test_without_signals_there_are_match_features_alone(index):
    alone = Joined(index(*PINS), [])
    assert (alone.names, alone.groups) == (alone.match.names, ())
    np.testing.assert_array_equal(alone.pairs(QUERIES, np.arange(3)), alone.match.pairs(QUERIES, np.arange(3)))
