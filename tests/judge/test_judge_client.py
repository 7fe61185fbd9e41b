"""A server that misbehaves in all the usual ways, and what becomes of the pairs."""

import asyncio
import json
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import numpy as np
import pytest
from endpoint import Endpoint, completion, drop, level_of, pairs, sure, texts, token, well
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse

from limbeck.errors import IncompleteError, InputError
from limbeck.judge import prompt
from limbeck.judge.client import MOST_BYTES, retry_after
from limbeck.judge.grade import JudgeGrader
from limbeck.settings import Judge


def once(bad):
    """Misbehave the first time that a pair is asked, then answer well."""
    return lambda asked: bad(asked) if asked.times == 0 else well(asked)


async def dawdle(asked):
    await asyncio.sleep(3)
    return well(asked)


def trickle(asked):
    async def body():
        while True:
            yield b" "
            await asyncio.sleep(0.05)

    return StreamingResponse(body(), media_type="application/json")


def break_off(asked):
    async def body():
        yield json.dumps(sure(5)).encode()[:40]
        raise ConnectionAbortedError

    return StreamingResponse(body(), media_type="application/json")


def whole(body, **options):
    return lambda asked: Response(body, **{"media_type": "application/json", **options})


TROUBLE = {
    "429": whole(b"{}", status_code=429),
    "429 with Retry-After": whole(b"{}", status_code=429, headers={"retry-after": "0.2"}),
    "429 with nonsense for Retry-After": whole(b"{}", status_code=429, headers={"retry-after": "soon"}),
    "500": whole(b"oh no", status_code=500),
    "503": whole(b"", status_code=503),
    "529": whole(b"", status_code=529),
    "slow": dawdle,
    "slow body": trickle,
    "hangs up": drop,
    "breaks off": break_off,
    "truncated JSON": whole(json.dumps(sure(5)).encode()[:-9]),
    "not JSON": whole(b"<html>please log in</html>"),
    "wrong content type": whole(json.dumps(sure(5)).encode(), media_type="text/html"),
    "empty": whole(b""),
    "no choices": whole(b'{"choices": []}'),
    "refusal": whole(json.dumps(completion(None, refusal="I can't help with that.")).encode()),
    "no level": whole(json.dumps(completion("7", {"content": [token("7", {"7": 1.0})]})).encode()),
    "no logprobs": whole(json.dumps(completion("5")).encode()),
}


@pytest.mark.parametrize("trouble", TROUBLE)
def test_trouble_that_passes_leaves_no_trace_in_the_answers(endpoint, judging, trouble):
    endpoint.behave = once(TROUBLE[trouble])
    grader = judging(timeout_seconds=0.7 if "slow" in trouble else 120.0)
    asked = pairs(3)
    found = grader.grade(asked)
    assert (found.dtype, found.shape) == (np.float32, (3, 5))
    levels = [level_of(q, f"a thing with number {i}") for i, q in enumerate(asked.column("query").to_pylist())]
    assert (found.argmax(axis=1) + 1).tolist() == levels
    assert found.max(axis=1) == pytest.approx(0.8)
    assert set(endpoint.pairs().values()) == {2}
    assert grader.failures == {}


LASTING = {
    "500": (TROUBLE["500"], "status 500: 'oh no'", 3),
    "truncated JSON": (TROUBLE["truncated JSON"], "the answer is not a chat completion", 3),
    "hangs up": (drop, "the connection broke off", 3),
    "wrong content type": (TROUBLE["wrong content type"], "'text/html', not JSON", 3),
    "refusal": (TROUBLE["refusal"], "the model refused", 2),
    "no level": (TROUBLE["no level"], "the answer is no level from 1 to 5: '7'", 2),
    "bad request": (whole(b'{"error": "too long"}', status_code=400), "status 400", 1),
    "giant": (whole(b" " * (MOST_BYTES + 1)), "longer than 1,048,576 bytes", 1),
    "giant, unannounced": (lambda asked: StreamingResponse(iter([b" " * 65536] * 400)), "longer than", 1),
}


@pytest.mark.parametrize("trouble", LASTING)
def test_a_pair_that_fails_for_good_is_reported_and_the_others_are_kept(endpoint, judging, trouble):
    bad, reason, times = LASTING[trouble]
    endpoint.behave = lambda asked: bad(asked) if asked.query == "query 3" else well(asked)
    grader = judging(retries=2)
    with pytest.raises(IncompleteError) as failed:
        grader.grade(pairs(6))
    assert "left 1 of 6 pairs without an answer: 1 × " in str(failed.value)
    assert reason in str(failed.value)
    assert endpoint.pairs().pop(("query 3", "a thing with number 3")) == times
    endpoint.behave, before = well, len(endpoint.asked)
    assert judging().grade(pairs(6)).max(axis=1) == pytest.approx(0.8)
    assert [a.query for a in endpoint.asked[before:]] == ["query 3"]


