"""Token ids of texts, each text tokenised once, and pairs of texts joined from them.

A pair is laid out as the model's own preprocessing lays it out (`[CLS] query [SEP] text [SEP]`, or whatever it is). The
layout is learnt from one pair that the model prepared itself and is checked on others, among them over-long ones.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
from tokenizers import Tokenizer

Preprocess = Callable[[list[Any]], dict[str, Any]]
PROBE = ("red lamp", "tall green glass vase")
PIECES = 16_384  # texts per call of the tokenizer


@dataclass(frozen=True)
class Ragged:
    """Token ids of n texts, one after the other: `ids` int32 (total,), text i from `ends[i]` to `ends[i + 1]`."""

    ids: np.ndarray
    ends: np.ndarray

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each text, int64 (n,)."""
        return np.diff(self.ends)

    def cut(self, row: int, length: int) -> np.ndarray:
        """The first `length` ids of a text."""
        begin = self.ends[row]
        return self.ids[begin : begin + length]


def tokenize(tokenizer: Tokenizer, texts: Sequence[str]) -> Ragged:
    """The ids of each text as it stands, without special tokens and uncut."""
    parts, lengths = [np.zeros(0, np.int32)], []
    for begin in range(0, len(texts), PIECES):
        found = tokenizer.encode_batch_fast(list(texts[begin : begin + PIECES]), add_special_tokens=False)
        ids = [np.asarray(encoding.ids, dtype=np.int32) for encoding in found]
        lengths += [len(i) for i in ids]
        parts += ids
    return Ragged(np.concatenate(parts), np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]))


@dataclass(frozen=True)
class Layout:
    """What stands around the texts of a row: ids and token types of the specials, and the types of the texts."""

    order: tuple[int, ...]  # which text stands at each place: a prompt may have the second one first
    specials: tuple[np.ndarray, ...]  # before, between and after the texts: int32
    special_types: tuple[np.ndarray, ...]
    text_types: tuple[int, ...]  # by place
    limit: int
    cuts_first: bool  # over-long pairs lose tokens of whichever text is longer; otherwise only the last text is cut

    @property
    def room(self) -> int:
        """Tokens of text that fit beside the specials."""
        return self.limit - sum(map(len, self.specials))

    def fit(self, lengths: np.ndarray) -> np.ndarray:
        """How many tokens of each text are read: (n, texts) to (n, texts)."""
        if lengths.shape[1] == 1:
            return np.minimum(lengths, self.room)
        if not self.cuts_first:
            first = np.minimum(lengths[:, 0], self.room)
            return np.stack([first, np.minimum(lengths[:, 1], self.room - first)], axis=1)
        return _longest_first(lengths, self.room)


