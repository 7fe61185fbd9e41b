"""Bodies of requests, read no further than they may be long."""

from starlette.requests import ClientDisconnect, Request
from starlette.types import Message


async def read(request: Request, most: int) -> bytes | None:
    """The body; None where it is longer than `most` bytes, the rest of which is not read.

    `ClientDisconnect` where the client goes away before its end.
    """
    body, more = _piece(await request.receive())
    if more:  # seldom: what came in one piece need not be copied
        whole = bytearray(body)
        while more and len(whole) <= most:
            piece, more = _piece(await request.receive())
            whole += piece
        body = bytes(whole)
    return body if len(body) <= most else None


def _piece(message: Message) -> tuple[bytes, bool]:
    """What the server hands over, and whether there is more."""
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    return message.get("body", b""), message.get("more_body", False)
