"""What may still be spent: every request is paid for beforehand with the most it can cost, and gets its change back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from limbeck.judge.answer import Distribution, Tokens
from limbeck.judge.cache import Cache
from limbeck.settings import Judge


class SpentError(Exception):
    """The budget allows no further request."""


@dataclass
class Receipt:
    """What a request cost (the most that it can, until that is known), and its answer."""

    cost: Tokens
    answer: Distribution | None = None


class Budget:
    """Money and calls of all runs together, as the cache remembers them; requests and answers are noted there."""

    def __init__(self, judge: Judge, cache: Cache) -> None:
        self._judge, self._cache = judge, cache
        self._open: list[Tokens] = []  # of the requests that are under way
        self._change = asyncio.Condition()

    @asynccontextmanager
    async def request(self, key: str, most: Tokens) -> AsyncIterator[Receipt]:
        """While one request is under way that costs `most` at most. `SpentError` where it may break the budget."""
        await self._reserve(most)
        receipt = Receipt(most)
        try:
            yield receipt
        finally:
            self._open.remove(most)
            self._cache.put(receipt.cost, key if receipt.answer else None, receipt.answer)
            async with self._change:
                self._change.notify_all()

    async def _reserve(self, most: Tokens) -> None:
        """Wait until there is room for one more request; what is under way often costs less than was set aside."""
        async with self._change:
            while limit := self._exceeded(most):
                if not self._open:
                    raise SpentError(limit)
                await self._change.wait()
            self._open.append(most)

    def _exceeded(self, most: Tokens) -> str:
        """The limit that one more request may break; empty where it breaks none."""
        judge, asked = self._judge, [*self._open, most]
        if judge.most_calls is not None and self._cache.calls + len(asked) > judge.most_calls:
            return f"{self._cache.calls:,} calls are made, and judge.most_calls is {judge.most_calls:,}"
        spent = dollars(self._cache.spent, judge)
        if judge.most_dollars is not None and spent + sum(dollars(t, judge) for t in asked) > judge.most_dollars:
            return f"${spent:.4f} are spent, and judge.most_dollars is {judge.most_dollars:g}"
        return ""


def dollars(tokens: Tokens, judge: Judge) -> float:
    """What tokens cost at the prices in the settings."""
    prices = judge.dollars_per_million_input, judge.dollars_per_million_output
    return (tokens.input * prices[0] + tokens.output * prices[1]) / 1e6
