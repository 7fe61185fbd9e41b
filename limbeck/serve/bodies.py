"""Bodies of requests, read no further than they may be long."""

from starlette.requests import ClientDisconnect, Request


async def read(request: Request, most: int) -> bytes | None:
    """The body; None where it is longer than `most` bytes, the rest of which is not read.

    `ClientDisconnect` where the client goes away before its end.
    """
    body, more = await _piece(request)
    if more:  # seldom: what came in one piece need not be copied
        whole = bytearray(body)
        while more and len(whole) <= most:
            piece, more = await _piece(request)
            whole += piece
        body = bytes(whole)
    return body if len(body) <= most else None


async def _piece(request: Request) -> tuple[bytes, bool]:
    """What the server hands over next, and whether there is more."""
    message = await request.receive()
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    return message.get("body", b""), message.get("more_body", False)
