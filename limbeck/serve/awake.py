"""A worker that looks for the next request for a moment, before it sleeps until there is one.

Whoever sleeps is woken up late, most of all on a virtual machine, whose host takes the core away meanwhile, and finds
its caches cold. To stay awake instead is known as busy polling (Seastar's `--idle-poll-time-us`); it takes a core that
nobody else needs.
"""

import asyncio
import os
import time

from starlette.types import ASGIApp, Receive, Scope, Send


class Awake:
    """The service, whose event loop goes round for so many seconds after each answer.

    Other processes come first, and so do requests that are under way: threads may be at work for them.
    """

    def __init__(self, app: ASGIApp, seconds: float) -> None:
        self._app, self._seconds = app, seconds
        self._under_way, self._until, self._looking = 0, 0.0, False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request; what is no HTTP passes through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        self._under_way += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._under_way -= 1
            self._until = time.perf_counter() + self._seconds
            if not self._looking:
                self._look(asyncio.get_running_loop())

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        self._looking = not self._under_way and time.perf_counter() < self._until
        if self._looking:
            os.sched_yield()
            loop.call_soon(self._look, loop)
