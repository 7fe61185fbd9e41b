"""Listening for HTTP until told to stop: what the pages that Limbeck serves have in common."""

import asyncio
import contextlib
import signal
import socket
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from limbeck.errors import InputError

SECONDS_TO_FINISH = 10  # what is being answered when the service is told to stop
SECONDS_TO_SEND = 60.0  # a whole request
MOST_HEAD = 64 * 1024  # bytes of a request's line and headers that come after the first ones


class Patient(HttpToolsProtocol):
    """A connection that is hung up when a request is not whole in time, or begins with too much.

    The server waits for ever, and keeps whatever comes before a body: those who never send the rest would hold
    connections, and those who never come to the point memory, until there is no more to be had.
    """

    _late: asyncio.TimerHandle | None = None
    _heading = False
    _head = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._expect()

    def data_received(self, data: bytes) -> None:
        """Wait for the rest, if there is one to come."""
        self._head += len(data)
        super().data_received(data)
        if self._heading and self._head > MOST_HEAD:
            self.send_400_response("The request's headers are too long.")
        self._expect()

    def on_message_begin(self) -> None:
        """A request's line and headers."""
        super().on_message_begin()
        self._heading, self._head = True, 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """Those that come after the body would be seen by nobody."""
        if self._heading:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Whoever answers says how long a body may be."""
        super().on_headers_complete()
        self._heading = False

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        super().connection_lost(exc)
        self._wait(False)

    def _expect(self) -> None:
        """Wait, unless a request is whole and being answered. For one of which nothing came yet, the server does."""
        comes = self._heading or self.cycle is None or self.cycle.more_body or self.cycle.response_complete
        self._wait(comes and not self.transport.is_closing())

    def _wait(self, more: bool) -> None:
        if more and self._late is None:
            self._late = self.loop.call_later(SECONDS_TO_SEND, self.transport.close)
        elif not more and self._late is not None:
            self._late.cancel()
            self._late = None


def serve(app: Any, listening: socket.socket) -> None:
    """Serve an ASGI application until SIGTERM or Ctrl-C; requests under way are answered first."""
    server = uvicorn.Server(configuration(app))

    def stop(*_: object) -> None:
        server.should_exit = True  # an exception would be lost where uvicorn begins and does not listen to signals yet

    signal.signal(signal.SIGTERM, stop)  # uvicorn raises again the signal that it stopped for
    with contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=[listening])


def configuration(app: Any) -> uvicorn.Config:
    """How it is served. No access log: it would hold what people search for."""
    return uvicorn.Config(
        app,
        http=Patient,
        ws="none",
        access_log=False,
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=SECONDS_TO_FINISH,
    )


def listen(host: str, port: int, section: str, shared: bool = False) -> socket.socket:
    """A listening socket; `InputError` where the address that the recipe's `section` gives cannot be had.

    Connections to a port that is `shared` go to one of all that listen on it so, about as many to each.
    """
    try:
        door = socket.create_server((host, port), family=_family(host), reuse_port=shared)
        # What it accepts inherits it. Otherwise the end of an answer waits until the client has acknowledged its
        # beginning, which clients that keep connections do 40 ms later.
        door.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return door
    except (OSError, OverflowError) as error:
        remedy = f"Choose another host or port under [{section}]"
        raise InputError(f"cannot listen on {host}, port {port}: {error}", remedy=remedy) from None


def reserve(host: str, port: int, section: str) -> socket.socket:
    """A port on which nobody listens, kept for those who will share it: a socket that does not listen itself."""
    with listen(host, port, section) as alone:  # fails where others share the port already
        found = alone.getsockname()
    kept = socket.socket(_family(host), socket.SOCK_STREAM)
    for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
        kept.setsockopt(socket.SOL_SOCKET, option, 1)
    if kept.family == socket.AF_INET6:
        kept.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    kept.bind(found)
    return kept


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def address(host: str, listening: socket.socket) -> str:
    """The URL of what listens."""
    return f"http://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}/"
