"""Listening for HTTP until told to stop: what the pages that Limbeck serves have in common."""

import contextlib
import signal
import socket
import sys
from typing import Any

import uvicorn

from limbeck.errors import InputError

SECONDS_TO_FINISH = 10  # what is being answered when the service is told to stop


def serve(app: Any, listening: socket.socket) -> None:
    """Serve an ASGI application until SIGTERM or Ctrl-C; requests under way are answered first."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # uvicorn raises again the signal that it stopped for
    # No access log: it would hold what people search for.
    config = uvicorn.Config(
        app, access_log=False, log_level="warning", server_header=False, timeout_graceful_shutdown=SECONDS_TO_FINISH
    )
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listening])


def listen(host: str, port: int, section: str) -> socket.socket:
    """A listening socket; `InputError` where the address that the recipe's `section` gives cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        door = socket.create_server((host, port), family=family)
        # What it accepts inherits it. Otherwise the end of an answer waits until the client has acknowledged its
        # beginning, which clients that keep connections do 40 ms later.
        door.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return door
    except (OSError, OverflowError) as error:
        remedy = f"Choose another host or port under [{section}]"
        raise InputError(f"cannot listen on {host}, port {port}: {error}", remedy=remedy) from None


def address(host: str, listening: socket.socket) -> str:
    """The URL of what listens."""
    return f"http://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}/"