def _longest_first(lengths: np.ndarray, room: int) -> np.ndarray:
    """As the tokenizers library cuts pairs: the longer text down to the shorter's length, then both to a half."""
    order = np.argsort(lengths, axis=1, kind="stable")
    short, long = np.take_along_axis(lengths, order, axis=1).T
    fitted = np.minimum(long, np.maximum(short, room - short))
    halves = short + fitted > room
    short, fitted = np.where(halves, room // 2, short), np.where(halves, room - room // 2, fitted)
    whole = (lengths.sum(axis=1) <= room)[:, None]
    return np.where(whole, lengths, np.take_along_axis(np.stack([short, fitted], axis=1), np.argsort(order), axis=1))


@dataclass(frozen=True)
class Rows:
    """n rows of one or two texts to be read: `texts[k]` are tokenised, `chosen[k]` (n,) says which one a row has."""

    layout: Layout
    texts: tuple[Ragged, ...]
    chosen: tuple[np.ndarray, ...]
    read: np.ndarray  # tokens read of each text, int64 (n, texts)

    @classmethod
    def of(cls, layout: Layout, texts: tuple[Ragged, ...], chosen: tuple[np.ndarray, ...]) -> "Rows":
        """Rows cut to what the model reads."""
        lengths = np.stack([ragged.lengths[rows] for ragged, rows in zip(texts, chosen)], axis=1)
        return cls(layout, texts, chosen, layout.fit(lengths))

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each row, specials included: int64 (n,)."""
        return self.read.sum(axis=1) + sum(map(len, self.layout.specials))

    def beginnings(self, rows: np.ndarray) -> np.ndarray:
        """Tokens of these rows before their last text: int64 (rows,)."""
        return self.read[rows][:, self.layout.order[:-1]].sum(axis=1) + sum(map(len, self.layout.specials[:-1]))

    def ids(self, rows: np.ndarray) -> np.ndarray:
        """The ids of these rows, one after the other: int64 (total,)."""
        pieces, specials = [], self.layout.specials
        for row in rows:
            pieces.append(specials[0])
            for text, after in zip(self.layout.order, specials[1:]):
                pieces += [self.texts[text].cut(self.chosen[text][row], self.read[row, text]), after]
        return np.concatenate(pieces, dtype=np.int64)

    def types(self, rows: np.ndarray) -> np.ndarray:
        """The token types of these rows, one after the other: int64 (total,)."""
        pieces, around = [], self.layout.special_types
        for row in rows:
            pieces.append(around[0])
            for text, kind, after in zip(self.layout.order, self.layout.text_types, around[1:]):
                pieces += [np.full(self.read[row, text], kind), after]
        return np.concatenate(pieces, dtype=np.int64)


def learn(tokenizer: Tokenizer, preprocess: Preprocess, limit: int, pairs: bool) -> Layout | None:
    """The layout by which `preprocess` prepares rows; None where no layout of ours gives the same ids."""
    probe = PROBE if pairs else PROBE[:1]
    ids, types = _prepared(preprocess, probe)
    words = [tokenize(tokenizer, [text]).ids for text in probe]
    for order in permutations(range(len(probe))):
        around = _around(ids, [words[text] for text in order])
        if around is None:
            continue
        specials = tuple(ids[part].astype(np.int32) for part in around)
        text_types = tuple(int(types[part.stop]) for part in around[:-1])
        for cuts_first in (True, False):
            special_types = tuple(types[part] for part in around)
            layout = Layout(order, specials, special_types, text_types, limit, cuts_first)
            if layout.room > 1 and _agrees(layout, tokenizer, preprocess, pairs):
                return layout
    return None


def _around(ids: np.ndarray, texts: list[np.ndarray]) -> list[slice] | None:
    """What stands in `ids` before, between and after these texts; None where they do not follow each other there."""
    around, begin = [], 0
    for words in texts:
        at = _find(ids, words, begin)
        if at is None:
            return None
        around.append(slice(begin, at))
        begin = at + len(words)
    return [*around, slice(begin, len(ids))]


def _agrees(layout: Layout, tokenizer: Tokenizer, preprocess: Preprocess, pairs: bool) -> bool:
    """Whether rows laid out here are those that the model prepares, whichever text is too long."""
    much = " ".join([*PROBE] * layout.limit)
    row_zero = np.zeros(1, np.int64)
    texts = ["", 'Ünïcode 沙发 ☕ (cosy) 5-1/2"', PROBE[0], much, f"{PROBE[1]} {much}"]
    for first in texts:
        for second in texts if pairs else texts[:1]:
            row = (first, second) if pairs else (first,)
            ragged = tuple(tokenize(tokenizer, [text]) for text in row)
            laid_out = Rows.of(layout, ragged, (row_zero,) * len(row))
            ids, types = _prepared(preprocess, row)
            if not (np.array_equal(laid_out.ids(row_zero), ids) and np.array_equal(laid_out.types(row_zero), types)):
                return False
    return True


def _prepared(preprocess: Preprocess, row: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Ids and token types of one row as the model prepares it."""
    features = preprocess([row if len(row) > 1 else row[0]])
    ids = features["input_ids"][0].numpy()
    types = features["token_type_ids"][0].numpy() if "token_type_ids" in features else np.zeros_like(ids)
    return ids, types


def _find(ids: np.ndarray, words: np.ndarray, begin: int) -> int | None:
    """Where `words` stand in `ids`, from `begin` on."""
    for at in range(begin, len(ids) - len(words) + 1):
        if np.array_equal(ids[at : at + len(words)], words):
            return at
    return None
