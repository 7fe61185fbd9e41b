"""Requests as bytes, whole ones and broken ones, over sockets of their own."""

import asyncio
import contextlib
import json
import random
import re

HEAD = "Host: a\r\nConnection: close\r\n"
STATUS = re.compile(rb"^HTTP/1\.1 (\d{3}) ", re.MULTILINE)
GLANCE = 0.05  # seconds in which a broken request may be answered; then its sender has said all
METHODS = ("GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PATCH", "PRI", "get", "G" * 200, "")
PATHS = (
    "/", "/search?q=red+sofa&k=3", "/similar?pin_id=pin05&k=3", "/v1/pins/pin05", "/v1/pins/%00%ff%2e%2e%2f", "/readyz",
    "/pins/pin05?q=tea", "/boards/b%2F1?page=1", "/compare?q=tea", "/images/01/pin01.png", "/images/..%2f..%2fp.json",
    "/openapi.json", "/metrics", "*", "http://a/search?q=tea", "//", "/search?q=%ff%fe%00", "/search?" + "q=a&" * 500,
)  # fmt: skip
BODIES = (
    ("/v1/rerank", {"query": "red sofa", "documents": ["a red sofa", {"id": "pin05"}]}),
    ("/rerank", {"query": "tea", "texts": ["a tea pot", ""]}),
    ("/v1/embeddings", {"input": ["red sofa"], "encoding_format": "base64"}),
    ("/v1/pins", {"put": [{"id": "raw-1", "title": "Raw lamp"}], "delete": ["raw-2"]}),
)
LENGTHS = ("0", "-1", "5", "1e3", "99999999999999999999", "0x10", "", "٣", "4, 4", "1048577")


def posted(path, body, head=HEAD, length=None):
    return (
        f"POST {path} HTTP/1.1\r\n{head}Content-Length: {len(body) if length is None else length}\r\n\r\n".encode()
        + body
    )


def whole(chance):
    """A request that nothing is wrong with."""
    if chance.random() < 0.4:
        path, body = chance.choice(BODIES)
        return posted(path, json.dumps(body).encode())
    path = chance.choice([path for path in PATHS if path[:1] == "/" and "//" not in path])
    return f"GET {path} HTTP/1.1\r\n{HEAD}\r\n".encode()


def noise(chance):
    return chance.randbytes(chance.choice((1, 20, 500, 70_000)))


def mutated(chance):
    """A request with some bytes changed, gone, doubled or put in."""
    data = bytearray(whole(chance))
    for _ in range(chance.randint(1, 6)):
        place = chance.randint(0, len(data))
        some = chance.choice(
            (b"", bytes([chance.randrange(256)]), b"\r\n", b"\0", data[place:] + data[:9], b"\xff" * 300)
        )
        data[place : place + chance.choice((0, 1, 1, 40))] = some
    return bytes(data) or b"\r\n"


def cut(chance):
    data = whole(chance)
    return data[: chance.randrange(1, len(data))]


def heads(chance):
    """Headers that are many, long, twice there, or no headers."""
    kinds = (
        lambda: "".join(f"X-{i}: {i}\r\n" for i in range(chance.randint(100, 3_000))),
        lambda: f"X: {'y' * chance.choice((8_000, 70_000, 300_000))}\r\n",
        lambda: "Content-Length: 3\r\nContent-Length: 4\r\nHost: b\r\n",
        lambda: chance.choice((": a", "a", "a b: c", "a:\0", " folded", "Host: \x7f", "Accept: \xe9")) + "\r\n",
        lambda: "X: y\r\n" * 20_000,
    )
    return f"GET /search?q=tea HTTP/1.1\r\n{HEAD}{chance.choice(kinds)()}\r\n".encode("latin-1")


