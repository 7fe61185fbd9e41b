"""From completions to five probabilities."""

import json
import math

import pytest
from endpoint import completion, sure, token
from hypothesis import given
from hypothesis import strategies as st

from limbeck.judge.answer import Tokens, UnansweredError, UnreadableError, distribution, tokens


def by_logprobs(*found, text="5"):
    return distribution(json.dumps(completion(text, {"content": list(found)})).encode(), "logprobs")


def by_json(text):
    return distribution(json.dumps(completion(text)).encode(), "json")


def test_a_level_is_the_sum_of_its_spellings():
    found = by_logprobs(token(" 5", {" 5": 0.4, "5": 0.2, "**5": 0.1, "4": 0.2, "four": 0.05, "15": 0.05}))
    assert found == pytest.approx((0, 0, 0, 0.2 / 0.9, 0.7 / 0.9))


def test_the_level_may_come_after_blanks_and_signs():
    found = by_logprobs(
        token("\n", {"\n": 0.9, "1": 0.1}), token("**", {"**": 1.0}), token("4", {"4": 0.75, "3": 0.25})
    )
    assert found == pytest.approx((0, 0, 0.25, 0.75, 0))


@pytest.mark.parametrize(
    "parts",
    [
        ["1", "5"],
        ["15"],
        ["3", ".", "5"],
        ["3", ".5"],
        ["1", "-", "5"],
        ["4", "/5"],
        ["7"],
        ["0"],
        ["-", "1"],
        ["4", " of", " 10"],
        ["4", " out", " of", " 10"],
        ["1", " or", " 5"],
        ["2", " to", " 3"],
    ],
)
def test_numbers_that_are_no_level(parts):
    with pytest.raises(UnansweredError, match="no level from 1 to 5"):
        by_logprobs(*(token(p, {p: 1.0}) for p in parts))


def test_a_chosen_token_without_alternatives_is_no_distribution():
    with pytest.raises(UnansweredError, match="hold no level"):
        by_logprobs({"token": "5", "top_logprobs": []})


@pytest.mark.parametrize("given_", [None, {"content": None}, {"content": []}])
def test_missing_logprobs_say_what_to_do(given_):
    with pytest.raises(UnansweredError, match="mode = 'json'"):
        distribution(json.dumps(completion("5", given_)).encode(), "logprobs")


def test_shares_of_raters():
    assert by_json('{"1": 0, "2": 0, "3": 10, "4": 30, "5": 60}') == pytest.approx((0, 0, 0.1, 0.3, 0.6))
    assert by_json('{"1": 1, "2": 1, "3": 1, "4": 1, "5": 0}') == pytest.approx((0.25, 0.25, 0.25, 0.25, 0))


@pytest.mark.parametrize(
    "text",
    [
        "5",
        "",
        '{"1": 0, "2": 0, "3": 0, "4": 0}',
        '{"1": 0, "2": 0, "3": 0, "4": 0, "5": 1, "6": 9}',
        '{"1": -1, "2": 0, "3": 0, "4": 0, "5": 2}',
        '{"1": 0, "2": 0, "3": 0, "4": 0, "5": 0}',
        '{"1": 0, "2": 0, "3": 0, "4": 0, "5": 1e999}',
        '{"1": 0, "2": 0, "3": 0, "4": 0, "5": "all"}',
        '{"level": 5}',
        '{"1": 0, "2": 0, "3"',
        "I cannot help with that.",
    ],
)
def test_json_that_was_not_asked_for(text):
    with pytest.raises(UnansweredError):
        by_json(text)


def test_refusals():
    with pytest.raises(UnansweredError, match="refused"):
        distribution(json.dumps(completion(None, refusal="I can't.")).encode(), "json")
    filtered = completion("")
    filtered["choices"][0]["finish_reason"] = "content_filter"
    with pytest.raises(UnansweredError, match="refused"):
        distribution(json.dumps(filtered).encode(), "json")


@pytest.mark.parametrize("body", [b"", b"<html>", b"null", b"{}", b'{"choices": 3}', b"[" * 100_000, b"\xff\xfe{"])
def test_bodies_that_are_no_completion(body):
    with pytest.raises(UnreadableError):
        distribution(body, "json")
    assert tokens(body) is None


def test_a_completion_cut_anywhere_is_unreadable_never_wrong():
    whole = json.dumps(sure(4)).encode()
    for end in range(len(whole)):
        with pytest.raises(UnreadableError):
            distribution(whole[:end], "logprobs")


@given(
    st.binary()
    | st.recursive(
        st.none() | st.floats() | st.text(),
        lambda x: (
            st.lists(x) | st.dictionaries(st.sampled_from(["choices", "message", "content", "logprobs", "usage"]), x)
        ),
    ).map(lambda v: json.dumps(v).encode())
)
def test_any_body_is_an_answer_or_one_of_two_errors(body):
    for mode in ("json", "logprobs"):
        try:
            found = distribution(body, mode)
        except (UnansweredError, UnreadableError):
            continue
        assert math.fsum(found) == pytest.approx(1)


def test_usage():
    assert tokens(json.dumps(sure(3)).encode()) == Tokens(500, 1)
    assert tokens(json.dumps(completion("5", usage=None)).encode()) is None
    assert tokens(json.dumps(completion("5", usage={"prompt_tokens": -1, "completion_tokens": 1})).encode()) is None
