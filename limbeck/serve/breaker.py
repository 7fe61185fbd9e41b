"""Calls to a server that may be dead, hung or slow, so that nobody who answers requests ever waits long for it.

A circuit breaker (Nygard, "Release It!", 2007): after a call that failed or took too long none is made for a while.
Then one on trial, which nobody waits for, decides whether calls are made again.
"""

import json
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
WAIT = 0.005  # seconds for which a call is waited for
REST = 5.0  # seconds without calls after one that failed
log = logging.getLogger("limbeck.serve")


class Breaker:
    """Makes calls in a thread of its own, one after the other. It begins with a call on trial.

    The thread is what bounds the wait whatever hangs: the look-up of a name, the connection, an answer that drips.
    """

    def __init__(
        self,
        name: str,
        trial: Callable[[], object],
        wait: float = WAIT,
        rest: float = REST,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`trial` is called twice when the server is tried: it may have to connect first, which may take longer."""
        self._name, self._trial, self._wait, self._rest, self._clock = name, trial, wait, rest, clock
        self._worker = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._lock = threading.Lock()
        self.up, self.trying, self._again = False, False, clock()
        self._said: bool | None = None
        self.failures = 0  # calls and trials that failed or took too long
        self._try()

    def ask(self, call: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T | None:
        """The answer of a call; None where there is none in time, or the call was not made. Raises nothing."""
        if not self.up:
            self._try()
            return None
        try:
            return self._worker.submit(call, *arguments, **named).result(self._wait)
        except Exception as error:  # whatever a server or a network may do
            self._failed(error)
            return None

    def close(self) -> None:
        """Make no more calls."""
        self._worker.shutdown(wait=False, cancel_futures=True)

    def _try(self) -> None:
        with self._lock:
            if self.trying or self._clock() < self._again:
                return
            self.trying = True
        try:
            self._worker.submit(self._on_trial)
        except RuntimeError:  # closed
            self.trying = False

    def _on_trial(self) -> None:
        try:
            self._trial()
            begun = time.perf_counter()
            self._trial()
            if time.perf_counter() - begun > self._wait:
                raise TimeoutError
            self._turn(True)
        except Exception as error:
            self._failed(error)
        finally:
            self.trying = False

    def _failed(self, error: Exception) -> None:
        with self._lock:
            self.failures += 1
            self._again = self._clock() + self._rest
        self._turn(False, f"{type(error).__name__}: {error}".removesuffix(": "))

    def _turn(self, up: bool, reason: str | None = None) -> None:
        """Remember whether calls are made, and say so in the log where that is new."""
        with self._lock:
            new, self.up, self._said = up != self._said, up, up
        if new:
            log.info(json.dumps({self._name: "up" if up else "down", "reason": reason}))
