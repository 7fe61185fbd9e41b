"""From the body of a chat completion to five probabilities, or the reason why there are none."""

import math
import re
from dataclasses import dataclass
from typing import Literal

import msgspec

from limbeck.relevance import LEVELS

Distribution = tuple[float, float, float, float, float]
_LEVEL = re.compile(  # "5", " 5", "**5**", "5." but no "15", "-1", "3.5", "1-5", "4 of 10" or "1 or 5"
    r"\W*(?<![\-−–])([1-5])(?![0-9])(?!\s*(?:[.,/\-–]\s*[0-9]|(?:out\s+)?of\b|or\b|to\b))"
)
_SPELLED = re.compile(r"\W*([1-5])\W*")
_SIGNS = re.compile(r"\W*")
MOST_SHOWN = 60


class _Alternative(msgspec.Struct):
    token: str
    logprob: float


class _Token(msgspec.Struct):
    token: str
    top_logprobs: list[_Alternative] = msgspec.field(default_factory=list)


class _Logprobs(msgspec.Struct):
    content: list[_Token] | None = None


class _Message(msgspec.Struct):
    content: str | None = None
    refusal: str | None = None


class _Choice(msgspec.Struct):
    message: _Message
    logprobs: _Logprobs | None = None
    finish_reason: str | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int
    completion_tokens: int


class _Metered(msgspec.Struct):
    usage: _Usage | None = None


class _Completion(msgspec.Struct):
    choices: list[_Choice]


_COMPLETION, _METERED = msgspec.json.Decoder(_Completion), msgspec.json.Decoder(_Metered)
_SHARES = msgspec.json.Decoder(dict[str, float])


class UnreadableError(Exception):
    """A body that is not the whole of a chat completion, as servers in trouble send. Asking again may help."""


class UnansweredError(Exception):
    """A chat completion that holds no level: a refusal, a number that is none, no log-probabilities."""


@dataclass(frozen=True)
class Tokens:
    """What a request cost."""

    input: int
    output: int


def distribution(body: bytes, mode: Literal["logprobs", "json"]) -> Distribution:
    """Five probabilities that sum to one; `UnreadableError` or `UnansweredError` says why there are none."""
    try:
        choices = _COMPLETION.decode(body).choices
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise UnreadableError("the answer is not a chat completion") from None
    if not choices:
        raise UnansweredError("the answer is empty")
    choice = choices[0]
    if choice.message.refusal or choice.finish_reason == "content_filter":
        raise UnansweredError("the model refused")
    return _of_logprobs(choice) if mode == "logprobs" else _of_json(choice.message.content or "")


def tokens(body: bytes) -> Tokens | None:
    """What the server counted, in and out; None where it does not say."""
    try:
        usage = _METERED.decode(body).usage
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if usage is None or usage.prompt_tokens < 0 or usage.completion_tokens < 0:
        return None
    return Tokens(usage.prompt_tokens, usage.completion_tokens)


def _of_logprobs(choice: _Choice) -> Distribution:
    """The alternatives to the token that is the level; a level's spellings ("5", " 5") are added up."""
    found = choice.logprobs.content if choice.logprobs else None
    if not found:
        raise UnansweredError("the answer has no log-probabilities (does the server give them? Else: mode = 'json')")
    text = "".join(t.token for t in found)
    if not _LEVEL.match(text):
        raise UnansweredError(f"the answer is no level from 1 to 5: {_shown(choice.message.content or text)}")
    weights = dict.fromkeys(LEVELS, 0.0)
    for alternative in _level_token(found).top_logprobs:
        spelled = _SPELLED.fullmatch(alternative.token)
        if spelled:
            weights[int(spelled[1])] += math.exp(min(alternative.logprob, 0.0))
    return _normalised(list(weights.values()), "the answer's log-probabilities hold no level")


def _level_token(found: list[_Token]) -> _Token:
    """The first token that is more than blanks and signs; it holds the digit that `_LEVEL` found."""
    return next(t for t in found if not _SIGNS.fullmatch(t.token))


def _of_json(text: str) -> Distribution:
    """Shares of raters by level, whatever they add up to."""
    try:
        shares = _SHARES.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise UnansweredError(f"the answer is not the JSON that was asked for: {_shown(text)}") from None
    if shares.keys() != {str(level) for level in LEVELS} or min(shares.values()) < 0:
        raise UnansweredError(f"the answer does not give levels 1 to 5 each a share: {_shown(text)}")
    return _normalised([shares[str(level)] for level in LEVELS], "the answer gives every level a share of zero")


def _normalised(weights: list[float], complaint: str) -> Distribution:
    total = math.fsum(weights)
    if not 0 < total < math.inf:
        raise UnansweredError(complaint)
    p1, p2, p3, p4, p5 = (w / total for w in weights)
    return p1, p2, p3, p4, p5


def _shown(text: str) -> str:
    """What a stranger wrote, short and on one line."""
    return ascii(text if len(text) <= MOST_SHOWN else text[:MOST_SHOWN] + "…")
