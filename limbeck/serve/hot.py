"""Routes that are asked for most: found by a dictionary, and answered without what the framework does for any route."""

from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from limbeck.serve import http

Endpoint = Callable[[Request], Awaitable[Response]]


class Hot:
    """The service, in front of which some of its endpoints are found by method and path."""

    def __init__(self, app: ASGIApp, endpoints: Mapping[tuple[str, str], Endpoint]) -> None:
        self._app, self._endpoints = app, endpoints

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request; all others pass through."""
        asked = scope.get("method", ""), scope.get("path", "")
        endpoint = None if scope.get("root_path") else self._endpoints.get(asked)
        if endpoint is None:
            await self._app(scope, receive, send)
            return
        scope["endpoint"] = endpoint
        response = await _answer(endpoint, Request(scope, receive))
        await response(scope, receive, send)


async def _answer(endpoint: Endpoint, request: Request) -> Response:
    """What the endpoint answers, or the refusal that it raises."""
    try:
        return await endpoint(request)
    except Exception as error:
        refuse = http.refusal(error)
        if refuse is None:
            raise
        return await refuse(request, error)
