"""Why a Pin has its level: the words found in it, and what the level would be if it said or were known for less.

These are counterfactuals, not shares: the Pin is composed, read, matched and graded again without one of its sources,
or with one of the signals missing, as a Pin without a log would be. Effects therefore need not add up, and a source
that repeats another has none.
"""

from typing import Any

import msgspec
import numpy as np

from limbeck.index.store import Store
from limbeck.relevance import expected_level
from limbeck.signals.marks import Span, marks


class Said(msgspec.Struct, frozen=True):
    """What a Pin says in one source: its texts, where the query's words stand in each, and what that does to its level.

    `effect` is by how much the expected level would fall without this source. Marks count characters, from the first to
    behind the last.
    """

    source: str
    texts: tuple[str, ...]
    marks: tuple[tuple[Span, ...], ...]
    effect: float


class Told(msgspec.Struct, frozen=True):
    """A signal that is known of the pair, and by how much the expected level would fall if it were not."""

    signal: str
    effect: float


class Why(msgspec.Struct, frozen=True):
    """Sources in the order in which they are read, signals by the size of their effect."""

    sources: tuple[Said, ...]
    signals: tuple[Told, ...]


def plain(source: str, value: str | list[str]) -> Said:
    """What a Pin says in a source, where no query is asked."""
    texts = (value,) if isinstance(value, str) else tuple(value)
    return Said(source, texts, ((),) * len(texts), 0.0)


def why(store: Store, query: str, vector: np.ndarray, row: int) -> Why:
    """Why the Pin in a row of the vectors has its level; `vector` (1, d) is the query's."""
    [pin] = store.says(np.asarray([row]))
    said = {source: value for source in store.text.sources if (value := pin[source])}
    features = store.features(query, np.asarray([row]))[0]
    sources = _sources(store, query, vector, said, features)
    return Why(
        tuple(Said(source, *_marked(query, value), effect) for (source, value), effect in zip(said.items(), sources)),
        _told(store, vector, row, features),
    )


def _sources(store: Store, query: str, vector: np.ndarray, said: dict[str, Any], features: np.ndarray) -> list[float]:
    """The effect of each source: of all that is said, less what all but one say."""
    documents = [said, *({s: v for s, v in said.items() if s != left_out} for left_out in said)]
    matched = store.signals.match.features_of(query, documents)
    told = np.broadcast_to(features[matched.shape[1] :], (len(documents), len(features) - matched.shape[1]))
    vectors = store.student.vectors([store.compose(document) for document in documents])
    return _falls(store, vector, vectors, np.concatenate([matched, told], axis=1))


def _told(store: Store, vector: np.ndarray, row: int, features: np.ndarray) -> tuple[Told, ...]:
    """The effect of each group of columns of the signals that is known."""
    names, rows, known = list(store.signals.names), [features], []
    for group in store.signals.groups:
        columns = [names.index(name) for name in group.names]
        if not np.isnan(features[columns]).any():
            known.append(group.name)
            rows.append(features.copy())
            rows[-1][columns] = np.nan
    effects = _falls(
        store,
        vector,
        np.broadcast_to(store.vectors_of(np.asarray([row])), (len(rows), len(vector[0]))),
        np.stack(rows),
    )
    told = (Told(name, effect) for name, effect in zip(known, effects))
    return tuple(sorted(told, key=lambda t: (-abs(t.effect), t.signal)))


def _falls(store: Store, vector: np.ndarray, pins: np.ndarray, features: np.ndarray) -> list[float]:
    """By how much the expected level of the first row is above that of each other."""
    levels = expected_level(store.student.probabilities(vector, pins, features)).astype(np.float64)
    return [round(float(fall), 4) for fall in levels[0] - levels[1:]]


def _marked(query: str, value: str | list[str]) -> tuple[tuple[str, ...], tuple[tuple[Span, ...], ...]]:
    texts = (value,) if isinstance(value, str) else tuple(value)
    return texts, tuple(tuple(marks(query, text)) for text in texts)
