"""Answers are paid for once: kept through kills and half lines, within a budget, and asked for only if missing."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pyarrow as pa
import pytest
from endpoint import completion, pairs, sure, well
from starlette.responses import JSONResponse, Response

from limbeck.errors import IncompleteError, WorkspaceError
from limbeck.judge.answer import Tokens
from limbeck.judge.cache import Cache
from limbeck.settings import Judge

JUDGE = Judge("http://localhost/v1", "m")
ANSWER = (0.0, 0.1, 0.2, 0.3, 0.4)


def test_nothing_is_asked_twice(endpoint, judging):
    first = judging().grade(pairs(8))
    again = judging(concurrency=1, retries=0).grade(pairs(8))
    assert np.array_equal(first, again)
    judging().grade(pairs(12))
    assert len(endpoint.asked) == 12
    assert set(endpoint.pairs().values()) == {1}


def test_rows_keep_their_order_and_repeated_ones_are_asked_once(endpoint, judging):
    rows = pa.concat_tables([pairs(4), pairs(2)])
    order = np.random.default_rng(0).permutation(rows.num_rows)
    found = judging().grade(rows)
    assert np.array_equal(judging().grade(rows.take(order)), found[order])
    assert len(endpoint.asked) == 4


def test_both_modes_and_their_answers_are_kept_apart(endpoint, judging):
    by_token, by_shares = judging().grade(pairs(3)), judging(mode="json").grade(pairs(3))
    np.testing.assert_allclose(by_token, by_shares, atol=1e-6)
    assert len(endpoint.asked) == 6
    assert {a.body.get("logprobs") for a in endpoint.asked} == {True, None}


def test_no_pairs_no_rows_no_requests(endpoint, judging):
    assert judging().grade(pairs(0)).shape == (0, 5)
    assert endpoint.asked == []


def test_a_pin_without_a_text_says_nothing(endpoint, judging):
    judging(pins=1).grade(pairs(2))
    assert sorted(a.pin for a in endpoint.asked) == ["", "a thing with number 0"]


def test_a_budget_of_calls_is_kept_and_a_higher_one_goes_on(endpoint, judging):
    with pytest.raises(IncompleteError) as stopped:
        judging(most_calls=5).grade(pairs(12))
    assert "5 calls are made, and judge.most_calls is 5. 5 of 12 pairs are answered" in str(stopped.value)
    assert len(endpoint.asked) == 5
    with pytest.raises(IncompleteError, match="5 of 12"):
        judging(most_calls=5).grade(pairs(12))
    assert len(endpoint.asked) == 5
    judging(most_calls=12).grade(pairs(12))
    assert set(endpoint.pairs().values()) == {1}


def test_retries_count_as_calls(endpoint, judging):
    endpoint.behave = lambda asked: Response(status_code=500)
    with pytest.raises(IncompleteError, match="7 calls are made"):
        judging(most_calls=7, retries=20).grade(pairs(3))
    assert len(endpoint.asked) == 7


def test_a_budget_of_money_is_never_broken(endpoint, judging):
    prices = {"dollars_per_million_input": 100.0, "dollars_per_million_output": 400.0}
    each = (500 * 100 + 400) / 1e6  # by the server's own count
    with pytest.raises(IncompleteError, match=r"\$0\.\d+ are spent, and judge.most_dollars is 1"):
        judging(most_dollars=1.0, **prices).grade(pairs(40))
    answered = len(endpoint.asked)
    assert 1.0 - 1.1 < answered * each <= 1.0
    assert answered >= 8  # what is set aside for a request is more than it costs, and comes back
    judging(most_dollars=40 * each + 1, **prices).grade(pairs(40))
    assert set(endpoint.pairs().values()) == {1}


def test_a_server_that_does_not_count_is_taken_for_a_dear_one(endpoint, judging, tmp_path):
    endpoint.behave = lambda asked: JSONResponse(sure(3) | {"usage": None})
    judging().grade(pairs(1))
    sent = int(endpoint.asked[0].headers["content-length"])
    assert Cache(tmp_path / "answers.jsonl", Judge(endpoint.url, "judge-8b")).spent == Tokens(sent, 8)


def test_errors_cost_nothing_but_lost_answers_do(endpoint, judging, tmp_path):
    bad = {0: Response(status_code=500), 1: Response(b"{", media_type="application/json")}
    endpoint.behave = lambda asked: bad.get(asked.times) or well(asked)
    judging().grade(pairs(1))
    sent = int(endpoint.asked[0].headers["content-length"])
    known = Cache(tmp_path / "answers.jsonl", Judge(endpoint.url, "judge-8b"))
    assert (known.calls, known.spent) == (3, Tokens(sent + 500, 8 + 1))


def test_a_cache_cut_at_any_byte_loses_at_most_the_last_line(tmp_path):
    path = tmp_path / "answers.jsonl"
    with Cache(path, JUDGE) as cache:
        for number in range(3):
            cache.put(Tokens(10, 1), f"key{number}", ANSWER)
    whole = path.read_bytes()
    ends = [i + 1 for i, byte in enumerate(whole) if byte == ord("\n")]
    for cut in range(ends[1] - 2, len(whole) + 1):
        path.write_bytes(whole[:cut])
        with Cache(path, JUDGE) as cache:
            kept = sum(cache.get(f"key{n}") == ANSWER for n in range(3))
            assert kept == sum(end - 1 <= cut for end in ends)  # but for its line break, a line is whole
            assert cache.spent == Tokens(10 * kept, kept)
            cache.put(Tokens(1, 1), "later", ANSWER)
        again = Cache(path, JUDGE)
        assert again.get("later") == ANSWER
        assert sum(again.get(f"key{n}") == ANSWER for n in range(3)) == kept


@pytest.mark.parametrize(
    "line",
    [b"\x00" * 40, b"{}", b"[]", b'{"judge":"j","input":1,"output":1,"key":"k","p":[0,0,0,0,9]}', b"[" * 100_000],
)
def test_damaged_lines_are_passed_over(tmp_path, line):
    path = tmp_path / "answers.jsonl"
    with Cache(path, JUDGE) as cache:
        cache.put(Tokens(10, 1), "key", ANSWER)
    path.write_bytes(line + b"\n" + path.read_bytes() + line)
    cache = Cache(path, JUDGE)
    assert cache.get("key") == ANSWER
    assert cache.get("k") is None


def test_what_another_model_cost_is_not_counted(tmp_path):
    with Cache(tmp_path / "a", JUDGE) as cache:
        cache.put(Tokens(10, 1), "key", ANSWER)
    other = Cache(tmp_path / "a", Judge("http://localhost/v1", "n"))
    assert (other.calls, other.spent) == (0, Tokens(0, 0))


def test_a_full_disk_is_told_as_what_it_is(tmp_path):
    code = """
