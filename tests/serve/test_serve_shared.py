"""Vectors in a real Redis: shared, hidden, checked, and never a reason for another answer."""

import contextlib
import functools
import itertools
import threading
import time

import numpy as np
import pytest
from counted import failures
from embedders import Lengths
from fixed import Fixed
from hypothesis import given
from hypothesis import strategies as st
from redis_server import PATIENCE, RedisServer, Relay, until
from starlette.testclient import TestClient

from limbeck.errors import InputError
from limbeck.index.store import Store
from limbeck.serve import app
from limbeck.serve.cache import CachedVectors, Caches
from limbeck.serve.ranker import Ranker
from limbeck.serve.shared import KEPT, Remote, RemoteCache, packed, unpacked
from limbeck.settings import Serve
from limbeck.student.encode import Encoder

QUERIES = ("red sofa", "oak shelf", "tea pot", "wedding dress")
TEXTS = [f"a query of number {i}" + "." * i for i in range(300)]  # more than go into one call


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    yield server
    server.kill()


@pytest.fixture
def redis(running):
    running.client.flushall()
    return running


class Clock:
    """A clock that a test sets."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@contextlib.contextmanager
def connected(server, wait=PATIENCE, clock=None):
    """A connection that works."""
    clock = clock or Clock()
    with contextlib.closing(Remote(server.url, wait, 5, clock)) as remote:
        recover(remote, clock)
        yield remote


def recover(remote, clock):
    """Let rests pass until the server is asked again."""

    def asked():
        until(lambda: not remote.breaker.trying)
        clock.now += 5
        return remote.breaker.ask(bool) is not None

    until(asked)


def replica(remote, digest="student", size=1):
    """A model of its own behind the shared cache."""
    behind = Lengths(size)
    return behind, CachedVectors(behind.vectors, RemoteCache(remote, digest, behind.tokens))


def of_student(store, remote):
    """The student of the tests' workspace behind the shared cache alone."""
    return CachedVectors(store.student.vectors, RemoteCache(remote, f"query:{store.digest}", store.student.tokens))


def lengths(cached, texts=TEXTS):
    return cached.vectors(texts)[:, 0].tolist()


EXPECTED = [float(len(text)) for text in TEXTS]


def test_a_second_replica_never_calls_its_model(redis):
    with connected(redis) as one, connected(redis) as two:
        (first, filling), (second, sharing) = replica(one), replica(two)
        assert lengths(filling) == lengths(sharing) == EXPECTED
    assert first.asked == TEXTS
    assert second.asked == []
    assert (sharing.hits, sharing.misses) == (len(TEXTS), 0)


def test_another_student_has_vectors_of_its_own(redis):
    with connected(redis) as remote:
        replica(remote, "one")[1].vectors(["sofa"])
        behind, cached = replica(remote, "two")
        cached.vectors(["sofa"])
    assert behind.asked == ["sofa"]


def test_neither_keys_nor_values_say_what_was_searched_for_and_all_of_it_expires(redis, store):
    with connected(redis) as remote:
        of_student(store, remote).vectors(["wedding dress"])
    ((key, value),) = redis.entries().items()
    assert b"wedding" not in key + value
    assert b"dress" not in key + value
    assert store.digest.encode() in key
    assert KEPT - PATIENCE <= redis.client.ttl(key) <= KEPT


def test_spellings_that_the_student_reads_alike_share_a_vector_and_no_others(redis, store):
    spellings = ["red sofa", "Red  SOFA ", "red sofas", "red, sofa"]
    student = store.student
    with connected(redis) as remote:
        found = of_student(store, remote).vectors(spellings)
    np.testing.assert_allclose(found, np.concatenate([student.vectors([s]) for s in spellings]), atol=1e-6)
    assert len(redis.entries()) == 3


