"""Pins asked about by their ids, read where they stand in the body of a request: no object is made for any of them."""

import re
from typing import Annotated, Literal, NamedTuple

import msgspec
import numpy as np
from msgspec import Meta

from limbeck import compiled, wide
from limbeck.lookup import Inside
from limbeck.serve.messages import MAX_DOCUMENTS, Query

_LIST = re.compile(rb'"documents"[ \t\n\r]*:[ \t\n\r]*\[')
_READ: Literal[0] = 0  # what stands for a list that is read already


class Asked(NamedTuple):
    """A query, and the Pins to be graded for it, of which the first `top_n` are answered; all where that is None."""

    query: str
    pin_ids: Inside
    top_n: int | None


class _Body(msgspec.Struct):
    """What `messages.RerankRequest` says, but for its list."""

    query: Query
    documents: Literal[0]
    top_n: Annotated[int, Meta(ge=1)] | None = None
    return_documents: bool = False
    model: str | None = None


_READER = msgspec.json.Decoder(_Body)


def read(body: bytes) -> Asked | None:
    """What a body asks for; None where it is not of ids alone, or not right, which another reader says in full."""
    list_begins = _LIST.search(body)
    if not list_begins:
        return None
    pin_ids, end = _ids(body, list_begins.end())
    rest = b"%b%d%b" % (body[: list_begins.end() - 1], _READ, body[end:])
    try:
        said = _READER.decode(rest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None  # or the list was another one: that of the documents is not read
    right = len(pin_ids) and said.query.strip() and not said.return_documents
    return Asked(said.query, pin_ids, said.top_n) if right else None


def _ids(body: bytes, begin: int) -> tuple[Inside, int]:
    """The ids of a list whose documents have an id alone, and where it ends; none where it has anything else."""
    text, spans = np.frombuffer(body, np.uint8), np.empty((2, MAX_DOCUMENTS), np.int64)
    count, end = _find(text, begin, spans)
    return Inside(text, spans[0, :count], spans[1, :count]), end


@compiled.kernel
def _find(text, begin, spans):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Where the ids of a list begin and end; how many there are, and what is behind it. 0 where it has anything else.

    Also where an id has other characters than those of ASCII, or escaped ones: whether they are right is to be seen
    by who reads texts. Between two ids is mostly what was between the two before. Places are unsigned, or it is seen
    to whether each is negative.
    """
    size, here = np.uint64(len(text)), _past(text, _past_space(text, np.uint64(begin)), _BEFORE)
    last, between = here, np.uint64(0)  # what is between ids, where it was last, and its length
    for count in range(spans.shape[1]):
        spans[0, count] = here
        here = _past_plain(text, here)
        spans[1, count] = here
        if between and _same(text, last, here, between):
            here += between
            continue
        last, here = here, _past(text, here, _AFTER)
        if here >= size:
            break
        if text[here] == _END:
            return count + 1, np.int64(here + _ONE)
        if text[here] != _COMMA:
            break
        here = _past(text, _past_space(text, here + _ONE), _BEFORE)
        between = here - last
    return 0, len(text)


@compiled.within
def _past_plain(text, here):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """What is behind the characters of ASCII that stand for themselves."""
    size, begin = np.uint64(len(text)), np.uint64(text.ctypes.data)
    while here + _WIDE <= size:
        plain = wide.first_special(begin + here)
        here += plain
        if plain < _WIDE:
            return here
    while here < size and _PLAIN[text[here]]:
        here += _ONE
    return here


@compiled.within
def _same(text, one, other, length):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Whether so many bytes are the same at two places, of which the other is the later one."""
    size, begin = np.uint64(len(text)), np.uint64(text.ctypes.data)
    if other + _WIDE <= size and length <= _WIDE:
        return wide.first_other(begin + one, begin + other) >= length
    if other + length > size:
        return False
    k = np.uint64(0)
    while k < length and text[one + k] == text[other + k]:
        k += _ONE
    return k == length


@compiled.within
def _past(text, here, wanted):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """What is behind the characters that are wanted, and space around those outside of quotes; the end without them."""
    size, quoted = np.uint64(len(text)), wanted[0] == _QUOTE  # the first one ends a text that is read already
    for k in range(len(wanted)):
        if here >= size or text[here] != wanted[k]:
            return size
        here += _ONE
        quoted ^= wanted[k] == _QUOTE
        if not quoted:
            here = _past_space(text, here)
    return here


@compiled.within
def _past_space(text, here):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    while here < np.uint64(len(text)) and text[here] <= _SPACE and (text[here] in _SPACES):
        here += _ONE
    return here


_ONE, _WIDE = np.uint64(1), np.uint64(wide.SIZE)
_BEFORE, _AFTER = (np.frombuffer(part, np.uint8) for part in (b'{"id":"', b'"}'))
_SPACES = tuple(b" \t\n\r")
_SPACE, _QUOTE, _COMMA, _END = b' ",]'
# Whether a character of a text is in ASCII, and stands for itself.
_PLAIN = np.asarray([_SPACE <= character < 128 and character not in b'"\\' for character in range(256)])