import resource, sys
from pathlib import Path
from limbeck.judge.answer import Tokens
from limbeck.judge.cache import Cache
from limbeck.settings import Judge
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (250, 250))
with Cache(Path(sys.argv[1]), Judge("http://localhost/v1", "m")) as cache:
    for number in range(10):
        cache.put(Tokens(10, 1), f"key{number}", (0.0, 0.1, 0.2, 0.3, 0.4))
"""
    path = tmp_path / "answers.jsonl"
    ran = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True)
    assert "WorkspaceError" in ran.stderr
    assert "no room" in ran.stderr
    with Cache(path, JUDGE) as cache:
        assert cache.get("key0") == ANSWER
        cache.put(Tokens(1, 1), "later", ANSWER)
    assert Cache(path, JUDGE).get("later") == ANSWER


GRADE = """
import sys
from pathlib import Path
sys.path[:0] = [sys.argv[3]]
from endpoint import pairs, texts
from limbeck.judge import prompt
from limbeck.judge.grade import JudgeGrader
from limbeck.settings import Judge
judge = Judge(sys.argv[1], "judge-8b", concurrency=4)
print(JudgeGrader(prompt.read(judge, Path(".")), texts(100), Path(sys.argv[2])).grade(pairs(60)).shape)
"""


def settle(endpoint):
    """Until the server has heard all that a process sent before it died."""
    heard = -1
    while heard < len(endpoint.asked) or endpoint.busy:
        heard = len(endpoint.asked)
        time.sleep(0.5)


@pytest.mark.long
def test_killed_in_the_middle_it_goes_on_and_asks_nothing_again_that_was_answered(endpoint, judging, tmp_path):
    def slowly(asked):
        time.sleep(0.02)
        return well(asked)

    endpoint.behave = slowly
    path = tmp_path / "answers.jsonl"
    begin = [sys.executable, "-c", GRADE, endpoint.url, str(path), os.path.dirname(__file__)]
    for kill_at in (10, 40):
        process = subprocess.Popen(begin)
        while len(endpoint.asked) < kill_at and process.poll() is None:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.wait()
        settle(endpoint)
    answered = {json.loads(line)["key"] for line in path.read_bytes().split(b"\n") if line.endswith(b"}")}
    before = len(endpoint.asked)
    found = judging().grade(pairs(60))
    assert found.max(axis=1) == pytest.approx(0.8)
    assert len(endpoint.asked) - before == 60 - len(answered)
    assert len(answered) >= 40 - 2 * 4
    assert len(endpoint.asked) <= 60 + 2 * 4  # at each kill, those under way


def test_an_answer_that_cannot_be_kept_ends_the_run(endpoint, judging, monkeypatch):
    def full(*_):
        raise WorkspaceError("no room")

    monkeypatch.setattr(Cache, "_append", full)
    with pytest.raises(WorkspaceError, match="no room"):
        judging().grade(pairs(3))


def test_many_reasons_are_told_by_their_number(endpoint, judging):
    def answer(asked):
        number = int(asked.query.split()[1])
        if number < 3:
            return Response(f"trouble {number}", 500)
        return JSONResponse(completion(None, refusal="no")) if number == 3 else well(asked)

    endpoint.behave = answer
    with pytest.raises(IncompleteError, match=r"left 4 of 9 .*3 × status 500: 'trouble \d'; 1 × the model refused"):
        judging(retries=0).grade(pairs(9))
