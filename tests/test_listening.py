"""Who sends a request slowly is waited for, and who never sends the rest is hung up on."""

import contextlib
import select
import socket
import threading
import time

import pytest
import uvicorn

from limbeck import listening

PATIENCE = 300  # seconds
HALVES = {
    "nothing": b"",
    "a line": b"GET / HT",
    "headers": b"GET / HTTP/1.1\r\nHost: a\r\nX: y",
    "a body": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n1234",
}
WHOLE = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n1234"


async def answering(scope, receive, send):
    """Tells how long the body was, once it is there."""
    assert scope["type"] in ("http", "lifespan")
    length, more = 0, scope["type"] == "http"
    while more:
        message = await receive()
        length, more = length + len(message.get("body", b"")), message.get("more_body", False)
    said = str(length).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(said))]})
    await send({"type": "http.response.body", "body": said})


@pytest.fixture(scope="module")
def port():
    with socket.create_server(("127.0.0.1", 0)) as door:
        config = listening.configuration(answering)
        config.lifespan = "off"
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([door],), daemon=True)
        thread.start()
        yield door.getsockname()[1]
        server.should_exit = True
        thread.join(PATIENCE)


@pytest.fixture
def brief(monkeypatch):
    monkeypatch.setattr(listening, "SECONDS_TO_SEND", 0.3)


def connected(port):
    return socket.create_connection(("127.0.0.1", port), PATIENCE)


def answered(connection):
    """One answer, whole: its body is a digit."""
    heard = b""
    while b"\r\n\r\n" not in heard[:-1]:
        more = connection.recv(65_536)
        assert more
        heard += more
    return heard


def heard_until_hung_up(connection):
    heard = b""
    with contextlib.suppress(ConnectionError):
        while more := connection.recv(65_536):
            heard += more
    return heard


@pytest.mark.parametrize("half", HALVES)
def test_who_never_sends_the_rest_is_hung_up_on(port, brief, half):
    with connected(port) as connection:
        connection.sendall(HALVES[half])
        assert heard_until_hung_up(connection) == b""


def test_who_sends_a_little_now_and_then_is_hung_up_on(port, brief):
    with connected(port) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nX: ")
        with pytest.raises(ConnectionError):
            dripped(connection)


def dripped(connection):
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        connection.sendall(b"y")
        time.sleep(0.02)


def test_the_half_behind_a_whole_request_keeps_no_connection(port, brief):
    with connected(port) as connection:
        connection.sendall(WHOLE + HALVES["a body"])
        assert heard_until_hung_up(connection).endswith(b"\r\n\r\n4")


def test_who_is_slow_but_in_time_is_answered_again_and_again_on_one_connection(port):
    with connected(port) as connection:
        for _ in range(3):
            for place in range(len(WHOLE)):
                connection.sendall(WHOLE[place : place + 1])
                time.sleep(0.001)
            assert answered(connection).startswith(b"HTTP/1.1 200 ")


def test_headers_without_end_are_refused(port):
    with connected(port) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nX: ")
        sent = 0
        with contextlib.suppress(ConnectionError):
            while not select.select([connection], [], [], 0.001)[0]:
                connection.sendall(b"y" * 1_000)
                sent += 1_000
        assert listening.MOST_HEAD < sent < 2 * listening.MOST_HEAD
        assert heard_until_hung_up(connection)[:12] in (b"HTTP/1.1 400", b"")  # nothing, if more came after it


def test_headers_of_many_requests_on_one_connection_are_counted_one_by_one(port):
    long = WHOLE.replace(b"Host: a", b"Host: a\r\nX: " + b"y" * (listening.MOST_HEAD // 2))
    with connected(port) as connection:
        for _ in range(4):
            connection.sendall(long)
            assert answered(connection).startswith(b"HTTP/1.1 200 ")


def test_headers_behind_a_body_are_let_go(port):
    chunked = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n1234\r\n0\r\nX: y\r\n\r\n"
    with connected(port) as connection:
        connection.sendall(chunked)
        assert answered(connection).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("whole", [WHOLE, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"])
def test_who_offers_another_protocol_is_answered_in_this_one(port, whole):
    """As Java's client and curl do, which ask whether HTTP/2 is spoken."""
    offering = whole.replace(b"Host: a", b"Host: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c")
    with connected(port) as connection:
        for _ in range(2):
            connection.sendall(offering)
            assert answered(connection).startswith(b"HTTP/1.1 200 ")
