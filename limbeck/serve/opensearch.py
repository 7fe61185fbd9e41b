"""OpenSearch as the engine of retrieval, by its documented HTTP API: multi_match over the fields, k-NN over vectors.

It is tested against a server of the tests' own, which keeps to the documented requests and answers; not against
OpenSearch itself.
"""

import json
from collections.abc import Sequence
from typing import Any

import httpx
import numpy as np

from limbeck.index.lexical import BOOSTS
from limbeck.serve.engine import EngineDown, Entry, Scored

SECONDS = 5.0  # for one call
FILL_SECONDS = 60.0  # for one that writes


class OpenSearch:
    """Indexes in OpenSearch with its k-NN plugin. Terms are sent as they are: its analysis is by white space."""

    def __init__(self, url: str, transport: httpx.BaseTransport | None = None) -> None:
        """The server at a URL, which may carry user and password."""
        self._http = httpx.Client(base_url=url, timeout=SECONDS, transport=transport)

    def count(self, collection: str) -> int | None:
        """How many Pins an index holds."""
        found = self._ask("GET", f"/{collection}/_count", missing=True)
        return None if found is None else int(found["count"])

    def create(self, collection: str, size: int) -> None:
        """Make an empty one."""
        texts = {field: {"type": "text", "analyzer": "whitespace"} for field in BOOSTS}
        method = {"name": "hnsw", "space_type": "innerproduct", "engine": "faiss"}
        vector = {"type": "knn_vector", "dimension": size, "method": method}
        mappings = {"_source": {"enabled": False}, "properties": {**texts, "vector": vector}}
        self._ask("PUT", f"/{collection}", {"settings": {"index": {"knn": True}}, "mappings": mappings})

    def add(self, collection: str, entries: Sequence[Entry]) -> None:
        """Put Pins into it."""
        lines: list[Any] = []
        for entry in entries:
            said = {field: " ".join(terms) for field, terms in entry.terms.items()}
            lines += [{"index": {"_id": entry.pin_id}}, {**said, "vector": entry.vector.tolist()}]
        found = self._ask("POST", f"/{collection}/_bulk", lines)
        if found and found["errors"]:
            [wrong, *_] = [item["index"] for item in found["items"] if "error" in item["index"]]
            raise EngineDown(f"OpenSearch refused the Pin {wrong['_id']!r}: {wrong['error'].get('reason')}")

    def publish(self, collection: str) -> None:
        """Have what was added searched."""
        self._ask("POST", f"/{collection}/_refresh")

    def words(self, collection: str, terms: Sequence[str], k: int) -> list[Scored]:
        """By BM25, field by field, weighed as in the embedded index."""
        fields = [f"{field}^{boost}" for field, boost in BOOSTS.items()]
        match = {"query": " ".join(terms), "type": "most_fields", "fields": fields}
        return self._search(collection, {"multi_match": match}, k)

    def near(self, collection: str, vector: np.ndarray, k: int) -> list[Scored]:
        """By inner product, made again from the score: p + 1 for a positive one, 1 / (1 - p) for a negative one."""
        found = self._search(collection, {"knn": {"vector": {"vector": vector.tolist(), "k": k}}}, k)
        return [(pin, score - 1 if score >= 1 else 1 - 1 / score) for pin, score in found]

    def _search(self, collection: str, query: dict[str, Any], k: int) -> list[Scored]:
        found = self._ask("POST", f"/{collection}/_search", {"size": k, "_source": False, "query": query})
        return [(hit["_id"], float(hit["_score"])) for hit in found["hits"]["hits"]] if found else []

    def _ask(self, method: str, path: str, body: Any = None, missing: bool = False) -> dict[str, Any] | None:
        """The answer; None for 404 where that is an answer. A list is sent as lines of JSON, as `_bulk` wants it."""
        content, kind = None, "application/json"
        if isinstance(body, list):
            content, kind = "".join(f"{json.dumps(line)}\n" for line in body), "application/x-ndjson"
        elif body is not None:
            content = json.dumps(body)
        seconds = SECONDS if path.endswith(("_search", "_count")) else FILL_SECONDS
        try:
            answer = self._http.request(method, path, content=content, headers={"Content-Type": kind}, timeout=seconds)
            if missing and answer.status_code == httpx.codes.NOT_FOUND:
                return None
            if answer.is_success:
                found: dict[str, Any] = answer.json()
                return found
        except (httpx.HTTPError, ValueError) as error:
            raise EngineDown(f"OpenSearch does not answer: {type(error).__name__}") from None
        raise EngineDown(f"OpenSearch answered {answer.status_code}{_kind(answer)}")


def _kind(answer: httpx.Response) -> str:
    """What kind of error it names; its reason may quote the query, which does not belong into a log."""
    try:
        return f": {answer.json()['error']['type']}"
    except (ValueError, KeyError, TypeError):
        return ""