def test_a_few_failures_count_as_unknown_and_are_told(endpoint, judging):
    endpoint.behave = lambda asked: TROUBLE["refusal"](asked) if asked.query == "query 3" else well(asked)
    grader = judging(most_failures=0.2)
    found = grader.grade(pairs(6))
    assert found[3].tolist() == pytest.approx([0.2] * 5)
    assert grader.failures == {"the model refused": 1}
    assert np.delete(found, 3, axis=0).max(axis=1) == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("status", "words"),
    [(401, "the API key is refused"), (403, "may not"), (404, "no such address or model"), (402, "no credit")],
)
def test_where_nothing_will_ever_be_answered_asking_stops_at_once(endpoint, judging, status, words):
    endpoint.behave = whole(b"{}", status_code=status)
    with pytest.raises(IncompleteError, match=words):
        judging().grade(pairs(60))
    assert len(endpoint.asked) <= 4  # those that were under way


def test_after_many_failures_in_a_row_nothing_more_is_paid_for(endpoint, judging):
    endpoint.behave = TROUBLE["no logprobs"]
    with pytest.raises(IncompleteError, match=r"pairs in a row had no answer .*mode = 'json'"):
        judging(pins=200).grade(pairs(200))
    assert len(endpoint.asked) <= 2 * (20 + 4)


def test_nothing_listens(tmp_path):
    judge = Judge("http://127.0.0.1:1/v1", "m", retries=1, first_wait_seconds=0.001)
    with pytest.raises(IncompleteError, match="cannot connect"):
        JudgeGrader(prompt.read(judge, tmp_path), texts(2), tmp_path / "answers").grade(pairs(2))


def test_the_server_says_how_long_to_wait_and_all_wait(endpoint, judging):
    endpoint.behave = lambda asked: (
        Response(status_code=429, headers={"retry-after": "0.5"}) if asked.number == 0 else well(asked)
    )
    judging(concurrency=1).grade(pairs(3))
    assert endpoint.times[1] - endpoint.times[0] >= 0.5


def test_a_server_that_asks_for_too_much_patience_is_left_alone(endpoint, judging):
    endpoint.behave = whole(b"", status_code=429, headers={"retry-after": "3600"})
    begun = time.monotonic()
    with pytest.raises(IncompleteError, match=r"asks to wait 3,600 s \(judge.longest_wait_seconds is 2\)"):
        judging().grade(pairs(1))
    assert time.monotonic() - begun < 60


def test_waits_grow_with_every_failure(endpoint, judging):
    endpoint.behave = lambda asked: TROUBLE["500"](asked) if asked.times < 4 else well(asked)
    judging(first_wait_seconds=0.1).grade(pairs(1))
    waits = np.diff(endpoint.times)
    for wait, least in zip(waits, (0.05, 0.1, 0.2, 0.4)):
        assert wait >= least


def test_retry_after_as_number_and_date():
    assert retry_after("7") == 7
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    assert 95 < retry_after(soon) <= 100
    for nothing in (None, "", "soon", "-5", "nan", "inf", "Mon, 99 Foo 2026"):
        assert retry_after(nothing) == 0


@pytest.mark.parametrize("most", [1, 3])
def test_no_more_at_once_than_allowed(endpoint, judging, most):
    async def busy(asked):
        await asyncio.sleep(0.03)
        return well(asked)

    endpoint.behave = busy
    judging(concurrency=most).grade(pairs(12))
    assert endpoint.busiest == most


def test_the_key_goes_to_the_endpoint_and_nowhere_else(endpoint, judging, monkeypatch, tmp_path, capsys):
    secret = "sk-very-secret-0123456789"
    monkeypatch.setenv("JUDGE_KEY", secret)
    endpoint.behave = lambda asked: (
        JSONResponse({"error": f"bad key {secret}"}, 500) if asked.query == "query 1" else well(asked)
    )
    with pytest.raises(IncompleteError) as failed:
        judging(key_variable="JUDGE_KEY", retries=0).grade(pairs(3))
    assert {a.headers["authorization"] for a in endpoint.asked} == {f"Bearer {secret}"}
    assert secret not in str(failed.value)
    assert "bad key …" in str(failed.value) or "bad key \\u2026" in str(failed.value)
    assert secret not in "".join(p.read_text() for p in tmp_path.rglob("*") if p.is_file())
    assert secret not in "".join(capsys.readouterr())


def test_a_key_that_is_not_there_is_the_users_to_set(judging, monkeypatch):
    monkeypatch.delenv("JUDGE_KEY", raising=False)
    with pytest.raises(InputError, match="the variable JUDGE_KEY is not set"):
        judging(key_variable="JUDGE_KEY").grade(pairs(1))
    monkeypatch.setenv("JUDGE_KEY", "two\nlines")
    with pytest.raises(InputError, match="holds no API key"):
        judging(key_variable="JUDGE_KEY").grade(pairs(1))


def test_nothing_is_sent_to_where_a_server_points(endpoint, judging):
    with Endpoint() as other:
        endpoint.behave = lambda asked: RedirectResponse(f"{other.url}/chat/completions", 307)
        with pytest.raises(IncompleteError, match="307"):
            judging().grade(pairs(1))
        assert other.asked == []
