"""One request at a time works with the model; some may wait for it, and the others are sent away."""

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypeVar

import anyio.to_thread

from limbeck.serve.budget import Pace
from limbeck.serve.messages import Refused

T = TypeVar("T")
Item = TypeVar("Item")
REFUSED_AFTER = 0.25  # seconds
AT_ONCE = 32  # texts that the model reads before it is another request's turn


class Queue:
    """One call after the other. Beyond `longest` waiting calls, `Refused` with 429.

    Turning a request away costs a twentieth of answering one, so that an overloaded service still answers nearly as
    many as it can, each within the time that `longest` others take. It is done after a moment: clients that ask again
    at once would else take all of the time in which others are answered.
    """

    def __init__(self, longest: int) -> None:
        self._longest, self._pace = longest, Pace()
        self._one_at_a_time = asyncio.Lock()
        self.waiting = 0  # calls that wait for the one at work

    async def work(self, call: Callable[..., T], *arguments: Any) -> T:
        """The call's answer, once those before it have theirs. It works in a thread, while requests come in."""
        if self.waiting >= self._longest:
            await self._refuse()
        return await self.due(call, *arguments)

    async def brief(self, call: Callable[..., T], *arguments: Any) -> T:
        """The same for a call of milliseconds, in the event loop: to change threads costs more than it gains.

        What came in meanwhile joins those who wait before the next one is at work.
        """
        if self.waiting >= self._longest:
            await self._refuse()
        await self._turn()
        try:
            return self._timed(call, *arguments)
        finally:
            asyncio.get_running_loop().call_soon(self._one_at_a_time.release)

    async def in_turns(self, call: Callable[[Sequence[Item]], T], items: Sequence[Item], most: int) -> list[T]:
        """The call's answers for at most so many items at a time: others have their turn in between.

        Only the first may be refused.
        """
        parts = [items[i : i + most] for i in range(0, len(items), most)] or [items]
        first, *others = parts
        return [await self.work(call, first), *[await self.due(call, part) for part in others]]

    async def due(self, call: Callable[..., T], *arguments: Any) -> T:
        """As `work`, for what may not be refused any more."""
        await self._turn()
        try:
            return await anyio.to_thread.run_sync(self._timed, call, *arguments)
        finally:
            self._one_at_a_time.release()

    async def _turn(self) -> None:
        """Wait for those that came before."""
        self.waiting += 1
        try:
            await self._one_at_a_time.acquire()
        finally:
            self.waiting -= 1

    async def _refuse(self) -> NoReturn:
        waiting = self.waiting
        await asyncio.sleep(REFUSED_AFTER)
        seconds = max(1, math.ceil(self._pace.of(waiting + 1)))
        said = f"{waiting} requests are waiting already"
        raise Refused(429, said, "Try again later", {"Retry-After": str(seconds)})

    def _timed(self, call: Callable[..., T], *arguments: Any) -> T:
        begun = time.perf_counter()
        try:
            return call(*arguments)
        finally:
            self._pace.measured(1, time.perf_counter() - begun)
