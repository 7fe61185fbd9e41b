"""A client of the service: this one file and httpx, to be copied wherever it is needed. Answers are plain dicts.

with Limbeck("http://127.0.0.1:8080") as limbeck:
    limbeck.search("red sofa", k=10, language="en")
    limbeck.rerank("red sofa", ["a red velvet sofa", {"id": "81"}], top_n=1)
"""

import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

RETRIES = 2  # after 429, when the service says how long to wait
LONGEST_WAIT = 10.0  # seconds that are waited for a busy service each time
Answer = dict[str, Any]


class LimbeckError(Exception):
    """What the service refused, with its HTTP status, and what it says can be done about it."""

    def __init__(self, status: int, error: str, remedy: str | None = None) -> None:
        super().__init__(f"{error}. {remedy}" if remedy else error)
        self.status, self.error, self.remedy = status, error, remedy


class Limbeck:
    """The service at an address. Threads may share it; connections are kept open until `close`."""

    def __init__(
        self,
        url: str = "http://127.0.0.1:8080",
        key: str | None = None,
        timeout: float = 10.0,
        transport: httpx.BaseTransport | None = None,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        """`key` where the service asks for one; `timeout` in seconds, for each part of a request."""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=timeout, transport=transport)
        self._wait = wait

    def search(
        self,
        query: str,
        k: int | None = None,
        language: str | None = None,
        country: str | None = None,
        why: int = 0,
    ) -> Answer:
        """The best `k` Pins for a query; the first `why` of them explained."""
        asked = {"q": query, "k": k, "language": language, "country": country, "why": why or None}
        return self._get("/search", asked)

    def rerank(
        self,
        query: str,
        documents: Sequence[str | Mapping[str, Any]],
        top_n: int | None = None,
        return_documents: bool = False,
    ) -> Answer:
        """Documents by relevance: texts, `{"id": …}` for Pins of the index, or texts by source."""
        asked = {"query": query, "documents": list(documents), "return_documents": return_documents}
        return self._post("/v1/rerank", asked if top_n is None else {**asked, "top_n": top_n})

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """The student's vectors of texts, in their order."""
        return [row["embedding"] for row in self._post("/v1/embeddings", {"input": list(texts)})["data"]]

    def similar(self, pin_id: str, k: int | None = None) -> Answer:
        """The Pins nearest to a Pin."""
        return self._get("/similar", {"pin_id": pin_id, "k": k})

    def pin(self, pin_id: str) -> Answer:
        """What is shown of a Pin."""
        return self._get(f"/v1/pins/{quote(pin_id, safe='')}", {})

    def change(self, put: Sequence[Mapping[str, Any]] = (), delete: Sequence[str] = ()) -> Answer:
        """Add or change whole Pins, such as `{"id": "81", "title": …}`, and delete ids: kept, and found, on return."""
        return self._post("/v1/pins", {"put": list(put), "delete": list(delete)})

    def ready(self) -> Answer:
        """The student that answers, how many Pins there are, and why a newer version was refused, if one was."""
        return self._get("/readyz", {})

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _get(self, path: str, parameters: Mapping[str, Any]) -> Answer:
        return self._ask("GET", path, params={n: v for n, v in parameters.items() if v is not None})

    def _post(self, path: str, body: Mapping[str, Any]) -> Answer:
        return self._ask("POST", path, json=body)

    def _ask(self, method: str, path: str, **sent: Any) -> Answer:
        """The answer; a busy service is asked again after as long as it says. `LimbeckError` for what it refuses."""
        for retries_left in reversed(range(RETRIES + 1)):
            response = self._http.request(method, path, **sent)
            if response.status_code != httpx.codes.TOO_MANY_REQUESTS or not retries_left:
                break
            self._wait(min(LONGEST_WAIT, float(response.headers.get("Retry-After", 1))))
        if response.is_success:
            found: Answer = response.json()
            return found
        raise _refusal(response)


def _refusal(response: httpx.Response) -> LimbeckError:
    """What was refused, in the service's words, or in those of a proxy before it."""
    try:
        said = response.json()
        return LimbeckError(response.status_code, said["error"], said["remedy"])
    except (ValueError, KeyError, TypeError):
        return LimbeckError(response.status_code, response.text[:200] or response.reason_phrase)