def lengths(chance):
    """A body that is of another length than it says, in chunks that are none, or in two ways at once."""
    path, body = chance.choice(BODIES)
    data, kind = json.dumps(body).encode(), chance.randrange(4)
    if kind == 0:
        return posted(path, data, length=chance.choice(LENGTHS))
    if kind == 1:
        return posted(path, data, HEAD + "Transfer-Encoding: chunked\r\n")
    if kind == 2:
        return posted(path, data, HEAD + "Expect: 100-continue\r\n")
    chunk = chance.choice((f"{len(data):x}", "fffffffffffffffff", "-5", "zz", "5;x=" + "y" * 20_000)).encode()
    head = f"POST {path} HTTP/1.1\r\n{HEAD}Transfer-Encoding: chunked\r\n\r\n".encode()
    return head + chunk + b"\r\n" + data + chance.choice((b"\r\n0\r\n\r\n", b"", b"\n0\n\n"))


def lines(chance):
    """First lines of all kinds."""
    version = chance.choice(("HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "HTTP/9.9", "http/1.1", "", "HTTP/1.1 more"))
    extra = chance.choice(("", "", "Upgrade: websocket\r\nConnection: Upgrade\r\n", "Upgrade: h2c\r\n"))
    return f"{chance.choice(METHODS)} {chance.choice(PATHS)} {version}\r\n{HEAD}{extra}\r\n".encode()


def bodies(chance):
    """Bodies that are no JSON, or JSON that is no request."""
    path, body = chance.choice(BODIES)
    data = bytearray(json.dumps(body).encode())
    for _ in range(chance.randint(1, 3)):
        data[chance.randrange(len(data))] = chance.randrange(256)
    other = (b"", b"null", b"[]", b'{"query":' * 5_000, chance.randbytes(60), b"\xff" * 9, b" " * 1_100_000, b"1e999")
    return posted(path, bytes(data) if chance.random() < 0.7 else chance.choice(other))


def pipelined(chance):
    kept = [whole(chance).replace(b"Connection: close\r\n", b"") for _ in range(chance.randint(1, 5))]
    return b"".join([*kept, chance.choice((whole, mutated, noise))(chance)])


BROKEN = (noise, mutated, mutated, cut, heads, lengths, lines, bodies, pipelined)


async def sent(port, data, chance, patience, is_whole):
    """The statuses that were answered; a sender may be slow, may stop in the middle, and may just go away."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        manner = chance.random()
        size = len(data) if manner > 0.1 else 1 + len(data) // 8
        steps = [data[i : i + size] for i in range(0, len(data), size)]
        for step in steps:
            writer.write(step)
            await asyncio.sleep(0 if len(steps) == 1 else chance.random() * 0.02)
        if not is_whole and manner > 0.95:
            writer.transport.abort()
            return []
        return await _answers(reader, writer, patience, is_whole)
    except TimeoutError:
        raise
    except OSError:  # it was hung up on, as senders of nonsense are
        return []
    finally:
        writer.close()


async def _answers(reader, writer, patience, is_whole):
    """Whoever sent a whole request is answered and hung up on; others are once they have said that there is no more."""
    heard = b""
    if not is_whole:
        with contextlib.suppress(TimeoutError):
            heard = await asyncio.wait_for(reader.read(65_536), GLANCE)
        if writer.can_write_eof() and not writer.is_closing():
            writer.write_eof()
    while more := await asyncio.wait_for(reader.read(65_536), patience):
        heard += more
    return [int(status) for status in STATUS.findall(heard)]


class Sender:
    """Sends so many requests, some at a time, and counts what came of them."""

    def __init__(self, port, seed, patience, at_once=32):
        self._port, self._chance, self._patience, self._at_once = port, random.Random(seed), patience, at_once
        self.heard, self.unanswered = {}, []

    async def send(self, cases):
        self._left = cases
        await asyncio.gather(*(self._some() for _ in range(self._at_once)))

    async def _some(self):
        while self._left > 0:
            self._left -= 1
            is_whole = self._chance.random() < 0.1
            data = (whole if is_whole else self._chance.choice(BROKEN))(self._chance)
            try:
                found = await sent(self._port, data, self._chance, self._patience, is_whole)
            except TimeoutError:
                found = []
                self.unanswered.append(data[:2_000])
            if is_whole and len(found) != 1:
                self.unanswered.append(data[:2_000])
            for status in found:
                self.heard[status] = self.heard.get(status, 0) + 1
