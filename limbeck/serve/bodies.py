"""Bodies of requests, read no further than they may be long."""

from starlette.requests import Request


async def read(request: Request, most: int) -> bytes | None:
    """The body; None where it is longer than `most` bytes, the rest of which is not read."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            return None
    return bytes(body)
