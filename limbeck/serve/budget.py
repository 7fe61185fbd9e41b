"""How long a request may take, and how many candidates can be graded in what is left of it."""

import time
from collections.abc import Callable

SMOOTHING = 0.1  # the share that the newest measurement has in the moving average


class Budget:
    """The seconds left to one request; without a limit there are always enough. `degraded` says what was left out."""

    def __init__(self, seconds: float | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._end = clock, None if seconds is None else clock() + seconds
        self.degraded: str | None = None

    @property
    def left(self) -> float:
        """Seconds; infinite without a limit, never below zero."""
        return float("inf") if self._end is None else max(0.0, self._end - self._clock())


class Pace:
    """Seconds that something takes per item, as an exponentially weighted mean of what was measured."""

    def __init__(self) -> None:
        self._mean: float | None = None

    def measured(self, items: int, seconds: float) -> None:
        """So many items took so long."""
        if items:
            each = seconds / items
            self._mean = each if self._mean is None else self._mean + SMOOTHING * (each - self._mean)

    def within(self, seconds: float, most: int) -> int:
        """How many items can be expected to be done in that time, at most `most`; before any measurement, `most`."""
        if not self._mean or seconds >= most * self._mean:
            return most
        return int(seconds / self._mean)

    def of(self, items: float) -> float:
        """Seconds that so many items can be expected to take; zero before any measurement."""
        return items * (self._mean or 0.0)
