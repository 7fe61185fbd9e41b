"""Relevance of Pins and of documents to a query, and their order: all of the service but HTTP."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from limbeck.errors import InputError
from limbeck.index.store import Store
from limbeck.relevance import expected_level
from limbeck.serve.cache import CachedVectors, Embedder
from limbeck.serve.retrieve import EmbeddedRetriever, Retriever

# With a filter, so many times the candidates are retrieved: those that do not pass are never graded.
FILTERED_MORE = 4
Fields = Mapping[str, object]


class Grade(msgspec.Struct, frozen=True):
    """How relevant something is: the most probable level, the expected one (1.0–5.0) and all five probabilities."""

    level: int
    expected_level: float
    probabilities: tuple[float, ...]


class Ranked(Grade, frozen=True):
    """A Pin in an answer."""

    pin_id: str
    title: str | None
    description: str | None
    image: str | None
    link: str | None
    language: str | None


class RankedDocument(Grade, frozen=True):
    """A document in an answer; `index` is its place among those asked about, from 0."""

    index: int


class UnknownPins(InputError):  # noqa: N818 -- named after what it names
    """Pins were asked about that the index does not have."""

    def __init__(self, pin_ids: Sequence[str]) -> None:
        named = ", ".join(map(repr, pin_ids[:10])) + (f" and {len(pin_ids) - 10} more" if len(pin_ids) > 10 else "")
        super().__init__(f"unknown Pins: {named}", remedy="Send ids of the pins table, or the documents' texts")


class Ranker:
    """Grades with one student over one index. Threads may share it."""

    def __init__(self, store: Store, retriever: Retriever | None = None, queries: Embedder | None = None) -> None:
        self._store = store
        self._queries = queries or CachedVectors(store.student)
        self._retriever = retriever or EmbeddedRetriever(store.lexical, store.nearest, self._queries)

    def __len__(self) -> int:
        return len(self._store)

    @property
    def model(self) -> str:
        """The name of the student that grades."""
        return self._store.model

    def search(
        self, query: str, k: int, candidates: int, language: str | None = None, country: str | None = None
    ) -> list[Ranked]:
        """The `k` most relevant of up to `candidates` Pins found for the query, highest expected level first.

        `language` and `country` leave out Pins that state another one.
        """
        wanted = {name: value for name, value in (("language", language), ("country", country)) if value}
        found = self._retriever.retrieve(query, candidates * (FILTERED_MORE if wanted else 1))
        rows = self._store.rows(found)
        rows = rows[rows >= 0]
        if wanted:
            fitting = [_fits(pin, wanted) for pin in self._store.shown(rows)]
            rows = rows[np.asarray(fitting, dtype=bool)]
        return self._ranked(query, rows[:candidates])[:k]

    def rerank(self, query: str, pin_ids: Sequence[str]) -> list[Ranked]:
        """These Pins, highest expected level first, equal ones by pin_id; `UnknownPins` where the index lacks some."""
        return self._ranked(query, self._known(pin_ids))

    def rerank_documents(self, query: str, documents: Sequence[Fields]) -> list[RankedDocument]:
        """Documents, highest expected level first, equal ones in the order they came in.

        A document is a mapping of columns of `pin_texts`; one with a `pin_id` is that Pin of the index.
        """
        distribution = self._grade_documents(query, documents)
        grades = [RankedDocument(index=i, **grade) for i, grade in enumerate(_grades(distribution))]
        return sorted(grades, key=lambda g: (-g.expected_level, g.index))

    def grade(self, query: str, pin_ids: Sequence[str]) -> np.ndarray:
        """Five probabilities for each of the Pins, float32 (n, 5), in their order."""
        return self._grade_rows(query, self._known(pin_ids))

    def _known(self, pin_ids: Sequence[str]) -> np.ndarray:
        """Rows of Pins, all of them known."""
        rows = self._store.rows(pin_ids)
        if (rows < 0).any():
            raise UnknownPins(list(dict.fromkeys(pin for pin, row in zip(pin_ids, rows) if row < 0)))
        return rows

    def _grade_rows(self, query: str, rows: np.ndarray) -> np.ndarray:
        store = self._store
        features = store.match.features(query, store.match_rows[rows])
        return store.student.probabilities(self._queries.vectors([query]), store.vectors.matrix[rows], features)

    def _grade_documents(self, query: str, documents: Sequence[Fields]) -> np.ndarray:
        """Five probabilities per document, in their order: Pins by what the index holds, texts by what they say."""
        by_id = np.asarray(["pin_id" in d for d in documents], dtype=bool)
        distribution = np.zeros((len(documents), 5), np.float32)
        if by_id.any():
            distribution[by_id] = self.grade(query, [str(d["pin_id"]) for d in documents if "pin_id" in d])
        if not by_id.all():
            distribution[~by_id] = self._grade_texts(query, [d for d in documents if "pin_id" not in d])
        return distribution

    def _grade_texts(self, query: str, documents: Sequence[Fields]) -> np.ndarray:
        store = self._store
        features = store.match.features_of(query, documents)
        vectors = store.student.vectors([store.compose(d) for d in documents])
        return store.student.probabilities(self._queries.vectors([query]), vectors, features)

    def _ranked(self, query: str, rows: np.ndarray) -> list[Ranked]:
        if not len(rows):
            return []
        grades = _grades(self._grade_rows(query, rows))
        pins = [{k: v for k, v in pin.items() if k != "country"} for pin in self._store.shown(rows)]
        ranked = [Ranked(**grade, **pin) for grade, pin in zip(grades, pins)]
        return sorted(ranked, key=lambda r: (-r.expected_level, r.pin_id))


def _grades(distribution: np.ndarray) -> list[dict[str, Any]]:
    """The fields of a `Grade` for each row, rounded so that the last bits decide no order."""
    expected = expected_level(distribution).astype(np.float64).round(6).tolist()
    levels = (distribution.argmax(axis=1) + 1).tolist()
    rows = distribution.astype(np.float64).round(6).tolist()
    return [
        {"level": level, "expected_level": mean, "probabilities": tuple(row)}
        for level, mean, row in zip(levels, expected, rows)
    ]


def _fits(pin: Mapping[str, Any], wanted: Mapping[str, str]) -> bool:
    return all(pin[name] is None or pin[name].lower() == value.lower() for name, value in wanted.items())
