"""Routes that are asked for most: found by a dictionary, and answered without what the framework does for any route."""

from collections.abc import Awaitable, Callable, Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from limbeck.serve import http

Endpoint = Callable[[Request], Awaitable[Response]]


class Hot:
    """The service, in front of which some of its routes are found by method and path.

    It stands outside of the framework, whose own way to an endpoint takes as long as finding it by its route.
    """

    def __init__(self, app: ASGIApp, routes: Sequence[Route]) -> None:
        """Of the routes, whose paths are without parameters, HEAD is left to the framework."""
        self._app = app
        asked = ((method, route) for route in routes for method in (route.methods or set()) - {"HEAD"})
        self._endpoints: dict[tuple[str, str], Endpoint] = {
            (method, route.path): route.endpoint for method, route in asked
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request; all others pass through."""
        asked = scope.get("method", ""), scope.get("path", "")
        endpoint = None if scope.get("root_path") else self._endpoints.get(asked)
        if endpoint is None:
            await self._app(scope, receive, send)
            return
        scope["endpoint"] = endpoint
        request = Request(scope, receive)
        try:
            response = await endpoint(request)
        except Exception as error:
            await (await http.refused(request, error))(scope, receive, send)
            if http.is_fault(error):
                raise  # for the server's log
        else:
            await response(scope, receive, send)
