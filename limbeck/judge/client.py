"""One request to the endpoint, and the patience around it: time limits, retries that back off, bounded bodies.

Waits double with each retry, with jitter, and are never shorter than the server's Retry-After, which holds back all
requests. What a server says about itself is shortened, and the API key is never repeated.
"""

import asyncio
import os
import random
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx
import msgspec

from limbeck import __version__
from limbeck.errors import InputError
from limbeck.judge.answer import Distribution, Tokens, UnansweredError, UnreadableError, distribution, tokens
from limbeck.judge.budget import Budget, Receipt
from limbeck.judge.prompt import Prompt
from limbeck.settings import Judge

MOST_BYTES = 1 << 20  # of an answer; a real one has a few thousand
ASK_AGAIN = {408, 409, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529}
HOPELESS = {401: "the API key is refused", 403: "the API key may not do this", 404: "no such address or model"}
HOPELESS |= {402: "the account has no credit", 405: "the address takes no questions"}
FREE = Tokens(0, 0)
MOST_UNANSWERED = 2  # times that a pair is asked which the model answers, but not with a level
_JSON = ("application/json", "application/problem+json")


class HopelessError(Exception):
    """Nothing will be answered until somebody changes something: a wrong key, model or address."""


class _FailedError(Exception):
    """One request failed. `wait`: seconds that the server asks for; `again`: whether to ask again at all."""

    def __init__(self, reason: str, again: bool = True, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.again, self.wait = again, wait


def key_of(judge: Judge) -> str | None:
    """The API key from the environment; `InputError` where the variable that is named is not set."""
    if judge.key_variable is None:
        return None
    key = os.environ.get(judge.key_variable, "").strip()
    if not key:
        raise InputError(f"the judge's API key is missing: the variable {judge.key_variable} is not set")
    if not (key.isascii() and key.isprintable()):
        raise InputError(f"the variable {judge.key_variable} holds no API key: it has characters that none can have")
    return key


class Client:
    """Asks an endpoint about pairs. Used inside one event loop, as a context."""

    def __init__(self, prompt: Prompt) -> None:
        self._prompt, self._judge = prompt, prompt.judge
        self._key = key_of(self._judge)
        self._url = self._judge.endpoint.rstrip("/") + "/chat/completions"
        self._not_before = 0.0  # by the monotonic clock: a server that is too busy is too busy for all
        self._random = random.Random()

    async def __aenter__(self) -> "Client":
        # Bodies come as they are: an unpacked one could be a thousand times as large as what was counted.
        headers = {"accept-encoding": "identity", "user-agent": f"limbeck/{__version__}"}
        if self._key:
            headers["authorization"] = f"Bearer {self._key}"
        limits = httpx.Limits(max_connections=self._judge.concurrency)
        self._http = httpx.AsyncClient(headers=headers, timeout=self._judge.timeout_seconds, limits=limits)
        return self

    async def __aexit__(self, *ended: object) -> None:
        await self._http.aclose()

    async def ask(self, query: str, text: str, key: str, budget: Budget) -> str | None:
        """Have one pair answered, asked again where that may help: the answer lies in the cache under `key`.

        The reason where there is no answer. `HopelessError` where no pair will be answered, `SpentError` by the budget.
        """
        payload = msgspec.json.encode(self._prompt.body(query, text))
        unanswered = 0
        for attempt in range(self._judge.retries + 1):
            await self._wait_for_turn()
            try:
                async with budget.request(key, self._most(payload)) as receipt:
                    receipt.answer = await self._once(payload, receipt)
                return None
            except UnansweredError as error:
                reason, unanswered = str(error), unanswered + 1
                if unanswered == MOST_UNANSWERED:
                    break
            except _FailedError as error:
                reason = str(error)
                if not error.again or attempt == self._judge.retries:
                    break
                await self._back_off(attempt, error.wait)
        return reason

    def _most(self, payload: bytes) -> Tokens:
        """The most that a request can cost: no token is less than a byte of what is sent."""
        return Tokens(len(payload), self._prompt.most_output)

    async def _once(self, payload: bytes, receipt: Receipt) -> Distribution:
        """Send one request and read its answer. What breaks off in between may have been answered, and counts."""
        try:
            async with asyncio.timeout(self._judge.timeout_seconds):
                body = await self._post(payload, receipt)
        except (TimeoutError, httpx.TimeoutException):
            raise _FailedError(f"no answer within {self._judge.timeout_seconds:g} s") from None
        except (httpx.ConnectError, httpx.UnsupportedProtocol, httpx.ProxyError) as error:
            receipt.cost = FREE
            raise _FailedError(f"cannot connect ({type(error).__name__})") from None
        except httpx.HTTPError as error:
            raise _FailedError(f"the connection broke off ({type(error).__name__})") from None
        receipt.cost = tokens(body) or receipt.cost
        try:
            return distribution(body, self._judge.mode)
        except UnreadableError as error:
            raise _FailedError(str(error)) from None

    async def _post(self, payload: bytes, receipt: Receipt) -> bytes:
        """The body of a good answer; `_FailedError` for any other status, `HopelessError` for some."""
        headers = {"content-type": "application/json"}
        async with self._http.stream("POST", self._url, content=payload, headers=headers) as response:
            body = await self._read(response)
            status = response.status_code
            receipt.cost = receipt.cost if status == 200 else FREE
            if status in HOPELESS or 300 <= status < 400:
                what = HOPELESS.get(status, "the address has moved, and nothing is sent to another one")
                raise HopelessError(f"{self._url} answers {status}: {what}")
            if status != 200:
                wait = retry_after(response.headers.get("retry-after"))
                raise _FailedError(self._complaint(status, body), status in ASK_AGAIN, wait)
            kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
            if kind and kind not in _JSON:
                raise _FailedError(f"the answer is {kind[:40]!a}, not JSON")
            return body

    async def _read(self, response: httpx.Response) -> bytes:
        found = bytearray()
        async for part in response.aiter_raw():
            found += part
            if len(found) > MOST_BYTES:
                raise _FailedError(f"the answer is longer than {MOST_BYTES:,} bytes", again=False)
        return bytes(found)

    def _complaint(self, status: int, body: bytes) -> str:
        """A status with what the server says about it."""
        said = " ".join(body[:400].decode("utf-8", "replace").split())[:200]
        said = said.replace(self._key, "…") if self._key else said
        return f"status {status}" + (f": {said!a}" if said else "")

    async def _wait_for_turn(self) -> None:
        while (left := self._not_before - time.monotonic()) > 0:
            await asyncio.sleep(left)

    async def _back_off(self, attempt: int, wanted: float) -> None:
        """Wait before asking again: exponential with jitter, or as long as the server wants if that is longer."""
        longest = self._judge.longest_wait_seconds
        if wanted > longest:
            raise HopelessError(f"{self._url} asks to wait {wanted:,.0f} s (judge.longest_wait_seconds is {longest:g})")
        self._not_before = max(self._not_before, time.monotonic() + wanted)
        wait = min(longest, self._judge.first_wait_seconds * 2**attempt)
        await asyncio.sleep(max(wanted, wait * self._random.uniform(0.5, 1)))


def retry_after(value: str | None) -> float:
    """Seconds from a Retry-After header (RFC 9110, 10.2.3), a number or a date; 0 where it is neither."""
    if value is None:
        return 0.0
    try:
        seconds = float(value)
    except ValueError:
        try:
            when = parsedate_to_datetime(value)
        except ValueError:
            return 0.0
        when = when if when.tzinfo else when.replace(tzinfo=UTC)
        seconds = (when - datetime.now(UTC)).total_seconds()
    return seconds if 0 < seconds < float("inf") else 0.0
