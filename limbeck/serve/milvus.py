"""Milvus as the engine of retrieval, by its own client; the same client opens milvus-lite where the URL is a file."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from pymilvus import DataType, Function, FunctionType, MilvusClient, MilvusException

from limbeck.index.lexical import BOOSTS
from limbeck.serve.engine import EngineDown, Entry, Scored

SECONDS = 5.0  # for one call
FILL_SECONDS = 60.0  # for one that writes
LONGEST = 65_535  # bytes of a text, by Milvus's own limit
_WORDS, _SPARSE, _VECTOR = "words", "sparse", "vector"

T = TypeVar("T")


class Milvus:
    """Collections in Milvus: one field of words with BM25, in which fields count by repetition, and one of vectors."""

    def __init__(self, url: str) -> None:
        """Connect; `EngineDown` where nothing answers."""
        self._client = _asked(lambda: MilvusClient(uri=url, timeout=SECONDS))

    def count(self, collection: str) -> int | None:
        """How many Pins a collection holds."""
        if not _asked(lambda: self._client.has_collection(collection, timeout=SECONDS)):
            return None
        found = _asked(lambda: self._client.query(collection, output_fields=["count(*)"], timeout=SECONDS))
        return int(found[0]["count(*)"])

    def create(self, collection: str, size: int) -> None:
        """Make an empty one."""
        schema = MilvusClient.create_schema(auto_id=False)
        schema.add_field("pin_id", DataType.VARCHAR, max_length=LONGEST, is_primary=True)
        terms = {"tokenizer": "standard"}  # milvus-lite has no other that reads terms as they are
        schema.add_field(_WORDS, DataType.VARCHAR, max_length=LONGEST, enable_analyzer=True, analyzer_params=terms)
        schema.add_field(_SPARSE, DataType.SPARSE_FLOAT_VECTOR)
        schema.add_field(_VECTOR, DataType.FLOAT_VECTOR, dim=size)
        bm25 = Function("bm25", FunctionType.BM25, input_field_names=[_WORDS], output_field_names=[_SPARSE])
        schema.add_function(bm25)
        indexes = self._client.prepare_index_params()
        indexes.add_index(_SPARSE, index_type="SPARSE_INVERTED_INDEX", metric_type="BM25")
        indexes.add_index(_VECTOR, index_type="AUTOINDEX", metric_type="IP")
        _asked(
            lambda: self._client.create_collection(
                collection, schema=schema, index_params=indexes, timeout=FILL_SECONDS
            )
        )

    def add(self, collection: str, entries: Sequence[Entry]) -> None:
        """Put Pins into it."""
        rows = [{"pin_id": e.pin_id, _WORDS: _text(e), _VECTOR: e.vector.tolist()} for e in entries]
        _asked(lambda: self._client.upsert(collection, rows, timeout=FILL_SECONDS))

    def publish(self, collection: str) -> None:
        """Write out what was added, and have it loaded."""
        _asked(lambda: self._client.flush(collection, timeout=FILL_SECONDS))
        _asked(lambda: self._client.load_collection(collection, timeout=FILL_SECONDS))

    def words(self, collection: str, terms: Sequence[str], k: int) -> list[Scored]:
        """By BM25; milvus-lite gives scores as distances, less than none."""
        found = self._search(collection, " ".join(terms), _SPARSE, "BM25", k)
        return [(pin, abs(score)) for pin, score in found]

    def near(self, collection: str, vector: np.ndarray, k: int) -> list[Scored]:
        """By inner product."""
        return self._search(collection, vector.tolist(), _VECTOR, "IP", k)

    def _search(self, collection: str, data: Any, field: str, metric: str, k: int) -> list[Scored]:
        parameters = {"metric_type": metric}
        [found] = _asked(
            lambda: self._client.search(
                collection, [data], limit=k, anns_field=field, search_params=parameters, timeout=SECONDS
            )
        )
        return [(hit["pin_id"], float(hit["distance"])) for hit in found]


def _text(entry: Entry) -> str:
    """All terms, those of a field as often as its weight says, as far as Milvus takes them."""
    terms = [term for field, said in entry.terms.items() for term in [*said] * max(1, round(BOOSTS[field]))]
    return " ".join(terms).encode()[:LONGEST].decode(errors="ignore")


def _asked(call: Callable[[], T]) -> T:
    try:
        return call()
    except MilvusException as error:
        raise EngineDown(f"Milvus: {error.message}") from None
