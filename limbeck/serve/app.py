"""The service over HTTP: a thin skin on `ranker.py`. The model works in a thread, so that the event loop stays free.

GET /search?q=&k=&language=&country=    POST /v1/rerank    GET /healthz    GET /readyz    GET /images/…    GET /
"""

import contextlib
import functools
import signal
import socket
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import anyio
import anyio.to_thread
import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Route

from limbeck import progress
from limbeck.errors import InputError
from limbeck.index.store import Store
from limbeck.serve import page, pictures
from limbeck.serve.messages import (
    MAX_BODY,
    Document,
    Refused,
    RerankAnswer,
    SearchAnswer,
    SearchRequest,
    read_rerank,
    read_search,
    result,
)
from limbeck.serve.ranker import Ranked, Ranker
from limbeck.settings import Serve, Text
from limbeck.workspace import Workspace

ROUTES = {
    "GET /search": "Pins for a query: q, and optionally k, language, country",
    "POST /v1/rerank": "documents or Pins by relevance to a query",
    "GET /healthz": "whether the process answers",
    "GET /readyz": "whether the index is loaded, and how many Pins it has",
    "GET /images/{path}": "a Pin's picture",
}
SECONDS_TO_FINISH = 10  # what is being answered when the service is told to stop
PICTURES = "images/pins"
T = TypeVar("T")


class Service:
    """The routes, over one ranker and one folder of pictures."""

    def __init__(self, ranker: Ranker, settings: Serve, images: Path) -> None:
        self._ranker, self._settings, self._images = ranker, settings, images
        self._one_at_a_time = anyio.CapacityLimiter(1)

    async def search(self, request: Request) -> Response:
        """`GET /search`."""
        asked = read_search(dict(request.query_params), self._settings.candidates)
        return _json(SearchAnswer(asked.q, await self._search(asked)))

    async def rerank(self, request: Request) -> Response:
        """`POST /v1/rerank`."""
        asked = read_rerank(await _body(request))
        documents = [Document(text=d) if isinstance(d, str) else d for d in asked.documents]
        fields = [d.fields() for d in documents]
        ranked = await self._work(self._ranker.rerank_documents, asked.query, fields)
        shown = documents if asked.return_documents else [None] * len(documents)
        results = [result(graded, shown[graded.index]) for graded in ranked[: asked.top_n]]
        return _json(RerankAnswer(str(uuid.uuid4()), self._ranker.model, results))

    async def healthz(self, request: Request) -> Response:
        """Whether the process answers."""
        return _json({"status": "ok"})

    async def readyz(self, request: Request) -> Response:
        """Whether the index is loaded: it is, or there would be no service."""
        return _json({"status": "ready", "model": self._ranker.model, "pins": len(self._ranker)})

    async def image(self, request: Request) -> Response:
        """A picture of the workspace."""
        path = pictures.find(self._images, request.path_params["path"])
        if path is None:
            raise Refused(404, "no such picture")
        headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "max-age=3600"}
        return FileResponse(path, media_type=pictures.TYPES[path.suffix.lower()], headers=headers)

    async def home(self, request: Request) -> Response:
        """The search page for browsers, the list of routes for others."""
        if "text/html" not in request.headers.get("accept", ""):
            return _json({"service": "limbeck", "model": self._ranker.model, "routes": ROUTES}, headers=_VARY)
        status, view = await self._view(dict(request.query_params))
        html = page.render(view, lambda image: pictures.find(self._images, image) is not None)
        return HTMLResponse(html, status, page.HEADERS)

    async def _view(self, given: dict[str, str]) -> tuple[int, page.View]:
        """What the page shows for these parameters, and the status it has."""
        show = functools.partial(page.View, pins=len(self._ranker))
        if "q" not in given:
            return 200, show()
        sent = functools.partial(show, query=given["q"], language=given.get("language", ""))
        try:
            return 200, sent(results=await self._search(read_search(given, self._settings.candidates)))
        except Refused as refused:
            return refused.status, sent(error=refused.error, remedy=refused.remedy)

    async def _search(self, asked: SearchRequest) -> list[Ranked]:
        candidates = self._settings.candidates
        k = asked.k or min(self._settings.results, candidates)
        return await self._work(self._ranker.search, asked.q, k, candidates, asked.language, asked.country)

    async def _work(self, call: Callable[..., T], *arguments: Any) -> T:
        """Run what needs the model in a thread, one request after the other."""
        return await anyio.to_thread.run_sync(call, *arguments, limiter=self._one_at_a_time)


