"""A real HTTP server that speaks the chat completions API, and misbehaves as a test tells it to."""

import asyncio
import hashlib
import json
import math
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

USAGE = {"prompt_tokens": 500, "completion_tokens": 1}


@dataclass(frozen=True)
class Asked:
    """One request, as the server got it."""

    number: int  # from 0, over all pairs
    times: int  # that this pair was asked before
    query: str
    pin: str
    body: Mapping[str, Any]
    headers: Mapping[str, str]


Behaviour = Callable[[Asked], Response | Awaitable[Response]]


def level_of(query: str, pin: str) -> int:
    """What this server's model thinks: always the same of the same pair."""
    return 1 + hashlib.sha256(f"{query}\n{pin}".encode()).digest()[0] % 5


def completion(text: str | None, logprobs: Any = None, usage: Any = USAGE, **message: Any) -> dict[str, Any]:
    """A chat completion as vLLM and others give it."""
    said = {"role": "assistant", "content": text, **message}
    choice = {"index": 0, "message": said, "finish_reason": "stop", "logprobs": logprobs}
    return {"id": "c", "object": "chat.completion", "model": "m", "choices": [choice], "usage": usage}


def token(text: str, alternatives: Mapping[str, float]) -> dict[str, Any]:
    """One token and the probabilities of what could have stood there."""
    top = [{"token": t, "logprob": math.log(p), "bytes": list(t.encode())} for t, p in alternatives.items()]
    return {"token": text, "logprob": -0.1, "bytes": None, "top_logprobs": top}


def sure(level: int) -> dict[str, Any]:
    """An answer by log-probabilities: 0.8 for a level, 0.05 for each other one."""
    return completion(
        str(level), {"content": [token(str(level), {str(n): 0.8 if n == level else 0.05 for n in range(1, 6)})]}
    )


def well(asked: Asked) -> Response:
    """The answer of a server that does as it should, in either mode."""
    level = level_of(asked.query, asked.pin)
    if "response_format" in asked.body:
        return JSONResponse(completion(json.dumps({str(n): 80 if n == level else 5 for n in range(1, 6)})))
    return JSONResponse(sure(level))


class HangUp(Response):
    """No response: the connection is torn down, which no well-behaved app can do."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Let go of the line."""
        scope["hang up"]()


def drop(asked: Asked) -> Response:
    """Hang up without a word."""
    return HangUp()


def pairs(n: int, begin: int = 0) -> pa.Table:
    """Queries and Pins, all different."""
    numbers = range(begin, begin + n)
    return pa.table({"query": [f"query {i}" for i in numbers], "pin_id": [f"pin{i}" for i in numbers]})


def texts(n: int) -> pa.Table:
    """What the Pins say."""
    return pa.table({"pin_id": [f"pin{i}" for i in range(n)], "text": [f"a thing with number {i}" for i in range(n)]})


class Endpoint:
    """The server in a thread of its own; `behave` may be changed at any time."""

    def __init__(self, behave: Behaviour = well) -> None:
        self.behave = behave
        self.asked: list[Asked] = []
        self.times: list[float] = []  # when each request came
        self.busy = self.busiest = 0
        self._pairs: Counter[tuple[str, str]] = Counter()
        app = Starlette(routes=[Route("/v1/chat/completions", self._answer, methods=["POST"])])
        config = uvicorn.Config(self._hanging_up(app), port=0, log_level="critical", lifespan="off")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    def __enter__(self) -> "Endpoint":
        self._thread.start()
        while not self._server.started:
            time.sleep(0.005)
        return self

    def __exit__(self, *error: object) -> None:
        self._server.should_exit = self._server.force_exit = True
        self._thread.join(10)

    @property
    def url(self) -> str:
        """What a recipe calls the endpoint."""
        port = self._server.servers[0].sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}/v1"

    def pairs(self) -> Counter[tuple[str, str]]:
        """How often each pair was asked."""
        return Counter(self._pairs)

    async def _answer(self, request: Request) -> Response:
        self.times.append(time.monotonic())
        self.busy += 1
        self.busiest = max(self.busiest, self.busy)
        try:
            body = await request.json()
            data = json.loads(body["messages"][1]["content"].split("\n")[1])
            pair = data["query"], data["pin"]
            asked = Asked(len(self.asked), self._pairs[pair], *pair, body, dict(request.headers))
            self.asked.append(asked)
            self._pairs[pair] += 1
            given = self.behave(asked)
            return await given if asyncio.iscoroutine(given) else given
        finally:
            self.busy -= 1

    @staticmethod
    def _hanging_up(app: Starlette) -> Callable[..., Awaitable[None]]:
        """The app, and within its reach the connection that it answers on."""

        async def serve(scope: Any, receive: Any, send: Any) -> None:
            await app({**scope, "hang up": send.__self__.transport.abort}, receive, send)

        return serve
