"""How long a request may take, and how many candidates can be graded in what is left of it."""

import time
from collections.abc import Callable

SMOOTHING = 0.1  # the share that the newest measurement has in the moving average
FEWER = "fewer candidates"  # ways to answer with less work than usual
LATE, FAILED = "text match: no time to grade", "text match: the student failed"
LEAST_SPREAD = 0.05  # of the numbers of items, as a share of their mean, from which they tell what one costs


class Budget:
    """The seconds left to one request; without a limit there are always enough. `degraded` says what was left out."""

    def __init__(self, seconds: float | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._end = clock, None if seconds is None else clock() + seconds
        self.degraded: str | None = None

    @property
    def left(self) -> float:
        """Seconds; infinite without a limit, never below zero."""
        return float("inf") if self._end is None else max(0.0, self._end - self._clock())

    @property
    def graded(self) -> bool:
        """Whether the student graded what was answered."""
        return self.degraded not in (LATE, FAILED)


class Pace:
    """Seconds that something takes per item, as an exponentially weighted mean of what was measured."""

    def __init__(self) -> None:
        self._mean: float | None = None

    def measured(self, items: int, seconds: float) -> None:
        """So many items took so long."""
        if items:
            each = seconds / items
            self._mean = each if self._mean is None else self._mean + SMOOTHING * (each - self._mean)

    def of(self, items: float) -> float:
        """Seconds that so many items can be expected to take; zero before any measurement."""
        return items * (self._mean or 0.0)


class Cost:
    """Seconds that grading takes by the number of candidates: a line, fitted to what was measured, the newest most.

    Something is paid for any at all. A cost for each alone would be a trap: of few, most is what any cost, so that many
    look too dear, and only few are ever graded again. Least squares with exponentially falling weights. Where all
    measurements are of about the same number, the line is taken for flat: to try more tells what more cost.
    """

    def __init__(self) -> None:
        self._sums = (0.0, 0.0, 0.0, 0.0, 0.0)  # of weights, items, seconds, items², items × seconds
        self._heard = False

    def measured(self, items: int, seconds: float) -> None:
        """So many items took so long. The first time says nothing: then all is loaded and compiled that is so late."""
        if self._heard and items:
            new = (1.0, items, seconds, items * items, items * seconds)
            self._sums = tuple((1 - SMOOTHING) * old + part for old, part in zip(self._sums, new))  # type: ignore[assignment]
        self._heard = True

    def within(self, seconds: float, most: int) -> int:
        """How many items can be expected to be done in that time, at most `most`; before any measurement, `most`."""
        fixed, each = self._line()
        if seconds > 0 and seconds >= fixed + each * most:
            return most
        return min(most, int(max(0.0, seconds - fixed) / each)) if each else 0

    def _line(self) -> tuple[float, float]:
        """Seconds for any items, and for each."""
        weight, *sums = self._sums
        if not weight:
            return 0.0, 0.0
        items, seconds, squares, products = (part / weight for part in sums)
        spread = squares - items * items
        slope = (products - items * seconds) / spread if spread > (LEAST_SPREAD * items) ** 2 else 0.0
        each = min(max(0.0, slope), seconds / items)
        return seconds - each * items, each
