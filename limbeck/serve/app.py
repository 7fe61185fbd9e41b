"""The service over HTTP: a thin skin on `ranker.py`. What takes the model long works in a thread beside the event loop.

GET /search?q=&k=&language=&country=    POST /v1/rerank, /v2/rerank, /rerank    POST /v1/embeddings
GET /similar?pin_id=&k=    POST /v1/pins    GET /v1/pins/…    GET /images/…    GET /openapi.json
GET /healthz    GET /readyz    GET /metrics
For people: GET /    GET /pins/…?q=    GET /boards/…?page=    GET /compare?q=&left=&right=
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from limbeck import __version__
from limbeck.live.journal import Journal
from limbeck.serve import by_id, http, observed, openapi, pictures, texts, written
from limbeck.serve.awake import Awake
from limbeck.serve.budget import Budget
from limbeck.serve.compare import Judgments
from limbeck.serve.embeddings import EmbeddingsAnswer, read_embeddings
from limbeck.serve.feature_log import Answer, FeatureLog
from limbeck.serve.hot import Hot
from limbeck.serve.limits import AT_ONCE, Queue
from limbeck.serve.messages import (
    Document,
    Refused,
    RerankAnswer,
    SearchAnswer,
    SearchRequest,
    SimilarAnswer,
    read_rerank,
    read_search,
    read_similar,
    results,
)
from limbeck.serve.metrics import Metrics
from limbeck.serve.observed import Observed
from limbeck.serve.pins import PinsAnswer, Writer, read_pins
from limbeck.serve.ranked import Found, Graded, documents_in_order
from limbeck.serve.ranker import Fields, Ranker
from limbeck.serve.site import Site, shown
from limbeck.serve.understand import Understood
from limbeck.serve.versions import Current
from limbeck.serve.written import FoundPins, RerankedPins
from limbeck.settings import Serve

HOT = ("/search", "/v1/rerank", "/v2/rerank", "/similar", "/healthz")  # asked for most: past the framework
_VARY = {"Vary": "Accept"}
Asked = tuple[str, str | None, str | None]  # query, language, country


@dataclass(frozen=True)
class Kept:
    """What the service writes to: the journal of changed Pins, without which they stay as they are, and a log."""

    journal: Journal | None = None
    log: FeatureLog | None = None


NOTHING = Kept()


class Searched(NamedTuple):
    """What was found for a search, who graded it, what was understood, and why it is less than usual, if it is."""

    ranker: Ranker
    found: Found
    understood: Understood
    degraded: str | None


class Service:
    """The routes, over the version that answers and one folder of pictures. Each request asks once for the version."""

    def __init__(
        self,
        versions: Current,
        settings: Serve,
        images: Path,
        metrics: Metrics,
        judgments: Judgments,
        kept: Kept,
    ) -> None:
        self._versions, self._settings, self._images, self._metrics = versions, settings, images, metrics
        self._queue, self._log = Queue(settings.waiting), kept.log
        # An engine outside is waited for, while others can be served.
        self._retrieving = self._queue.brief if settings.retriever == "embedded" else self._queue.work
        self._writer = Writer(kept.journal, versions.catch_up, self._queue.due, settings.waiting)
        self.site = Site(versions, settings.candidates, images, self._queue.work, self._shown, judgments)
        metrics.watch(self._gauges, self._cached, lambda: versions.ranker.model)

    async def search(self, request: Request) -> Response:
        """`GET /search`."""
        asked = read_search(http.parameters(request), self._settings.candidates)
        searched = await self._search(request, asked)
        ranker, (rows, probabilities) = searched.ranker, searched.found
        if asked.why or probabilities is None:
            return http.answer(await self._told(asked, searched))
        pins = written.pins(ranker.store.told(rows), probabilities)
        return http.answer(FoundPins(asked.q, searched.understood, ranker.model, searched.degraded, pins))

    async def rerank(self, request: Request) -> Response:
        """`POST /v1/rerank` and `POST /v2/rerank`."""
        return await self._reranked(request, await http.body(request))

    async def rerank_texts(self, request: Request) -> Response:
        """`POST /rerank`."""
        body, ranker = await http.body(request), self._versions.ranker
        if not texts.asks_for_texts(body):
            return await self._reranked(request, body)
        asked = texts.read_texts(body)
        documents = [{"description": text} if text else {} for text in asked.texts]
        graded = await self._graded(ranker, asked.query, documents)
        return http.answer(texts.answer(documents_in_order(graded), asked))

    async def embeddings(self, request: Request) -> Response:
        """`POST /v1/embeddings`."""
        asked, ranker = read_embeddings(await http.body(request)), self._versions.ranker
        vectors = await self._queue.in_turns(ranker.embed, asked.texts, AT_ONCE)
        return http.answer(EmbeddingsAnswer.of(np.concatenate(vectors), asked, ranker.model))

    async def similar(self, request: Request) -> Response:
        """`GET /similar`."""
        asked, ranker = read_similar(http.parameters(request), self._settings.candidates), self._versions.ranker
        k = asked.k or min(self._settings.results, self._settings.candidates)
        found = await self._retrieving(ranker.similar, asked.pin_id, k)
        return http.answer(SimilarAnswer(asked.pin_id, ranker.model, found))

    async def change_pins(self, request: Request) -> Response:
        """`POST /v1/pins`."""
        changes = read_pins(await http.body(request))
        await self._writer.write(changes)
        answer = PinsAnswer(self._versions.ranker.model, len(changes.put), len(changes.delete))
        return http.answer(answer)

    async def pin(self, request: Request) -> Response:
        """`GET /v1/pins/{pin_id}`."""
        return http.answer(shown(self._versions.ranker, request.path_params["pin_id"]))

    async def openapi(self, request: Request) -> Response:
        """What all routes take and give."""
        return http.answer(openapi.document(__version__))

    async def healthz(self, request: Request) -> Response:
        """Whether the process answers."""
        return http.answer({"status": "ok"})

    async def readyz(self, request: Request) -> Response:
        """Whether the index is loaded, which it is, or there would be no service; and that nothing of it is damaged."""
        ranker, refused, damaged = self._versions.ranker, self._versions.refused, self._versions.damaged
        said = {"model": ranker.model, "pins": len(ranker), "refused": refused}
        if damaged:
            return http.answer({"status": "damaged", "damaged": damaged, **said}, 503)
        return http.answer({"status": "ready", **said})

    async def metrics(self, request: Request) -> Response:
        """Counts and times since the service began."""
        return Response(self._metrics.text(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def image(self, request: Request) -> Response:
        """A picture of the workspace."""
        path = pictures.find(self._images, request.path_params["path"])
        if path is None:
            raise Refused(404, "no such picture")
        headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "max-age=3600"}
        return FileResponse(path, media_type=pictures.TYPES[path.suffix.lower()], headers=headers)

    async def home(self, request: Request) -> Response:
        """The search page for browsers, the list of routes for others."""
        if not http.by_person(request):
            return http.answer(
                {"service": "limbeck", "model": self._versions.ranker.model, "routes": openapi.ROUTES}, headers=_VARY
            )
        return await self.site.search(request)

    async def _reranked(self, request: Request, body: bytes) -> Response:
        of_pins = by_id.read(body)
        return await (self._reranked_pins(request, of_pins) if of_pins else self._reranked_documents(request, body))

    async def _reranked_pins(self, request: Request, asked: by_id.Asked) -> Response:
        ids, ranker = asked.pin_ids, self._versions.ranker
        seen: list[Graded] = []
        grades = await self._queue.brief(self._watched(ranker, seen).grade, asked.query, ids)
        order, found = written.results(grades, asked.top_n)
        if seen:
            self._logged(request, (asked.query, None, None), ranker, seen, [ids[place] for place in order.tolist()])
        return http.answer(RerankedPins(request.scope["state"]["id"], ranker.model, found))

    async def _reranked_documents(self, request: Request, body: bytes) -> Response:
        asked, ranker = read_rerank(body), self._versions.ranker
        documents = [Document(text=d) if isinstance(d, str) else d for d in asked.documents]
        fields = [d.fields() for d in documents]
        seen: list[Graded] = []
        graded = await self._graded(self._watched(ranker, seen), asked.query, fields)
        ranked = documents_in_order(graded, asked.top_n)
        answered = [fields[graded.index] for graded in ranked]
        pins = [said["pin_id"] for said in answered if "pin_id" in said]
        self._logged(request, (asked.query, None, None), ranker, seen, pins)
        shown = documents if asked.return_documents else [None] * len(documents)
        found = results(ranked, [shown[graded.index] for graded in ranked])
        return http.answer(RerankAnswer(request.state.id, ranker.model, found))

    async def _graded(self, ranker: Ranker, query: str, documents: Sequence[Fields]) -> np.ndarray:
        """Probabilities of documents (n, 5), whose texts are read some at a time: others have their turn meanwhile."""
        most = AT_ONCE if any("pin_id" not in said for said in documents) else max(1, len(documents))
        return np.concatenate(await self._queue.in_turns(partial(ranker.grade_documents, query), documents, most))

    async def _shown(self, request: Request, asked: SearchRequest) -> SearchAnswer:
        """What a page shows."""
        return await self._told(asked, await self._search(request, asked))

    async def _told(self, asked: SearchRequest, searched: Searched) -> SearchAnswer:
        ranker, found = searched.ranker, searched.ranker.answered(searched.found)
        if asked.why and searched.found.probabilities is not None:
            found = await self._queue.work(ranker.explained, asked.q, found, asked.why)
        return SearchAnswer(asked.q, searched.understood, ranker.model, searched.degraded, found)

    async def _search(self, request: Request, asked: SearchRequest) -> Searched:
        candidates, ranker = self._settings.candidates, self._versions.ranker
        k, budget = asked.k or min(self._settings.results, candidates), Budget(self._settings.seconds or None)
        seen: list[Graded] = []
        found: Found = await self._retrieving(
            self._watched(ranker, seen).find, asked.q, k, candidates, asked.language, asked.country, budget
        )
        if seen and budget.graded:
            pins = ranker.store.ids(found.rows)
            self._logged(request, (asked.q, asked.language, asked.country), ranker, seen, pins)
        if budget.degraded:
            self._metrics.degraded.labels(budget.degraded).inc()
            request.state.noted = {"degraded": budget.degraded}
        return Searched(ranker, found, ranker.understand(asked.q, budget.graded), budget.degraded)

    def _watched(self, ranker: Ranker, seen: list[Graded]) -> Ranker:
        """The ranker, which leaves what it sees where there is a log to be kept of it."""
        return ranker.watched(seen.append) if self._log else ranker

    def _logged(self, request: Request, asked: Asked, ranker: Ranker, seen: list[Graded], pins: list[str]) -> None:
        if self._log and seen and pins:
            self._log.put(Answer.of((request.state.id, *asked), ranker, Graded.together(seen), pins))

    def _gauges(self) -> dict[str, float]:
        return {"waiting": self._queue.waiting, "pins": len(self._versions.ranker)}

    def _cached(self) -> dict[str, float]:
        caches = self._versions.ranker.caches.layers.items()
        hits = {f"{name}_cache_hits": float(cache.hits) for name, cache in caches}
        return hits | {f"{name}_cache_misses": float(cache.misses) for name, cache in caches}


def create(
    versions: Current,
    settings: Serve,
    images: Path = Path("images"),
    metrics: Metrics | None = None,
    judgments: Judgments | None = None,
    kept: Kept = NOTHING,
) -> ASGIApp:
    """The service as an ASGI application; `images` is the folder of pictures."""
    metrics = metrics or Metrics()
    service = Service(versions, settings, images, metrics, judgments or Judgments([]), kept)
    found = routes(service)
    app = Hot(Starlette(routes=found, exception_handlers=http.HANDLERS), [each for each in found if each.path in HOT])
    seen = Observed(app, metrics, observed.key(settings), settings.log_queries)
    return Awake(seen, settings.busy_poll_seconds) if settings.busy_poll_seconds > 0 else seen


def routes(service: Service) -> list[Route]:
    """What is answered at which address."""
    return [
        Route("/", service.home),
        Route("/pins/{pin_id:path}", service.site.pin),
        Route("/boards/{board_id:path}", service.site.board),
        Route("/compare", service.site.compare),
        Route("/search", service.search),
        Route("/v1/rerank", service.rerank, methods=["POST"]),
        Route("/v2/rerank", service.rerank, methods=["POST"]),
        Route("/rerank", service.rerank_texts, methods=["POST"]),
        Route("/v1/embeddings", service.embeddings, methods=["POST"]),
        Route("/v1/pins", service.change_pins, methods=["POST"]),
        Route("/v1/pins/{pin_id:path}", service.pin),
        Route("/similar", service.similar),
        Route("/healthz", service.healthz),
        Route("/readyz", service.readyz),
        Route("/metrics", service.metrics),
        Route("/openapi.json", service.openapi),
        Route("/images/{path:path}", service.image),
    ]
