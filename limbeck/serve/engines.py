"""Retrieval by an engine outside, for catalogues beyond one machine: Milvus or OpenSearch in place of the own indexes.

The service fills it: a collection's name carries the digests of the vectors and texts in it, so that a newer version
fills another one and no answer mixes two. In it are the terms of the embedded index, made by the same functions.
"""

import dataclasses
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from limbeck.errors import InputError
from limbeck.index import lexical
from limbeck.index.sides import NONE, Hits
from limbeck.index.store import Store
from limbeck.progress import say
from limbeck.serve.engine import Engine, EngineDown, Entry, Scored
from limbeck.settings import Serve
from limbeck.workspace import Workspace, digest_of

AT_ONCE = 500  # Pins that are sent together
NAME = "limbeck_{digest}"
Rows = Callable[[Sequence[str]], np.ndarray]  # of Pins by their ids; −1 for those that there are not


@dataclass(frozen=True)
class OutsideWords:
    """Words that match, in one collection of an engine."""

    engine: Engine
    collection: str
    rows: Rows

    def search(self, query: str, k: int) -> Hits:
        """As `Words.search`."""
        terms = lexical.terms(query)
        return _hits(self.engine.words(self.collection, terms, k), self.rows) if terms and k > 0 else NONE


@dataclass(frozen=True)
class OutsideNear:
    """Nearest vectors, in one collection of an engine."""

    engine: Engine
    collection: str
    rows: Rows

    def search(self, vector: np.ndarray, k: int) -> Hits:
        """As `Near.search`."""
        return _hits(self.engine.near(self.collection, vector, k), self.rows) if k > 0 else NONE


def connect(settings: Serve) -> Engine | None:
    """The engine that the recipe names; None for the embedded indexes."""
    if settings.retriever == "embedded":
        return None
    if not settings.retriever_url:
        remedy = "Such as http://localhost:19530 for Milvus, http://localhost:9200 for OpenSearch"
        raise InputError(f"serve.retriever is {settings.retriever}, without serve.retriever_url", remedy=remedy)
    url = _with_variables(settings.retriever_url)
    if settings.retriever == "opensearch":
        from limbeck.serve.opensearch import OpenSearch  # here, because its client takes long to import

        return OpenSearch(url)
    try:
        from limbeck.serve.milvus import Milvus  # here, because its client is an optional package
    except ImportError:
        what = "serve.retriever is milvus, without its client"
        raise InputError(what, remedy="pip install limbeck[milvus]") from None
    return Milvus(url)


def outside(store: Store, ws: Workspace, engine: Engine) -> Store:
    """The store with its Pins found by the engine, which is filled with them first where it lacks any."""
    digest = digest_of(ws.digest("pin_vectors"), ws.digest("index/lexical"))
    collection = NAME.format(digest=digest[:16])
    fill(engine, collection, store)
    where = engine, collection, store.rows
    return dataclasses.replace(store, lexical=OutsideWords(*where), nearest=OutsideNear(*where))


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
    for pin_id, vector, said in zip(store.ids(rows), store.vectors_of(rows), store.says(rows)):
        texts = {field: " ".join(v) if isinstance(v := said[field], list) else v or "" for field in lexical.BOOSTS}
        terms = {field: lexical.terms(text) for field, text in texts.items()}
        yield Entry(pin_id, terms, vector)


def _hits(found: Sequence[Scored], rows: Rows) -> Hits:
    """By rows, those that the store has, best first: engines leave equal ones in any order."""
    hits = Hits(rows([pin for pin, _ in found]), np.asarray([score for _, score in found], np.float64))
    return hits.those(hits.rows >= 0).best(len(found))


def _with_variables(url: str) -> str:
    """The URL with each ${NAME} replaced by the environment variable of that name."""

    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        if not os.environ.get(name):
            raise InputError(f"serve.retriever_url names {name}, which is not set", remedy=f"Set {name}")
        return os.environ[name]

    return re.sub(r"\$\{(\w+)\}", value, url)
