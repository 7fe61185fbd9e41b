"""Why a Pin has its level: every effect is the level before less the level after, with nothing else changed."""

import numpy as np
import pytest

from limbeck.relevance import expected_level
from limbeck.serve.ranker import UnknownPins

QUERY, PIN = "red sofa", "pin30"


@pytest.fixture(scope="module")
def why(ranker):
    return ranker.why(QUERY, PIN)


def level(store, ranker, said, features):
    vectors = store.student.vectors([store.compose(said)])
    asked = store.student.vectors([QUERY])
    return float(expected_level(store.student.probabilities(asked, vectors, features))[0])


def test_sources_are_what_the_pin_says_and_the_words_are_marked(why, ranker):
    said = ranker.says(PIN)
    assert [s.source for s in why.sources] == list(said)
    for source in why.sources:
        value = said[source.source]
        assert list(source.texts) == ([value] if isinstance(value, str) else value)
    [title] = [s for s in why.sources if s.source == "title"]
    [marks] = title.marks
    assert {title.texts[0][begin:end] for begin, end in marks} & {"red", "sofa"}


def test_the_effect_of_a_source_is_what_the_level_loses_without_it(why, store, ranker):
    said, row = ranker.says(PIN), store.match_rows[store.rows([PIN])]
    whole = store.signals.features(QUERY, row)
    matched = len(store.signals.match.names)
    before = level(store, ranker, said, whole)
    for source in why.sources:
        rest = {name: value for name, value in said.items() if name != source.source}
        features = whole.copy()
        features[:, :matched] = store.signals.match.features_of(QUERY, [rest])
        assert source.effect == pytest.approx(before - level(store, ranker, rest, features), abs=2e-3)


def test_the_effect_of_a_signal_is_what_the_level_loses_where_it_is_missing(why, store, ranker):
    row, names = store.match_rows[store.rows([PIN])], list(store.signals.names)
    vector, asked = store.vectors.matrix[store.rows([PIN])], store.student.vectors([QUERY])
    features = store.signals.features(QUERY, row)
    before = float(expected_level(store.student.probabilities(asked, vector, features))[0])
    groups = {group.name: [names.index(name) for name in group.names] for group in store.signals.groups}
    known = {name for name, columns in groups.items() if not np.isnan(features[0, columns]).any()}
    assert {told.signal for told in why.signals} == known
    assert "engagement.pin" in known
    for told in why.signals:
        without = features.copy()
        without[0, groups[told.signal]] = np.nan
        after = float(expected_level(store.student.probabilities(asked, vector, without))[0])
        assert told.effect == pytest.approx(before - after, abs=1e-3)


def test_a_pin_that_says_nothing_has_no_sources(ranker):
    assert ranker.why(QUERY, "pin01").sources == ()


def test_a_pin_that_is_not_there(ranker):
    with pytest.raises(UnknownPins):
        ranker.why(QUERY, "nobody")


def test_the_first_of_an_answer_are_explained_and_nothing_else_changes(ranker):
    found = ranker.search(QUERY, 10, 50)
    explained = ranker.explained(QUERY, found, 2)
    assert [bool(pin.why) for pin in explained] == [True] * 2 + [False] * 8
    assert [pin.pin_id for pin in explained] == [pin.pin_id for pin in found]
    assert explained[0].why == ranker.why(QUERY, found[0].pin_id)