@given(st.lists(st.floats(width=32, allow_nan=False), max_size=5), st.data())
def test_what_was_put_is_found_and_anything_else_is_nothing(numbers, data):
    value = packed("key", np.asarray(numbers, np.float32))
    assert unpacked("key", value).tolist() == numbers
    other = data.draw(st.one_of(st.binary(max_size=40), st.just(value[:-1]), st.just(value + b"\0" * 4)))
    assert other == value or unpacked("key", other) is None
    damaged = bytearray(value)
    damaged[data.draw(st.integers(0, len(value) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    assert unpacked("key", bytes(damaged)) is None
    assert unpacked("another key", value) is None


def wrong_bytes(server):
    for i, key in enumerate(server.client.keys()):
        server.client.set(key, (b"", b"short", b"\xff" * 12, b"\0" * 8, b"x" * 100_000)[i % 5])


def another_kind(server):
    for key in server.entries():
        server.client.delete(key)
        server.client.rpush(key, "a list")


def others_values(server):
    keys = server.client.keys()
    values = server.client.mget(keys)
    server.client.mset(dict(zip(keys, values[1:] + values[:1])))


def another_size(server):
    for i, (key, value) in enumerate(server.entries().items()):
        server.client.set(key, value[:-4] if i % 2 else value * 2)


@pytest.mark.parametrize("damage", [wrong_bytes, another_kind, others_values, another_size])
def test_what_is_damaged_is_computed_and_put_right(redis, damage):
    with connected(redis) as remote:
        lengths(replica(remote)[1])
        damage(redis)
        behind, cached = replica(remote)
        assert lengths(cached) == EXPECTED
        assert behind.asked == TEXTS
        again, repaired = replica(remote)
        assert lengths(repaired) == EXPECTED
        assert again.asked == []
        assert remote.breaker.failures == 0


@pytest.mark.parametrize("policy", ["allkeys-lru", "noeviction"])
def test_a_full_server_forgets_or_refuses_and_the_answers_stay_the_same(tmp_path, policy):
    server = RedisServer(tmp_path, "--maxmemory-policy", policy)
    try:
        with connected(server) as remote:
            lengths(replica(remote, size=2_000)[1], TEXTS[:50])
            used = server.client.info("memory")["used_memory"]
            server.client.config_set("maxmemory", used + 500_000)  # of 2 MB
            filling, sharing = replica(remote, size=2_000)[1], replica(remote, size=2_000)[1]
            assert lengths(filling) == lengths(sharing) == EXPECTED
            assert 0 < len(server.entries()) < len(TEXTS)
            assert sharing.misses > 0
            assert (remote.refused > 0) == (policy == "noeviction")
            assert sharing.hits > 0 or policy != "noeviction"  # what it holds, it still tells
            assert remote.breaker.failures == 0
    finally:
        server.kill()


def test_a_server_that_is_killed_costs_one_call_and_is_used_again_when_it_is_back(redis):
    clock = Clock()
    with connected(redis, clock=clock) as remote:
        behind, cached = replica(remote)
        lengths(cached)
        redis.kill()
        try:
            for _ in range(3):
                assert lengths(cached) == EXPECTED
            assert remote.breaker.failures == 1
            assert behind.asked == TEXTS * 4
        finally:
            redis.start()
        recover(remote, clock)
        assert lengths(cached) == lengths(cached) == EXPECTED
        assert behind.asked == TEXTS * 5  # what it held was lost, and is filled in again


def test_a_server_that_hangs_is_waited_for_once_and_is_used_again_when_it_goes_on(redis):
    clock = Clock()
    with connected(redis) as patient, connected(redis, wait=0.2, clock=clock) as remote:
        lengths(replica(patient)[1])
        behind, cached = replica(remote)
        failures = remote.breaker.failures
        redis.hang()
        try:
            for _ in range(3):
                assert lengths(cached) == EXPECTED
            assert remote.breaker.failures == failures + 1
            assert behind.asked == TEXTS * 3
            clock.now += 5
            assert lengths(cached) == EXPECTED  # a trial begins, and nobody waits for it
        finally:
            redis.go_on()
        recover(remote, clock)
        known = CachedVectors(behind.vectors, RemoteCache(patient, "student", behind.tokens))
        assert lengths(known) == EXPECTED
        assert behind.asked == TEXTS * 4


def test_a_slow_server_is_left_alone_until_it_is_quick_again(redis):
    clock, relay = Clock(), Relay(redis.port)
    with contextlib.closing(relay), connected(relay, wait=0.1, clock=clock) as remote:
        _, cached = replica(remote)
        relay.lag, failures = 0.1, remote.breaker.failures
        assert lengths(cached) == lengths(cached) == EXPECTED
        assert remote.breaker.failures == failures + 1
        clock.now += 5
        assert lengths(cached) == EXPECTED
        until(lambda: remote.breaker.failures == failures + 2)  # on trial it answered, but too late
        relay.lag = 0.0
        recover(remote, clock)


def test_a_server_that_was_never_there_is_no_reason_to_fail(redis):
    redis.kill()
    try:
        with contextlib.closing(Remote(redis.url, rest=1e9)) as remote:
            until(lambda: remote.breaker.failures == 1)
            assert lengths(replica(remote)[1]) == EXPECTED
    finally:
        redis.start()


def test_a_password_comes_from_the_environment(tmp_path, monkeypatch):
    server = RedisServer(tmp_path, "--requirepass", "p@ss/word:#?%41")
    server.url = f"redis://:${{REDIS_PASSWORD}}@127.0.0.1:{server.port}"
    try:
        monkeypatch.setenv("REDIS_PASSWORD", "p@ss/word:#?%41")
        with connected(server) as remote:
            assert lengths(replica(remote)[1]) == EXPECTED
            assert remote.breaker.failures == 0
        monkeypatch.setenv("REDIS_PASSWORD", "another")
        with contextlib.closing(Remote(server.url, rest=1e9)) as remote:
            until(lambda: remote.breaker.failures == 1)
            assert lengths(replica(remote)[1]) == EXPECTED
    finally:
        server.kill()


def test_the_whole_address_may_come_from_the_environment(redis, monkeypatch):
    monkeypatch.setenv("REDIS_URL", redis.url)
    redis_there = type("There", (), {"url": "${REDIS_URL}"})
    with connected(redis_there) as remote:
        assert remote.breaker.up


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:6379",
        "http://localhost",
        "redis://",
        "redis://localhost:port",
        "redis://localhost:99999",
        "redis://localhost/first",
        "redis://:secret/word@localhost",
        "redis://:secret@localhost?tiemout=1",
        "redis://[::1",
        "rediss://localhost?ssl_cert_reqs=secret",
    ],
)
def test_what_is_no_address_is_refused_and_not_repeated(url):
    with pytest.raises(InputError, match="no address of a Redis") as refused:
        Remote(url)
    assert "redis://" in refused.value.remedy
    assert "secret" not in str(refused.value)


def test_a_variable_that_is_not_set_is_named(monkeypatch):
    monkeypatch.delenv("REDIS_PASSWORD", raising=False)
    with pytest.raises(InputError, match="REDIS_PASSWORD, which is not set"):
        Remote("redis://:${REDIS_PASSWORD}@localhost")


def ranker_over(workspace, remote):
    """A ranker that was just opened, as the service opens it, and its caches."""
    caches = Caches(shared=functools.partial(RemoteCache, remote))
    return Ranker(Store.open(workspace, keep=caches.readings), caches=caches), caches.layers


def test_a_replica_answers_known_queries_without_a_model(redis, workspace, ranker, monkeypatch):
    expected = [ranker.search(query, 5, 20) for query in QUERIES]
    with connected(redis) as remote:
        filling, _ = ranker_over(workspace, remote)
        assert [filling.search(query, 5, 20) for query in QUERIES] == expected
        sharing, layers = ranker_over(workspace, remote)
        monkeypatch.setattr(Encoder, "read", None)  # nobody could read anything now
        assert [sharing.search(query, 5, 20) for query in QUERIES] == expected
    assert {name: layers[name].misses for name in ("shared_query", "shared_reading")} == {
        "shared_query": 0,
        "shared_reading": 0,
    }


def answered(client):
    return [client.get(f"/search?q={query}").json()["results"] for query in QUERIES]


def test_a_service_answers_the_same_whatever_becomes_of_its_cache(redis, workspace, ranker):
    with TestClient(app.create(Fixed(ranker), Serve(seconds=0))) as alone:
        expected = answered(alone)
    with connected(redis) as remote:
        bereft, _ = ranker_over(workspace, remote)
        with TestClient(app.create(Fixed(bereft), Serve(seconds=0))) as client:
            redis.kill()
            try:
                assert answered(client) == expected
            finally:
                redis.start()
            said = client.get("/metrics").text
    assert remote.breaker.failures == 1
    assert "limbeck_shared_query_cache_misses_total 4.0" in said
    assert "limbeck_shared_reading_cache_hits_total 0.0" in said


@contextlib.contextmanager
def load(client, failed):
    """Three threads that ask for what nobody asked for before, until the body is done."""
    done, numbers = threading.Event(), itertools.count()

    def ask():
        while not done.is_set():
            answer = client.get(f"/search?q=red sofa {next(numbers)}")
            if answer.status_code != 200:
                failed.append(answer.text)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        yield numbers
    finally:
        done.set()
        for thread in threads:
            thread.join()


def failed_under_faults(redis, workspace, times):
    """Requests that failed while the server was killed, hung and out of reach; it is used again after each."""
    failed, relay = [], Relay(redis.port)

    def hole(there):
        relay.hole = there

    faults = [(redis.kill, redis.start), (redis.hang, redis.go_on), (lambda: hole(True), lambda: hole(False))]
    with contextlib.closing(relay), contextlib.closing(Remote(relay.url, rest=0.02)) as remote:
        serving = app.create(Fixed(ranker_over(workspace, remote)[0]), Serve(seconds=0, results=5))
        with TestClient(serving) as client, load(client, failed):
            for begin, end in faults * times:
                until(lambda: remote.breaker.up)
                begin()
                try:
                    until(lambda: not remote.breaker.up)
                finally:
                    end()
            until(lambda: remote.breaker.up)
            failed += failures(client)
    return failed


def test_no_request_fails_while_the_server_is_killed_hangs_and_vanishes(redis, workspace):
    assert failed_under_faults(redis, workspace, 1) == []


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_no_request_fails_while_the_server_is_killed_hangs_and_vanishes_fifty_times(redis, workspace):
    assert failed_under_faults(redis, workspace, 50) == []


@pytest.mark.long
def test_a_server_that_hangs_costs_a_few_milliseconds_once(redis):
    first, later = [], []
    with contextlib.closing(Remote(redis.url, rest=0.02)) as remote:
        for _ in range(50):
            until(lambda: remote.breaker.ask(bool) is not None)
            redis.hang()
            try:
                first.append(seconds_of(remote))
                later += [seconds_of(remote) for _ in range(5)]
            finally:
                redis.go_on()
    said = [f"{1e3 * np.median(some):.2f} and {1e3 * max(some):.2f}" for some in (first, later)]
    print(f"\nms that a call costs, p50 and at most: the first {said[0]}, those after it {said[1]}")
    assert np.median(first) < 0.02
    assert np.median(later) < 0.001


def seconds_of(remote):
    begun = time.perf_counter()
    assert remote.get(["key"]) == [None]
    return time.perf_counter() - begun
