"""A worker that is told to stays awake for so long after an answer, and then sleeps."""

import asyncio
from types import SimpleNamespace

import pytest
from live_service import Following, client_of

from limbeck.errors import InputError
from limbeck.serve import awake, running
from limbeck.settings import Serve
from limbeck.workspace import Workspace

SCOPE = {"type": "http"}


@pytest.fixture
def rounds(monkeypatch):
    """When others were let through, by a clock that goes on by one with each look at it."""
    clock, seen = iter(range(1_000_000)), []
    monkeypatch.setattr(awake, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    monkeypatch.setattr(awake, "os", SimpleNamespace(sched_yield=lambda: seen.append(None)))
    return seen


async def answering(scope, receive, send):
    pass


async def failing(scope, receive, send):
    raise KeyError


async def going_round(times):
    for _ in range(times):
        await asyncio.sleep(0)


def test_it_stays_awake_after_each_answer(rounds):
    app = awake.Awake(answering, 10)

    async def asked():
        await app(SCOPE, None, None)
        await going_round(100)

    asyncio.run(asked())
    assert len(rounds) == 9
    asyncio.run(asked())
    assert len(rounds) == 18


def test_an_answer_meanwhile_begins_the_time_anew(rounds):
    async def asked():
        app = awake.Awake(answering, 10)
        for _ in range(5):
            await app(SCOPE, None, None)
            await going_round(3)
            assert rounds
            before = len(rounds)
            await going_round(1)
            assert len(rounds) == before + 1  # one round, however many were answered

    asyncio.run(asked())


@pytest.mark.parametrize("seconds", [-0.1, float("nan")])
def test_less_than_nothing_is_refused(tmp_path, seconds):
    with pytest.raises(InputError, match=r"serve\.busy_poll_seconds"):
        running.run(Workspace(tmp_path), Serve(busy_poll_seconds=seconds))


def test_while_a_request_is_under_way_it_sleeps(rounds):
    """A thread may be at work for it, which needs the interpreter."""

    async def asked():
        done = asyncio.Event()

        async def waiting(scope, receive, send):
            if receive:
                await done.wait()

        app = awake.Awake(waiting, 10)
        slow = asyncio.create_task(app(SCOPE, True, None))
        await going_round(3)
        await app(SCOPE, None, None)
        await going_round(100)
        assert not rounds
        done.set()
        await slow
        await going_round(100)

    asyncio.run(asked())
    assert len(rounds) == 9


def test_it_stays_awake_after_a_fault_too(rounds):
    async def asked():
        with pytest.raises(KeyError):
            await awake.Awake(failing, 10)(SCOPE, None, None)
        await going_round(100)

    asyncio.run(asked())
    assert len(rounds) == 9


@pytest.mark.parametrize(("seconds", "awake_for"), [(0.0, 0), (10.0, 9)])
def test_a_service_sleeps_at_once_unless_it_is_told_to_stay_awake(store, tmp_path, rounds, seconds, awake_for):
    with client_of(Following(store, tmp_path), busy_poll_seconds=seconds) as client:
        assert client.get("/healthz").json() == {"status": "ok"}
        client.portal.call(going_round, 100)
        assert len(rounds) == awake_for
