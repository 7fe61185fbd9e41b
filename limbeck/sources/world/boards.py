"""The boards table: users' collections. A title tells an interest, often with a style or an occasion, or nothing."""

import random
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pyarrow as pa

from limbeck import records
from limbeck.settings import World
from limbeck.sources.world.catalogue import catalogue
from limbeck.sources.world.people import users
from limbeck.sources.world.phrases import PHRASES
from limbeck.sources.world.streams import stream, word_stream
from limbeck.sources.world.vocabulary import INTERESTS, OCCASION, STYLE, group
from limbeck.sources.world.wording import interest_word, keywords

BOARDS_PER_USER = 6
WITH_STYLE, WITH_OCCASION = 0.40, 0.35
VAGUE, UNTITLED = 0.12, 0.02


@dataclass(frozen=True, slots=True)
class Boards:
    """All boards as columns; the boards of user u are rows 6u to 6u + 5."""

    board_ids: np.ndarray  # (b,) of text
    owner: np.ndarray  # (b,) int32
    language: np.ndarray  # (b,) int8
    interest: np.ndarray  # (b,) int16
    facet: np.ndarray  # (b,) int16: a style or an occasion, −1 for none
    kind: np.ndarray  # (b,) int8: STYLE or OCCASION, of the facet

    def __len__(self) -> int:
        return len(self.board_ids)


@lru_cache(maxsize=2)
def boards(settings: World, seed: int) -> Boards:
    """The boards of a world."""
    rng, people = stream(seed, "boards"), users(settings, seed)
    owner = np.repeat(np.arange(len(people), dtype=np.int32), BOARDS_PER_USER)
    n = len(owner)
    present = np.unique(catalogue(settings, seed).facets.interest)
    interest = present[rng.integers(0, len(present), n)]
    chance = rng.random(n)
    kind = np.where(chance < WITH_STYLE, STYLE, OCCASION).astype(np.int8)
    facet = np.where(chance < WITH_STYLE + WITH_OCCASION, _facets(rng, interest, kind), -1).astype(np.int16)
    ids = np.array([f"b{number:07d}" for number in rng.permutation(n)])
    return Boards(ids, owner, people.language[owner], interest, facet, kind)


def board_table(settings: World, seed: int) -> pa.Table:
    """The boards table."""
    all_boards, words = boards(settings, seed), word_stream(seed, "board titles")
    titles = [_title(all_boards, board, words) for board in range(len(all_boards))]
    return pa.table({"board_id": all_boards.board_ids, "title": titles}).cast(records.schema("boards"))


def _facets(rng: np.random.Generator, interest: np.ndarray, kind: np.ndarray) -> np.ndarray:
    """For each board one of the styles or occasions that its interest knows."""
    facet = np.full(len(interest), -1)
    for number, entry in enumerate(INTERESTS):
        for which, name in zip((STYLE, OCCASION), entry.groups):
            rows = np.flatnonzero((interest == number) & (kind == which))
            facet[rows] = rng.choice(group(name), len(rows))
    return facet


def _title(all_boards: Boards, board: int, words: random.Random) -> str | None:
    language, chance = int(all_boards.language[board]), words.random()
    stock = PHRASES[language]
    if chance < UNTITLED:
        return None
    if chance < UNTITLED + VAGUE:
        return words.choice(stock.vague_boards)
    told = [-1, -1, -1, -1]
    told[all_boards.kind[board]] = int(all_boards.facet[board])
    named = keywords(interest_word(int(all_boards.interest[board]), language, words), told, language, words)
    framed = words.choice(stock.board_frames).format(named)
    return framed[:1].upper() + framed[1:] if words.random() < 0.6 else framed
