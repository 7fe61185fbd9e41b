"""A picture's bytes from a URL, from public addresses only, within limits of time and size.

A host is resolved once, all its addresses are checked, and the connection goes to a checked address itself: there is no
second look-up between check and use. Redirects are followed by hand, each as a new request. No proxy, cookie or
credential of the environment is used.
"""

import re
import ssl
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from urllib.parse import quote, urljoin, urlsplit

import httpcore2

from limbeck import __version__
from limbeck.captions.addresses import Resolver, checked, system_resolver
from limbeck.captions.bodies import body
from limbeck.captions.skipped import PassingError, SkippedError

MOST_REDIRECTS = 5
PAUSES = (1.0, 3.0)  # seconds before the second and the third attempt, where the reason may pass
HEADER_BYTES = 1 << 16
PORTS = {"http": 80, "https": 443}
PASSING = {408, 425, 429, 500, 502, 503, 504}
HOST = re.compile(r"[a-z0-9._:-]+")
AS_IT_IS = "%/:=&~+!$,;'@()*[]"  # what stays in a path or query; the rest is percent-encoded

Dial = Callable[[str, int, float | None], httpcore2.NetworkStream]  # IP address, port, seconds → connection


def dial(address: str, port: int, seconds: float | None) -> httpcore2.NetworkStream:
    """A TCP connection to an IP address."""
    return httpcore2.SyncBackend().connect_tcp(address, port, seconds)


@dataclass(frozen=True)
class Place:
    """What a URL names. `target` is path and query, ASCII."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """The Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"


def parse(url: str) -> Place:
    """The place that an http(s) URL names; `SkippedError` for anything else. Credentials are not for us to send."""
    url = url.strip(" ")
    if re.search(r"[\x00-\x1f\x7f\\]", url):  # what parsers disagree on
        raise SkippedError("not a URL")
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").encode("idna").decode("ascii").lower()
        port = parts.port
    except (ValueError, UnicodeError):
        raise SkippedError("not a URL") from None
    if parts.scheme not in PORTS:
        raise SkippedError("neither http nor https")
    if not HOST.fullmatch(host) or "@" in parts.netloc or port == 0:
        raise SkippedError("not a URL")
    query = f"?{quote(parts.query, safe=AS_IT_IS + '/?')}" if parts.query else ""
    return Place(parts.scheme, host, port or PORTS[parts.scheme], quote(parts.path or "/", safe=AS_IT_IS) + query)


class Fetcher:
    """Fetches pictures. Tests may bring a `resolve` and a `dialled`, but never the check between the two."""

    def __init__(
        self,
        seconds: float,
        max_bytes: int,
        resolve: Resolver = system_resolver,
        dialled: Dial = dial,
        trust: ssl.SSLContext | None = None,
        pauses: Iterable[float] = PAUSES,
    ) -> None:
        self._seconds, self._max_bytes, self._pauses = seconds, max_bytes, tuple(pauses)
        self._resolve, self._dialled, self._trust = resolve, dialled, trust or httpcore2.default_ssl_context()

    def fetch(self, url: str) -> bytes:
        """The bytes of what is to be a picture; `SkippedError` says why there are none."""
        for pause in self._pauses:
            try:
                return self._follow(url)
            except PassingError:
                time.sleep(pause)
        return self._follow(url)

    def _follow(self, url: str) -> bytes:
        deadline = time.monotonic() + self._seconds
        for _ in range(MOST_REDIRECTS + 1):
            answer = self._ask(parse(url), deadline)
            if isinstance(answer, bytes):
                return answer
            url = _joined(url, answer)
        raise SkippedError("too many redirects")

    def _ask(self, place: Place, deadline: float) -> bytes | str:
        """What one request brings: a body, or where to go on."""
        line = _Line(self._resolve, self._dialled, deadline, self._max_bytes + HEADER_BYTES)
        origin = httpcore2.Origin(place.scheme.encode(), place.host.encode(), place.port)
        url = httpcore2.URL(
            scheme=origin.scheme, host=origin.host, port=place.port, target=place.target.encode("ascii")
        )
        headers = [
            ("Host", place.authority),
            ("User-Agent", f"limbeck/{__version__}"),
            ("Accept", "image/webp,image/png,image/jpeg"),
            ("Accept-Encoding", "identity"),
        ]
        timeouts = {"timeout": dict.fromkeys(("connect", "read", "write"), self._seconds)}
        try:
            with (
                httpcore2.HTTPConnection(origin, ssl_context=self._trust, network_backend=line) as connection,
                connection.stream("GET", url, headers=headers, extensions=timeouts) as response,
            ):
                return self._answer(response)
        except httpcore2.TimeoutException:
            raise PassingError("timed out") from None
        except (httpcore2.NetworkError, httpcore2.ProtocolError):
            raise PassingError("connection failed") from None

    def _answer(self, response: httpcore2.Response) -> bytes | str:
        headers = {name.lower(): value.decode("latin-1") for name, value in reversed(response.headers)}
        if response.status in (301, 302, 303, 307, 308) and b"location" in headers:
            return headers[b"location"]
        if response.status != 200:
            error = PassingError if response.status in PASSING else SkippedError
            raise error(f"HTTP {response.status}")
        return body(headers, response.iter_stream(), self._max_bytes)


def _joined(url: str, location: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError:
        raise SkippedError("not a URL") from None


class _Line(httpcore2.NetworkBackend):
    """Connects to a checked address of a host, and to nothing else."""

    def __init__(self, resolve: Resolver, dialled: Dial, deadline: float, limit: int) -> None:
        self._resolve, self._dialled, self._deadline, self._limit = resolve, dialled, deadline, limit

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        """To the first address that answers, each of them checked."""
        addresses = checked(host, port, self._resolve, _left(self._deadline))
        for address in addresses[:-1]:
            try:
                return self._connected(address, port)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                continue
        return self._connected(addresses[-1], port)

    def _connected(self, address: str, port: int) -> httpcore2.NetworkStream:
        return _Limited(self._dialled(address, port, _left(self._deadline)), self._deadline, self._limit)


class _Limited(httpcore2.NetworkStream):
    """A connection that ends with the time, or with the bytes, that it was given."""

    def __init__(self, stream: httpcore2.NetworkStream, deadline: float, limit: int) -> None:
        self._stream, self._deadline, self._left = stream, deadline, limit

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """As many bytes as are there, counted."""
        data = self._stream.read(max_bytes, _left(self._deadline))
        self._left -= len(data)
        if self._left < 0:
            raise SkippedError("too many bytes")
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """All of it, in time."""
        self._stream.write(buffer, _left(self._deadline))

    def close(self) -> None:
        """Hang up."""
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        """The same limits over TLS; the certificate has to be the host's, whichever address was dialled."""
        secured = self._stream.start_tls(ssl_context, server_hostname, _left(self._deadline))
        return _Limited(secured, self._deadline, self._left)

    def get_extra_info(self, info: str) -> object:
        """What the connection knows of itself."""
        return self._stream.get_extra_info(info)


def _left(deadline: float) -> float:
    """Seconds until the deadline; never none at all, which would mean no limit."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise PassingError("timed out")
    return left
