"""One text per Pin within a token budget: for training, bulk labelling and serving, the same code.

Sources are asked in the order of `SHARES`, short and telling ones first. Each may take its share of the budget, then
what is left goes round again, so that a long list starves nobody. Lists lose whole items, free text whole words.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import pyarrow as pa
from tokenizers import Tokenizer

from limbeck import records
from limbeck.settings import Text
from limbeck.text import cut
from limbeck.workspace import digest_of

SHARES = {
    "title": 1.0,
    "caption": 0.4,
    "engaged_queries": 0.3,
    "board_titles": 0.2,
    "link_title": 0.2,
    "description": 1.0,
    "link_description": 1.0,
}
LABELS = {
    "caption": "image: ",
    "engaged_queries": "searched: ",
    "board_titles": "boards: ",
    "link_title": "page: ",
    "link_description": "page text: ",
}
SEPARATOR = " | "
_CHARACTERS_PER_TOKEN = 16  # what lies beyond is not looked at: no text averages as many
_PINS_AT_ONCE = 1_024

Spans = Sequence[tuple[int, int]]  # where each token begins and ends, in characters


@dataclass(frozen=True, slots=True)
class Segment:
    """What one source says, with its label. `ends`: where it may be cut, if it is a list; else between words."""

    source: str
    text: str
    ends: tuple[int, ...] = ()

    def shortened(self, limit: int) -> str:
        """At most `limit` characters of it; nothing if that leaves no more than the label."""
        label = LABELS.get(self.source, "")
        if limit <= len(label):
            return ""
        if self.ends:
            return self.text[: max((e for e in self.ends if e <= limit), default=0)]
        content = cut.shorten(self.text[len(label) :], limit - len(label))
        return label + content if content else ""


def compose(pin_texts: pa.Table, settings: Text, tokenizer: Tokenizer | None) -> pa.Table:
    """The composed text of each row of `pin_texts`.

    Without a tokenizer, words and signs are counted. One that truncates or pads is copied first, which takes a while.
    """
    tokenizer, wanted = _plain(tokenizer), records.schema("composed")
    texts: list[str] = []
    for start in range(0, len(pin_texts), _PINS_AT_ONCE):
        rows = pin_texts.slice(start, _PINS_AT_ONCE).select(list(SHARES)).to_pylist()
        texts += _render([_segments(row, settings) for row in rows], settings.max_tokens, tokenizer)
    columns = {"text": texts, "digest": [digest_of(t) for t in texts]}
    columns |= {"pin_id": pin_texts.column("pin_id"), "said": pin_texts.column("digest")}
    return pa.table(columns).select(wanted.names).cast(wanted)


def compose_one(fields: Mapping[str, object], settings: Text, tokenizer: Tokenizer | None) -> str:
    """The text of one document with any of the columns of `pin_texts`, as `compose` makes it."""
    return _render([_segments(fields, settings)], settings.max_tokens, _plain(tokenizer))[0]


def _plain(tokenizer: Tokenizer | None) -> Tokenizer | None:
    """The tokenizer without truncation and padding, the caller's own left as it is."""
    if tokenizer is None or (tokenizer.truncation is None and tokenizer.padding is None):
        return tokenizer
    plain = Tokenizer.from_str(tokenizer.to_str())
    plain.no_truncation()
    plain.no_padding()
    return plain


def _segments(fields: Mapping[str, object], settings: Text) -> list[Segment]:
    """What each source that is switched on adds to those before it."""
    said: list[str] = []
    segments = []
    longest = settings.max_tokens * _CHARACTERS_PER_TOKEN
    for source in SHARES:
        value = fields.get(source) if source in settings.sources else None
        if isinstance(value, str):
            if _is_new(value, said):
                segments.append(Segment(source, LABELS.get(source, "") + cut.shorten(value, longest)))
        elif isinstance(value, Sequence) and (items := [v for v in value if _is_new(v, said, whole=True)]):
            segments.append(_listed(source, items))
    return segments


def _is_new(text: str, said: list[str], whole: bool = False) -> bool:
    """Whether a text says anything not `said` (as a whole, or as part of a longer text); it is noted there."""
    plain = f" {' '.join(text.casefold().split())} "
    if plain == "  " or plain in said or (not whole and any(plain in s for s in said)):
        return False
    said.append(plain)
    return True


def _listed(source: str, items: list[str]) -> Segment:
    label = LABELS[source]
    text, ends = label + items[0], [len(label) + len(items[0])]
    for item in items[1:]:
        text += f", {item}"
        ends.append(len(text))
    return Segment(source, text, tuple(ends))


def _render(many: list[list[Segment]], budget: int, tokenizer: Tokenizer | None) -> list[str]:
    """The texts of many Pins, each of at most `budget` tokens."""
    texts = [SEPARATOR.join(s.text for s in segments) for segments in many]
    found = _spans(texts, tokenizer)
    budgets = {i: budget for i, spans in enumerate(found) if len(spans) > budget}
    while budgets:  # once as a rule: a shortened text may have more tokens than it had as part of the whole
        for i, allowed in budgets.items():
            texts[i] = _fit(many[i], found[i], allowed)
        counts = dict(zip(budgets, map(len, _spans([texts[i] for i in budgets], tokenizer))))
        budgets = {i: allowed - (counts[i] - budget) for i, allowed in budgets.items() if counts[i] > budget}
    return texts


def _spans(texts: list[str], tokenizer: Tokenizer | None) -> list[Spans]:
    if tokenizer is None:
        return [cut.tokens(t) for t in texts]
    return [e.offsets for e in tokenizer.encode_batch(texts, add_special_tokens=False)]


def _fit(segments: list[Segment], spans: Spans, budget: int) -> str:
    """The segments shortened to `budget` tokens in all; `spans` are the tokens of all of them, joined."""
    begins = [begin for begin, _ in spans]
    offsets, firsts = [0], [0]  # per segment, where its text begins and which is its first token, its separator's
    for segment in segments:
        offsets.append(offsets[-1] + len(segment.text) + len(SEPARATOR))
        firsts.append(bisect_left(begins, offsets[-1] - len(SEPARATOR)))
    needs = [b - a for a, b in pairwise(firsts)]
    granted = _granted([s.source for s in segments], needs, budget)
    parts = []
    for i, segment in enumerate(segments):
        limit = len(segment.text) if granted[i] == needs[i] else spans[firsts[i] + granted[i] - 1][1] - offsets[i]
        parts.append(segment.shortened(limit) if granted[i] else "")
    return SEPARATOR.join(p for p in parts if p)


def _granted(sources: list[str], needs: list[int], budget: int) -> list[int]:
    """How many tokens each source gets of those it needs: in order, up to its share, then of what is left."""
    granted = [0] * len(needs)
    for shares in (SHARES, dict.fromkeys(SHARES, 1.0)):
        for i, source in enumerate(sources):
            room = min(int(shares[source] * budget) - granted[i], budget - sum(granted))
            granted[i] += max(0, min(needs[i] - granted[i], room))
    return granted
