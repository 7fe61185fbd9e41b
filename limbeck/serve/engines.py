"""Retrieval by an engine outside, for catalogues beyond one machine: Milvus or OpenSearch in place of the own indexes.

The service fills it: a collection's name carries the digests of the vectors and texts in it, so that a newer version
fills another one and no answer mixes two. In it are the terms of the embedded index, made by the same functions.
"""

import dataclasses
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from limbeck.errors import InputError
from limbeck.index import lexical
from limbeck.index.sides import Hits
from limbeck.index.store import Store
from limbeck.progress import say
from limbeck.settings import Serve
from limbeck.workspace import Workspace, digest_of

AT_ONCE = 500  # Pins that are sent together
NAME = "limbeck_{digest}"


class EngineDown(Exception):  # noqa: N818 -- a state rather than an error of ours
    """The engine outside did not answer, or not as it should; what it said."""


@dataclass(frozen=True)
class Entry:
    """A Pin as an engine keeps it: the terms of each field, and its vector."""

    pin_id: str
    terms: Mapping[str, Sequence[str]]
    vector: np.ndarray


class Engine(Protocol):
    """Collections of Pins that can be searched by terms and by vectors. Raises `EngineDown` alone."""

    def count(self, collection: str) -> int | None:
        """How many Pins it holds; None where there is no such collection."""
        ...

    def create(self, collection: str, size: int) -> None:
        """Make an empty one, for vectors of this size."""
        ...

    def add(self, collection: str, entries: Sequence[Entry]) -> None:
        """Put Pins into it; those that are there already are replaced."""
        ...

    def publish(self, collection: str) -> None:
        """What was added can be found from now on."""
        ...

    def words(self, collection: str, terms: Sequence[str], k: int) -> Hits:
        """The `k` Pins that match best by BM25."""
        ...

    def near(self, collection: str, vector: np.ndarray, k: int) -> Hits:
        """The `k` Pins of the highest inner product."""
        ...


@dataclass(frozen=True)
class OutsideWords:
    """Words that match, in one collection of an engine."""

    engine: Engine
    collection: str

    def search(self, query: str, k: int) -> Hits:
        """As `Lexical.search`."""
        terms = lexical.terms(query)
        return _ordered(self.engine.words(self.collection, terms, k)) if terms and k > 0 else []


@dataclass(frozen=True)
class OutsideNear:
    """Nearest vectors, in one collection of an engine."""

    engine: Engine
    collection: str

    def search(self, vector: np.ndarray, k: int) -> Hits:
        """As `Nearest.search`."""
        return _ordered(self.engine.near(self.collection, vector, k)) if k > 0 else []


def connect(settings: Serve) -> Engine | None:
    """The engine that the recipe names; None for the embedded indexes."""
    if settings.retriever == "embedded":
        return None
    if not settings.retriever_url:
        remedy = "Such as http://localhost:19530 for Milvus, http://localhost:9200 for OpenSearch"
        raise InputError(f"serve.retriever is {settings.retriever}, without serve.retriever_url", remedy=remedy)
    url = _with_variables(settings.retriever_url)
    if settings.retriever == "milvus":
        from limbeck.serve.milvus import Milvus  # here, because it is an optional package

        return Milvus(url)
    from limbeck.serve.opensearch import OpenSearch

    return OpenSearch(url)


def outside(store: Store, ws: Workspace, engine: Engine) -> Store:
    """The store with its Pins found by the engine, which is filled with them first where it lacks any."""
    digest = digest_of(ws.digest("pin_vectors"), ws.digest("index/lexical"))
    collection = NAME.format(digest=digest[:16])
    fill(engine, collection, store)
    return dataclasses.replace(store, lexical=OutsideWords(engine, collection), nearest=OutsideNear(engine, collection))


def fill(engine: Engine, collection: str, store: Store) -> None:
    """Bring all Pins of the store into a collection, unless they are there; several replicas may do so at once."""
    rows = np.flatnonzero(store.rows(store.vectors.pin_ids) >= 0)
    held = engine.count(collection)
    if held == len(rows):
        return
    say("fill", f"Bringing {len(rows):,} Pins into {collection}", collection=collection, pins=len(rows), held=held)
    if held is None:
        engine.create(collection, store.vectors.matrix.shape[1])
    for begin in range(0, len(rows), AT_ONCE):
        engine.add(collection, list(_entries(store, rows[begin : begin + AT_ONCE])))
    engine.publish(collection)
    held = engine.count(collection)
    if held != len(rows):
        raise EngineDown(f"{collection} holds {held} Pins after {len(rows)} were put into it")


def _entries(store: Store, rows: np.ndarray) -> Iterator[Entry]:
    for row, said in zip(rows.tolist(), store.texts.of(store.match_rows[rows])):
        texts = {field: " ".join(v) if isinstance(v := said[field], list) else v or "" for field in lexical.BOOSTS}
        terms = {field: lexical.terms(text) for field, text in texts.items()}
        yield Entry(store.vectors.pin_ids[row], terms, store.vectors.matrix[row])


def _ordered(hits: Hits) -> Hits:
    """Highest score first, equal scores by pin_id: engines leave equal ones in any order."""
    return sorted(hits, key=lambda hit: (-hit[1], hit[0]))


def _with_variables(url: str) -> str:
    """The URL with each ${NAME} replaced by the environment variable of that name."""

    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        if not os.environ.get(name):
            raise InputError(f"serve.retriever_url names {name}, which is not set", remedy=f"Set {name}")
        return os.environ[name]

    return re.sub(r"\$\{(\w+)\}", value, url)
