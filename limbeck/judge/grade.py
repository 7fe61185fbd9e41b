"""The judge as a Grader: what is known comes from the cache, the rest is asked for, and what stays open is said."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
from rich.markup import escape

from limbeck.errors import IncompleteError
from limbeck.judge import cache
from limbeck.judge.answer import Tokens
from limbeck.judge.budget import Budget, SpentError, dollars
from limbeck.judge.cache import Cache
from limbeck.judge.client import Client, HopelessError
from limbeck.judge.prompt import Prompt, message
from limbeck.progress import Advance, say, track
from limbeck.relevance import LEVELS
from limbeck.workspace import digest_of

BYTES_PER_TOKEN = 4  # of English; for the forecast alone
OUTPUT = {"logprobs": 2, "json": 30}
MOST_IN_A_ROW = 20  # pairs without an answer after which nothing more is asked
UNKNOWING = np.full(len(LEVELS), 1 / len(LEVELS), np.float32)  # a pair that is left without an answer
KEEPS = "What is answered is kept: the same command asks only for the rest"


@dataclass(frozen=True)
class Pair:
    """One thing to ask, and where its answer lies in the cache."""

    key: str
    query: str
    text: str


@dataclass
class Course:
    """How the asking went: pairs that failed by reason, with an example each, and why it stopped early, if it did."""

    failed: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    in_a_row: int = 0
    stopped: str = ""

    def note(self, reason: str | None) -> None:
        """A pair was answered (None), or failed for this reason."""
        self.in_a_row = self.in_a_row + 1 if reason else 0
        if reason:
            kind = reason.partition(": ")[0]
            self.failed[kind] += 1
            self.examples.setdefault(kind, reason)

    def reasons(self) -> str:
        """What went wrong, and how often, most often first."""
        return "; ".join(f"{n:,} × {self.examples[kind]}" for kind, n in self.failed.most_common())


class JudgeGrader:
    """A language model behind an endpoint as a Grader. `texts` (pin_id, text); a Pin without one says nothing."""

    name = "judge"

    def __init__(self, prompt: Prompt, texts: pa.Table, answers: Path) -> None:
        """`answers`: the file of the cache."""
        self._prompt, self._answers = prompt, answers
        self._texts = dict(zip(texts.column("pin_id").to_pylist(), texts.column("text").to_pylist()))
        self.failures: Mapping[str, int] = {}  # of the last call of `grade`: pairs by reason

    def grade(self, pairs: pa.Table) -> np.ndarray:
        """Five probabilities per pair, float32 (n, 5); equal ones for the few that may stay unanswered.

        `IncompleteError` where more than `most_failures` of the pairs have no answer; those that have one are kept.
        """
        wanted = self._wanted(pairs)
        with Cache(self._answers, self._prompt.judge) as known:
            missing = list({p.key: p for p in wanted if known.get(p.key) is None}.values())
            course = self._ask(missing, known) if missing else Course()
            self.failures = dict(course.failed)
            found = [known.get(p.key) for p in wanted]
        self._complain(course, sum(answer is None for answer in found), len(found))
        rows = [UNKNOWING if answer is None else np.asarray(answer, np.float32) for answer in found]
        return np.stack(rows) if rows else np.zeros((0, len(LEVELS)), np.float32)

    def _wanted(self, pairs: pa.Table) -> list[Pair]:
        found, digests = [], dict[str, str]()
        for query, pin in zip(pairs.column("query").to_pylist(), pairs.column("pin_id").to_pylist()):
            text = self._texts.get(pin, "")
            digest = digests.setdefault(pin, digest_of(text))
            found.append(Pair(cache.key_of(self._prompt.digest, query, digest), query, text))
        return found

    def _ask(self, missing: list[Pair], known: Cache) -> Course:
        say("judge", f"  {escape(forecast_line(missing, self._prompt, known))}", pairs=len(missing))
        course = Course()
        with track("judge", len(missing), "pairs") as advance:
            try:
                asyncio.run(_ask_all(self._prompt, missing, Budget(self._prompt.judge, known), course, advance))
            except BaseExceptionGroup as failed:  # of the tasks: the first one to fail has ended the others
                raise failed.exceptions[0] from None
        return course

    def _complain(self, course: Course, open_: int, pairs: int) -> None:
        """Say what has no answer; `IncompleteError` where that is too much."""
        if not open_:
            return
        answered = f"{pairs - open_:,} of {pairs:,} pairs are answered"
        if course.stopped:
            raise IncompleteError(f"the judge stopped: {course.stopped}. {answered}. {KEEPS}")
        line = f"the judge left {open_:,} of {pairs:,} pairs without an answer: {course.reasons()}"
        if open_ > pairs * self._prompt.judge.most_failures:
            raise IncompleteError(f"{line}. {KEEPS}")
        say("judge failures", f"  [yellow]{escape(line)}; they count as unknown[/]", failures=self.failures)


async def _ask_all(prompt: Prompt, missing: list[Pair], budget: Budget, course: Course, advance: Advance) -> None:
    """Ask for the answers to all pairs, so many at once; answers go to the cache, what went wrong to `course`."""
    left = iter(missing)
    async with Client(prompt) as client, asyncio.TaskGroup() as group:
        for _ in range(min(prompt.judge.concurrency, len(missing))):
            group.create_task(_work(client, left, budget, course, advance))


async def _work(client: Client, left: Iterator[Pair], budget: Budget, course: Course, advance: Advance) -> None:
    """One of several that ask side by side: the next pair, until there is none or it makes no sense to go on."""
    for pair in left:
        try:
            course.note(await client.ask(pair.query, pair.text, pair.key, budget))
        except (HopelessError, SpentError) as error:
            course.stopped = course.stopped or str(error)
        advance(1)
        if course.in_a_row >= MOST_IN_A_ROW:
            course.stopped = course.stopped or f"{course.in_a_row} pairs in a row had no answer ({course.reasons()})"
        if course.stopped:
            return


def forecast(queries_and_texts: list[tuple[str, str]], prompt: Prompt) -> Tokens:
    """About how many tokens it takes to ask about some pairs."""
    sent = sum(len(message(query, text).encode()) for query, text in queries_and_texts)
    sent += len(prompt.system.encode()) * len(queries_and_texts)
    return Tokens(sent // BYTES_PER_TOKEN, OUTPUT[prompt.judge.mode] * len(queries_and_texts))


def forecast_line(missing: list[Pair], prompt: Prompt, known: Cache) -> str:
    """What is about to be asked, what it will cost, and what was spent before."""
    judge, cost = prompt.judge, forecast([(p.query, p.text) for p in missing], prompt)
    line = f"asking {judge.model} about {len(missing):,} pairs: about {cost.input:,} tokens in, {cost.output:,} out"
    if judge.dollars_per_million_input or judge.dollars_per_million_output:
        line += f", ${dollars(cost, judge):.2f} (spent before: ${dollars(known.spent, judge):.2f})"
    return line
