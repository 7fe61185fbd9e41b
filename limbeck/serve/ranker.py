"""Relevance of Pins and of documents to a query, and their order: all of the service but HTTP."""

import contextlib
import copy
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypedDict, Unpack

import msgspec
import numpy as np
from msgspec.structs import asdict, astuple

from limbeck.errors import IncompleteError, InputError, WorkspaceError
from limbeck.index.boards import Boards
from limbeck.index.store import Store
from limbeck.serve import ranked
from limbeck.serve.blend import Blender
from limbeck.serve.budget import FAILED, FEWER, LATE, Budget, Cost
from limbeck.serve.cache import Caches
from limbeck.serve.others import CANDIDATES, Others
from limbeck.serve.ranked import Found, Graded, Pin, Ranked, RankedDocument, Similar
from limbeck.serve.retrieve import FusedRetriever, Retriever, fuse
from limbeck.serve.understand import Understander, Understood
from limbeck.serve.why import Why, why
from limbeck.settings import Blend

# With a filter, so many times the candidates are retrieved: those that do not pass are never graded.
FILTERED_MORE = 4
OWN = ("text match", "nearest vectors", "student")  # the rankers that every service has
log = logging.getLogger("limbeck.serve")
Fields = Mapping[str, object]
Stage = Callable[[str], contextlib.AbstractContextManager[None]]


def untimed(stage: str) -> contextlib.AbstractContextManager[None]:
    """For a ranker whose stages nobody times."""
    return contextlib.nullcontext()


class Asked(TypedDict, total=False):
    """What a search may ask besides, as `Ranker.find` has it."""

    language: str | None
    country: str | None
    budget: Budget | None


class UnknownPins(InputError):  # noqa: N818 -- named after what it names
    """Pins were asked about that the index does not have."""

    def __init__(self, pin_ids: Sequence[str]) -> None:
        named = ", ".join(map(repr, pin_ids[:10])) + (f" and {len(pin_ids) - 10} more" if len(pin_ids) > 10 else "")
        super().__init__(f"unknown Pins: {named}", remedy="Send ids of the pins table, or the documents' texts")


