"""The pages' routes: what is asked for, answered by the same ranker as the API, and shown to people."""

import functools
import math
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from limbeck.errors import InputError
from limbeck.serve import page, pictures
from limbeck.serve.compare import DEPTH, Judgments, compare
from limbeck.serve.messages import (
    Refused,
    SearchAnswer,
    SearchRequest,
    read_board,
    read_compare,
    read_level,
    read_search,
)
from limbeck.serve.ranked import Pin
from limbeck.serve.ranker import Ranker, UnknownPins
from limbeck.serve.versions import Current
from limbeck.serve.why import plain

LIKE_IT = 12  # Pins on a Pin's own page
BOARDS = 12  # that a Pin's own page names
SHOWN = 18  # Pins on the first page, before anything is searched for
ON_A_PAGE = 48  # Pins of a board
Content = Callable[[Request, dict[str, str]], Awaitable[dict[str, Any]]]


class Site:
    """The pages, over the version that answers. `work` lets the model work in turn; `search` answers as the API."""

    def __init__(
        self,
        versions: Current,
        candidates: int,
        images: Path,
        work: Callable[..., Awaitable[Any]],
        search: Callable[[Request, SearchRequest], Awaitable[SearchAnswer]],
        judgments: Judgments,
    ) -> None:
        self._versions, self._candidates, self._images = versions, candidates, images
        self._work, self._search, self._judgments = work, search, judgments

    async def search(self, request: Request) -> Response:
        """The search page."""
        return await self._page(request, page.SearchView, self._found)

    async def pin(self, request: Request) -> Response:
        """A Pin's own page: what it says, why it has its level for a query, Pins like it."""
        kind = page.PanelView if request.query_params.get("panel") else page.PinView
        return await self._page(request, kind, self._pin)

    async def board(self, request: Request) -> Response:
        """The Pins of a board."""
        return await self._page(request, page.BoardView, self._board)

    async def compare(self, request: Request) -> Response:
        """Two rankers side by side."""
        return await self._page(request, page.CompareView, self._compared)

    async def _page(self, request: Request, kind: type[page.View], content: Content) -> Response:
        """A page of what `content` gives it for the request's parameters, or of what was wrong with them."""
        given = dict(request.query_params)
        show = functools.partial(
            kind, pins=len(self._versions.ranker), query=given.get("q", ""), language=given.get("language", "")
        )
        status, headers = 200, page.HEADERS
        try:
            view = show(**await content(request, given))
        except Refused as refused:
            status, headers = refused.status, headers | dict(refused.headers or {})
            view = show(error=refused.error, remedy=refused.remedy)
        except InputError as wrong:
            status, view = 422, show(error=str(wrong.args[0]), remedy=wrong.remedy)
        html = page.render(view, lambda image: pictures.find(self._images, image) is not None)
        return HTMLResponse(html, status, headers)

    async def _found(self, request: Request, given: dict[str, str]) -> dict[str, Any]:
        if "q" not in given:
            some = [pin for pin in self._versions.ranker.some(4 * SHOWN) if pin.image]
            return {"tried": self._judgments.queries, "some": some[:: max(1, len(some) // SHOWN)][:SHOWN]}
        answer = await self._search(request, read_search(given, self._candidates))
        found = {"found": answer.results, "level": read_level(given), "degraded": answer.degraded}
        return found | {"spelled": answer.understood.spelled}

    async def _pin(self, request: Request, given: dict[str, str]) -> dict[str, Any]:
        ranker, pin_id = self._versions.ranker, request.path_params["pin_id"]
        found: dict[str, Any] = {"pin": shown(ranker, pin_id)}
        if not given.get("panel"):
            found["similar"] = await self._work(ranker.similar, pin_id, LIKE_IT)
            found["boards"], found["on"] = ranker.boards.of(pin_id, BOARDS) if ranker.boards else ([], 0)
        if not given.get("q"):
            said = ranker.says(pin_id).items()
            return found | {"sources": [plain(source, value) for source, value in said]}
        query = read_search({"q": given["q"]}, self._candidates).q
        [grade] = await self._work(ranker.rerank, query, [pin_id])
        why = await self._work(ranker.why, query, pin_id)
        return found | {"grade": grade, "sources": why.sources, "signals": why.signals}

    async def _board(self, request: Request, given: dict[str, str]) -> dict[str, Any]:
        asked, ranker, board_id = read_board(given), self._versions.ranker, request.path_params["board_id"]
        found = ranker.boards.board(board_id) if ranker.boards else None
        if ranker.boards is None or found is None:
            raise Refused(404, f"unknown board: {board_id!r}", "The page of a Pin names the boards that it is on")
        pages = math.ceil(found.pins / ON_A_PAGE)
        if asked.page > pages:
            raise Refused(404, f"the board has no page {asked.page}", f"Its last one is {pages}")
        held = ranker.boards.pins(board_id, (asked.page - 1) * ON_A_PAGE, ON_A_PAGE)
        return {"board": found, "held": ranker.pins(held), "page": asked.page, "pages": pages}

    async def _compared(self, request: Request, given: dict[str, str]) -> dict[str, Any]:
        ranker = self._versions.ranker
        asked = read_compare(given, ranker.rankers)
        sides = (asked.left, asked.right)
        left, right = [await self._work(ranker.first, side, asked.q, DEPTH, self._candidates) for side in sides]
        levels = self._judgments.of(asked.q)
        found = compare(sides, left, right, levels)
        return {
            "names": ranker.rankers,
            "depth": DEPTH,
            "columns": found.columns,
            "lines": found.lines,
            "judgments": levels,
        }


def shown(ranker: Ranker, pin_id: str) -> Pin:
    """What is shown of a Pin; `Refused` with 404 where there is none."""
    try:
        return ranker.pin(pin_id)
    except UnknownPins as unknown:
        raise Refused(404, str(unknown.args[0]), unknown.remedy) from None