def create(ranker: Ranker, settings: Serve, images: Path = Path("images")) -> Starlette:
    """The service as an ASGI application; `images` is the folder of pictures."""
    service = Service(ranker, settings, images)
    return Starlette(
        routes=[
            Route("/", service.home),
            Route("/search", service.search),
            Route("/v1/rerank", service.rerank, methods=["POST"]),
            Route("/healthz", service.healthz),
            Route("/readyz", service.readyz),
            Route("/images/{path:path}", service.image),
        ],
        exception_handlers={
            Refused: _refused,
            InputError: _input_error,
            HTTPException: _no_route,
            ClientDisconnect: _gone,
            Exception: _fault,
        },
    )


def run(ws: Workspace, settings: Serve, text: Text | None = None) -> None:
    """Load the index and serve it until SIGTERM or Ctrl-C; requests under way are answered first."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # uvicorn raises again the signal that it stopped for
    ranker = Ranker(Store.open(ws, text))
    ranker.search("warm up", 1, settings.candidates)  # compiles, and reads the memory maps
    with _listen(settings.host, settings.port) as listening, contextlib.suppress(KeyboardInterrupt):
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        url = f"http://{host}:{listening.getsockname()[1]}/"
        progress.say("ready", f"Serving {len(ranker):,} Pins on {url}", url=url, pins=len(ranker))
        progress.choose("quiet")  # from here on, a bar per query would be noise
        app = create(ranker, settings, _pictures(ws))
        # No access log: it would hold what people search for.
        uvicorn.Server(_config(app)).run(sockets=[listening])


def _pictures(ws: Workspace) -> Path:
    """The folder that images of Pins are relative to."""
    return ws.folder(PICTURES) if ws.has(PICTURES) else ws.root / "images"


def _config(app: Starlette) -> uvicorn.Config:
    return uvicorn.Config(
        app, access_log=False, log_level="warning", server_header=False, timeout_graceful_shutdown=SECONDS_TO_FINISH
    )


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket; `InputError` where the address cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        remedy = "Choose another host or port under [serve]"
        raise InputError(f"cannot listen on {host}, port {port}: {error}", remedy=remedy) from None


async def _body(request: Request) -> bytes:
    """The body, read no further than it may be long."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise Refused(413, f"the body is longer than {MAX_BODY:,} bytes", "Send fewer or shorter documents")
    return bytes(body)


_VARY = {"Vary": "Accept"}


def _json(data: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(data), status, headers, "application/json")


def _error(status: int, error: str, remedy: str | None, headers: Any = None) -> Response:
    return _json({"error": error, "remedy": remedy}, status, headers)


async def _refused(request: Request, refused: Exception) -> Response:
    assert isinstance(refused, Refused)
    return _error(refused.status, refused.error, refused.remedy)


async def _input_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, InputError)
    return _error(422, str(error.args[0]), error.remedy)


async def _no_route(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    return _error(error.status_code, error.detail.lower(), "GET / lists what there is", headers)


async def _gone(request: Request, error: Exception) -> Response:
    """The client went away while sending; nobody reads this."""
    return _error(400, "the request ended early", None)


async def _fault(request: Request, error: Exception) -> Response:
    """Our own fault. The server's log has the traceback, the answer has not."""
    return _error(500, "something went wrong in the service", "Its log says what")