class Ranker:
    """Grades with one student over one index. Threads may share it; `stage` times the parts of its work."""

    def __init__(
        self,
        store: Store,
        retriever: Retriever | None = None,
        stage: Stage = untimed,
        caches: Caches | None = None,
        others: Others | None = None,
        blend: Blend | None = None,
    ) -> None:
        """Without `blend`, a search is in the order of relevance alone."""
        self._store, self._stage, self._cost, self._others = store, stage, Cost(), others
        self.caches = caches or Caches()
        self._note: Callable[[Graded], None] | None = None
        self._queries = self.caches.queries(store.student, store.reading)
        self._retriever = retriever or FusedRetriever(store.lexical, store.nearest, self._queries)
        self._understander = Understander(store.understanding, store.signals.interest)
        self._blender = Blender(blend, store) if blend else None

    def __len__(self) -> int:
        return len(self._store)

    @property
    def model(self) -> str:
        """The name of the student that grades."""
        return self._store.model

    @property
    def store(self) -> Store:
        """What it ranks."""
        return self._store

    def over(self, store: Store) -> "Ranker":
        """The same ranker over another state of its index: student and caches stay."""
        other = copy.copy(self)
        other._store = store
        other._retriever = FusedRetriever(store.lexical, store.nearest, self._queries)
        other._blender = self._blender.over(store) if self._blender else None
        return other

    def watched(self, note: Callable[[Graded], None]) -> "Ranker":
        """The same ranker, which tells what it graded, and by what."""
        other = copy.copy(self)
        other._note = note
        return other

    def search(self, query: str, k: int, candidates: int, **asked: Unpack[Asked]) -> list[Ranked]:
        """What `find` finds, as it is answered."""
        return self.answered(self.find(query, k, candidates, **asked))

    def find(
        self,
        query: str,
        k: int,
        candidates: int,
        language: str | None = None,
        country: str | None = None,
        budget: Budget | None = None,
    ) -> Found:
        """The `k` best of up to `candidates` Pins found for the query: those of the highest expected levels, blended.

        `language` and `country` leave out Pins that state another one. When little is left of `budget`, fewer
        candidates are graded, the first that were found and never fewer than `k`. When nothing is left, or the student
        fails, Pins come ungraded, those whose words match best first. `budget.degraded` says so; without a budget,
        where nobody would read that, the student's failure is raised.
        """
        wanted = {name: value for name, value in (("language", language), ("country", country)) if value}
        if budget and not budget.left:
            budget.degraded = LATE
            return self._by_text(query, k, candidates, wanted)
        try:
            return self._by_grade(query, k, candidates, wanted, budget or Budget())
        except (InputError, WorkspaceError, IncompleteError):  # what the request or others are to blame for
            raise
        except Exception:
            if budget is None:
                raise
            log.exception("the student failed")
            budget.degraded = FAILED
            return self._by_text(query, k, candidates, wanted)

    def understand(self, query: str, fully: bool = True) -> Understood:
        """What the query is taken to say; unless `fully`, no more than words tell without the student."""
        return self._understander.understand(query) if fully else self._understander.words(query)

    @property
    def rankers(self) -> tuple[str, ...]:
        """Those that can be set side by side."""
        return (*OWN, *((*self._others.names, *self._others.beside) if self._others else ()))

    def first(self, ranker: str, query: str, k: int, candidates: int) -> list[Ranked]:
        """The first `k` Pins by one of `rankers`. Models give their own grades; with others, the student gives them."""
        if ranker == "student":
            return self.search(query, k, candidates)
        if self._others and ranker in self._others.beside:
            return self._others.beside[ranker].search(query, k, candidates)
        if self._others and ranker in self._others.names:
            pins = self.search(query, CANDIDATES, candidates)
            rows = self._store.rows([pin.pin_id for pin in pins])
            return self.answered(self._best(rows, self._others.grade(ranker, query, self._store, rows), k))
        if ranker == "text match":
            rows = self._store.lexical.search(query, k).rows
        else:
            rows = self._store.nearest.search(self._queries.vectors([query])[0], k).rows
        return self.answered(Found(rows, self._grade_rows(query, rows) if len(rows) else None))

    def rerank(self, query: str, pin_ids: Sequence[str]) -> list[Ranked]:
        """These Pins, highest expected level first, equal ones by pin_id; `UnknownPins` where the index lacks some."""
        return self.answered(self._ranked(query, self._known(pin_ids)))

    def rerank_documents(self, query: str, documents: Sequence[Fields]) -> list[RankedDocument]:
        """The documents (`grade_documents`), highest expected level first, equal ones in the order they came in."""
        return ranked.documents_in_order(self.grade_documents(query, documents))

    def grade(self, query: str, pin_ids: Sequence[str]) -> np.ndarray:
        """Five probabilities for each of the Pins, float32 (n, 5), in their order."""
        return self._grade_rows(query, self._known(pin_ids))

    def grade_documents(self, query: str, documents: Sequence[Fields]) -> np.ndarray:
        """Five probabilities per document, float32 (n, 5), in their order.

        A document is a mapping of columns of `pin_texts`, graded by what it says; one with a `pin_id` is that Pin of
        the index.
        """
        by_id = np.fromiter(("pin_id" in d for d in documents), bool, len(documents))
        if documents and by_id.all():
            return self.grade(query, [str(d["pin_id"]) for d in documents])
        distribution = np.zeros((len(documents), 5), np.float32)
        if by_id.any():
            distribution[by_id] = self.grade(query, [str(d["pin_id"]) for d in documents if "pin_id" in d])
        distribution[~by_id] = self._grade_texts(query, [d for d in documents if "pin_id" not in d])
        return distribution

    def answered(self, found: Found) -> list[Ranked]:
        """The Pins of a search, with all that is shown of them."""
        shown = self._store.shown(found.rows)
        if found.probabilities is None:
            return [Ranked(*astuple(pin)) for pin in shown]
        return [Ranked(*astuple(pin), *grades) for pin, *grades in zip(shown, *ranked.told(found.probabilities))]

    def explained(self, query: str, pins: Sequence[Ranked], most: int) -> list[Ranked]:
        """The same answer, the first `most` Pins with the reasons for their levels (`why.py`)."""
        reasons = [self.why(query, pin.pin_id) for pin in pins[:most]]
        return [*(msgspec.structs.replace(p, why=w) for p, w in zip(pins, reasons)), *pins[most:]]

    def says(self, pin_id: str) -> dict[str, Any]:
        """What a Pin says, by source, as far as the student reads it; `UnknownPins` where the index lacks it."""
        [said] = self._store.says(self._known([pin_id]))
        return {source: said[source] for source in self._store.text.sources if said[source]}

    def why(self, query: str, pin_id: str) -> Why:
        """Why a Pin has its level for a query; `UnknownPins` where the index lacks it."""
        return why(self._store, query, self._queries.vectors([query]), int(self._known([pin_id])[0]))

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors of texts as the student reads them, float32 (n, d)."""
        return self._store.student.vectors(texts)

    def similar(self, pin_id: str, k: int) -> list[Similar]:
        """The `k` Pins whose vectors are nearest to a Pin's, nearest first; `UnknownPins` where there is none."""
        rows = self._known([pin_id])
        found = self._store.nearest.search(self._store.vectors_of(rows)[0], k + 1)
        near = found.those(found.rows != rows[0])
        pins = zip(self._store.shown(near.rows), near.scores.round(ranked.DECIMALS).tolist())
        return [Similar(**asdict(pin), similarity=score) for pin, score in pins][:k]

    def pin(self, pin_id: str) -> Pin:
        """What is shown of a Pin; `UnknownPins` where the index lacks it."""
        [shown] = self._store.shown(self._known([pin_id]))
        return Pin(**asdict(shown))

    def some(self, k: int) -> list[Pin]:
        """About `k` Pins, spread evenly over the index."""
        count = len(self._store.match_rows)
        rows = np.unique(np.linspace(0, count, k, endpoint=False, dtype=np.int64))
        return self.pins(self._store.ids(rows[rows < count]))

    def pins(self, pin_ids: Sequence[str]) -> list[Pin]:
        """What is shown of those of these Pins that the index has, in their order."""
        rows = self._store.rows(pin_ids)
        return [Pin(**asdict(pin)) for pin in self._store.shown(rows[rows >= 0])]

    @property
    def boards(self) -> Boards | None:
        """Which boards Pins are on; None where the workspace has no boards."""
        return self._store.boards

    def _by_grade(self, query: str, k: int, candidates: int, wanted: Mapping[str, str], budget: Budget) -> Found:
        """As many of the candidates as can be graded in time, the best `k` of them."""
        found = self._candidates(query, candidates * (FILTERED_MORE if wanted else 1))
        rows = self._affordable(self._fitting(found, wanted)[:candidates], k, budget)
        return self._blended(query, rows, k, self._blender) if self._blender else self._ranked(query, rows, k)

    def _by_text(self, query: str, k: int, candidates: int, wanted: Mapping[str, str]) -> Found:
        """The `k` Pins whose words match best, as the query was typed and as it was meant; no model is asked."""
        spelled = self.understand(query, fully=False).spelled
        asked = [query, spelled] if spelled else [query]
        with self._stage("retrieve"):
            most = candidates * (FILTERED_MORE if wanted else 1)
            found = fuse([self._store.lexical.search(words, most).rows for words in asked])
        return Found(self._fitting(found, wanted)[:k], None)

    def _fitting(self, rows: np.ndarray, wanted: Mapping[str, str]) -> np.ndarray:
        """The rows without those of Pins that state another language or country."""
        return rows[self._store.fitting(rows, wanted)] if wanted else rows

    def _candidates(self, query: str, k: int) -> np.ndarray:
        """Rows of up to `k` Pins, found by the query as it was typed and, where that differs, as it was meant."""
        with self._stage("understand"):
            spelled = self.understand(query).spelled
        with self._stage("retrieve"):
            found = self._retriever.retrieve(query, k)
            return fuse([found, self._retriever.retrieve(spelled, k)])[:k] if spelled else found

    def _affordable(self, rows: np.ndarray, k: int, budget: Budget) -> np.ndarray:
        """As many of the first rows as can be graded in time, and at least `k`."""
        count = max(k, self._cost.within(budget.left, len(rows)))
        if count < len(rows):
            budget.degraded = FEWER
        return rows[:count]

    def _known(self, pin_ids: Sequence[str]) -> np.ndarray:
        """Rows of Pins, all of them known."""
        rows = self._store.rows(pin_ids)
        if (rows < 0).any():
            raise UnknownPins(list(dict.fromkeys(pin for pin, row in zip(pin_ids, rows) if row < 0)))
        return rows

    def _grade_rows(self, query: str, rows: np.ndarray) -> np.ndarray:
        store, begun = self._store, time.perf_counter()
        with self._stage("embed"):
            vector = self._queries.vectors([query])
        if self._note is None:
            found = store.grade(query, vector[0], rows, self._stage)
        else:  # whoever listens is told all that the grade was made of
            with self._stage("features"):
                features = store.features(query, rows)
            with self._stage("grade"):
                found = store.student.probabilities(vector, store.vectors_of(rows), features)
            self._note(Graded(rows, vector, features, found))
        self._cost.measured(len(rows), time.perf_counter() - begun)
        return found

    def _grade_texts(self, query: str, documents: Sequence[Fields]) -> np.ndarray:
        store = self._store
        texts = [store.compose(d) for d in documents]
        features, vectors = store.signals.features_of(query, documents, store.read(texts)), store.student.vectors(texts)
        return store.student.probabilities(self._queries.vectors([query]), vectors, features)

    def _blended(self, query: str, rows: np.ndarray, k: int, blender: Blender) -> Found:
        """The first `k` of these Pins in the order in which they are shown."""
        if not len(rows):
            return Found(rows, None)
        distribution = self._grade_rows(query, rows)
        with self._stage("blend"):
            first = blender.first(query, rows, ranked.rounded(distribution), k)
        return Found(rows[first], distribution[first])

    def _ranked(self, query: str, rows: np.ndarray, k: int | None = None) -> Found:
        """The first `k` of these Pins, or all of them, in order."""
        return self._best(rows, self._grade_rows(query, rows), k) if len(rows) else Found(rows, None)

    def _best(self, rows: np.ndarray, distribution: np.ndarray, k: int | None) -> Found:
        """The first `k` of these Pins, highest expected level first, equal ones by pin_id."""
        some = ranked.first(distribution, len(rows) if k is None else k)
        expected, names = ranked.rounded(distribution[some]).tolist(), self._store.ids(rows[some])
        order = some[sorted(range(len(some)), key=lambda i: (-expected[i], names[i]))[:k]]
        return Found(rows[order], distribution[order])
