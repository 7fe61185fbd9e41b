"""What the labelling of all pairs will cost, measured on the first few and said before the others begin."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from limbeck.labels.soften import Work
from limbeck.progress import duration, say
from limbeck.relevance import Grader

SAMPLE = 1_000  # pairs whose tokens are counted

Tokens = Callable[[pa.Table], np.ndarray]


class Begun:
    """A grader that has been asked about `pairs` already: it is not asked again, and `seconds` is how long it took."""

    def __init__(self, grader: Grader, pairs: pa.Table) -> None:
        grader.grade(pairs.slice(0, 0))  # what only the first call has to do is no measure of the others
        begun = time.monotonic()
        self._grader, self.pairs, self._answers = grader, pairs, grader.grade(pairs)
        self.name, self.seconds = grader.name, time.monotonic() - begun

    def grade(self, pairs: pa.Table) -> np.ndarray:
        """As the grader does: float32 (n, 5)."""
        return self._answers if pairs.equals(self.pairs) else self._grader.grade(pairs)


@dataclass(frozen=True)
class Estimate:
    """How much there is to do, and what that will take; but for the counts of pairs, all of it is about."""

    pairs: int
    known: int
    tokens: int
    pairs_per_second: float
    seconds: float
    dollars: float | None  # where the price of an hour is known

    def say(self) -> None:
        """One line."""
        known = f"{self.known:,} pairs are known"
        if not self.pairs:
            say("estimate", f"  {known}, none is to be graded", **vars(self))
            return
        work = f"{self.pairs:,} pairs to grade, about {self.tokens:,} tokens"
        price = f", ${self.dollars:,.2f}" if self.dollars is not None else ""
        speed = f"{self.pairs_per_second:,.0f}" if self.pairs_per_second >= 10 else f"{self.pairs_per_second:.2g}"
        cost = f"at about {speed} pairs a second: {duration(self.seconds)}{price}"
        say("estimate", f"  {known}; {work}, {cost}", **vars(self))


def estimate(work: Work, begun: Begun, tokens: Tokens, dollars_per_hour: float) -> Estimate:
    """What all that is unknown will take, going by the pairs that the grader has begun with; a price of 0 is none."""
    left = np.flatnonzero(work.unknown)
    if not len(left):
        return Estimate(0, len(work.rows), 0, 0.0, 0.0, None)
    chosen = left[np.linspace(0, len(left) - 1, min(len(left), SAMPLE)).astype(np.int64)]
    per_pair = float(tokens(work.rows.take(pa.array(chosen))).mean())
    rate = float(tokens(begun.pairs).sum()) / begun.seconds / per_pair
    whole = len(left) / rate
    dollars = round(whole / 3600 * dollars_per_hour, 4) if dollars_per_hour else None
    counts = (len(left), len(work.rows) - len(left), round(per_pair * len(left)))
    return Estimate(*counts, float(f"{rate:.4g}"), round(whole, 1), dollars)
