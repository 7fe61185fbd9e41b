"""Vectors of queries in a Redis or Valkey that replicas share.

A key names the kind of vector, the student and how it reads, and a digest of what it reads of the text, its tokens: the
text itself is not there, spellings that the student reads alike have one vector, and another student's are never found.
A value is a checksum over key and vector, then the vector as little-endian float32; whatever else is found there counts
as nothing.
"""

import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from itertools import islice
from typing import TypeVar, cast
from urllib.parse import quote, urlsplit

import numpy as np
from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from limbeck.errors import InputError
from limbeck.serve.breaker import REST, WAIT, Breaker
from limbeck.serve.cache import Tokens

KEPT = 7 * 24 * 3600  # seconds
AT_ONCE = 128  # keys of one call
CHECKSUM = 8  # bytes
SECONDS = 1.0  # after which the client gives up; those who ask have stopped waiting long before
T = TypeVar("T")


class Remote:
    """One connection to the server for all versions of the student; nothing here raises once it is open."""

    def __init__(
        self, url: str, wait: float = WAIT, rest: float = REST, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`InputError` where the URL cannot be one. A server that is not there is tried again after `rest` seconds."""
        self._client = _client(url)
        self.breaker = Breaker("shared_cache", self._client.ping, wait, rest, clock)
        self.refused = 0  # vectors that the server would not take, for want of memory, say

    def get(self, keys: Sequence[str]) -> list[bytes | None]:
        """What is held under each key, as far as the server says so in time."""
        found: list[bytes | None] = []
        for some in _batches(keys):
            found += self.breaker.ask(self._get, some) or [None] * len(some)
        return found

    def put(self, values: Mapping[str, bytes]) -> None:
        """Keep these for a week, or not, as the server can."""
        for some in _batches(values.items()):
            self.breaker.ask(self._put, some)

    def close(self) -> None:
        """Ask nothing more."""
        self.breaker.close()

    def _get(self, some: list[str]) -> list[bytes | None]:
        return cast(list[bytes | None], self._client.mget(some))

    def _put(self, some: list[tuple[str, bytes]]) -> None:
        pipeline = self._client.pipeline(transaction=False)
        for key, value in some:
            pipeline.set(key, value, ex=KEPT)
        said = pipeline.execute(raise_on_error=False)  # a server that takes nothing may still hold something
        self.refused += sum(isinstance(answer, Exception) for answer in said)


class RemoteCache:
    """Vectors of one kind, by one student, in the server; `of` tells them from all others."""

    def __init__(self, remote: Remote, of: str, tokens: Tokens) -> None:
        self._remote, self._of, self._tokens = remote, of, tokens

    def get_many(self, texts: Sequence[str]) -> dict[str, np.ndarray]:
        """The vectors of those that are held whole."""
        keys = self._keys(texts)
        found = {text: unpacked(key, value) for text, key, value in zip(texts, keys, self._remote.get(keys)) if value}
        return {text: vector for text, vector in found.items() if vector is not None}

    def put_many(self, vectors: Mapping[str, np.ndarray]) -> None:
        """Keep these."""
        self._remote.put({key: packed(key, v) for key, v in zip(self._keys(list(vectors)), vectors.values())})

    def _keys(self, texts: Sequence[str]) -> list[str]:
        read = self._tokens(texts)
        return [f"limbeck:{self._of}:{blake2b(tokens, digest_size=16).hexdigest()}" for tokens in read]


def packed(key: str, vector: np.ndarray) -> bytes:
    """A vector, float32 (d,), as it is kept under a key."""
    data = vector.astype("<f4").tobytes()
    return _checksum(key, data) + data


def unpacked(key: str, value: bytes) -> np.ndarray | None:
    """The vector that was packed for this key; None where this is anything else."""
    data = value[CHECKSUM:]
    if len(data) % 4 or value[:CHECKSUM] != _checksum(key, data):
        return None
    return np.frombuffer(data, "<f4").astype(np.float32)


def _checksum(key: str, data: bytes) -> bytes:
    return blake2b(key.encode() + data, digest_size=CHECKSUM).digest()


def _batches(items: Iterable[T]) -> Iterator[list[T]]:
    rest = iter(items)
    while some := list(islice(rest, AT_ONCE)):
        yield some


def _client(url: str) -> Redis:
    """A client that connects when it is first used, and tries nothing twice."""
    ours = {
        "protocol": 2,
        "decode_responses": False,
        "retry": Retry(NoBackoff(), 0),
        "socket_timeout": SECONDS,
        "socket_connect_timeout": SECONDS,
        "driver_info": None,  # which would be told to the server in two more calls
    }
    try:
        address = _with_variables(url)
        parts = urlsplit(address)
        if parts.scheme != "unix" and not (parts.hostname and re.fullmatch(r"/?\d*", parts.path)):
            raise ValueError
        client = Redis.from_url(address, **ours)
        pool = client.connection_pool
        pool.connection_kwargs.update(ours)  # whatever the URL's options say
        pool.connection_class(**pool.connection_kwargs)  # refuses options that there are not; connects to nothing
    except (ValueError, TypeError, RedisError):  # their words may repeat the password
        remedy = "Such as redis://:${REDIS_PASSWORD}@localhost:6379/0, rediss://… or unix:///run/redis.sock"
        raise InputError("serve.redis is no address of a Redis", remedy=remedy) from None
    return client


def _with_variables(url: str) -> str:
    """The URL with each ${NAME} replaced by the environment variable, which is the whole URL or a part as it is."""

    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        if not os.environ.get(name):
            raise InputError(f"serve.redis names {name}, which is not set", remedy=f"Set {name}")
        return os.environ[name] if match.group() == url else quote(os.environ[name], safe="")

    return re.sub(r"\$\{(\w+)\}", value, url)
