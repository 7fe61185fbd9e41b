import logging
import threading
import time

from hypothesis import given
from hypothesis import strategies as st
from redis_server import PATIENCE, until

from limbeck.serve.breaker import Breaker


class Clock:
    """A clock that a test sets."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


class Server:
    """What may fail, and when it did."""

    def __init__(self, clock):
        self.clock, self.well, self.trials, self.calls, self.failed = clock, True, 0, 0, []

    def trial(self):
        self.trials += 1
        self._work()

    def call(self):
        self.calls += 1
        self._work()
        return "answer"

    def _work(self):
        if not self.well:
            self.failed.append(self.clock())
            raise OSError("gone")


def started(trial, wait=PATIENCE, clock=time.monotonic):
    breaker = Breaker("server", trial, wait, 5, clock)
    until(lambda: not breaker.trying)
    return breaker


def test_after_a_failure_nothing_is_asked_until_the_rest_is_over_and_a_trial_went_well():
    clock = Clock()
    server = Server(clock)
    breaker = started(server.trial, clock=clock)
    assert breaker.ask(server.call) == "answer"
    server.well = False
    assert [breaker.ask(server.call) for _ in range(100)] == [None] * 100
    clock.now = 4.99
    assert breaker.ask(server.call) is None
    assert (server.calls, server.trials, breaker.failures, breaker.up) == (2, 2, 1, False)
    clock.now = 5
    assert breaker.ask(server.call) is None  # this one begins a trial
    until(lambda: breaker.failures == 2 and not breaker.trying)
    server.well, clock.now = True, 9.99
    assert breaker.ask(server.call) is None
    assert (server.calls, server.trials) == (2, 3)
    clock.now = 10
    breaker.ask(server.call)
    until(lambda: breaker.up)
    assert breaker.ask(server.call) == "answer"


def test_nobody_waits_twice_for_what_hangs_nor_for_its_trial():
    clock, go_on, calls = Clock(), threading.Event(), []

    def hang():
        calls.append(1)
        go_on.wait(PATIENCE)

    breaker = started(lambda: None, wait=0.05, clock=clock)
    while not breaker.up:  # a busy machine may be too slow for the trial
        clock.now += 5
        breaker.ask(hang)
        until(lambda: not breaker.trying)
    for _ in range(100):
        clock.now += 1  # trials come due, and wait behind the call that hangs
        assert breaker.ask(hang) is None
    assert len(calls) == 1
    assert breaker.failures >= 1
    assert not breaker.up
    go_on.set()
    until(lambda: not breaker.trying)


def test_a_server_that_answers_too_late_on_trial_is_not_asked():
    breaker = started(lambda: time.sleep(0.02), wait=0.01)
    assert not breaker.up
    assert breaker.failures == 1


def test_what_is_closed_answers_nothing():
    breaker = started(lambda: None)
    breaker.close()
    assert breaker.ask(lambda: "answer") is None


def test_a_change_is_logged_once_with_its_reason(caplog):
    caplog.set_level(logging.INFO, "limbeck.serve")
    clock = Clock()
    server = Server(clock)
    server.well = False
    breaker = started(server.trial, clock=clock)
    clock.now = 5
    breaker.ask(server.call)
    until(lambda: breaker.failures == 2 and not breaker.trying)
    server.well, clock.now = True, 10
    breaker.ask(server.call)
    until(lambda: not breaker.trying)
    said = [r.message for r in caplog.records]
    assert said == ['{"server": "down", "reason": "OSError: gone"}', '{"server": "up", "reason": null}']


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 4)), max_size=15))
def test_failures_are_at_least_a_rest_apart(story):
    clock = Clock()
    server = Server(clock)
    breaker = started(server.trial, clock=clock)
    for well, seconds in story:
        server.well, clock.now = well, clock.now + seconds
        up = breaker.up
        answer = breaker.ask(server.call)
        assert answer == ("answer" if well and up else None)
        until(lambda: not breaker.trying)
    assert all(after - before >= 5 for before, after in zip(server.failed, server.failed[1:]))
    assert breaker.failures == len(server.failed)
