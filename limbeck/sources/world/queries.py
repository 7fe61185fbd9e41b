"""What users search for: distinct queries, what they ask for, and how often (Zipf: a head, a torso, a long tail)."""

import random
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from limbeck.relevance import normalise_query
from limbeck.settings import World
from limbeck.sources.world.catalogue import Catalogue, catalogue
from limbeck.sources.world.people import SHARES
from limbeck.sources.world.phrases import PHRASES
from limbeck.sources.world.streams import stream, weighted, word_stream
from limbeck.sources.world.truth import Facets
from limbeck.sources.world.vocabulary import ATTRIBUTE, ATTRIBUTES, LANGUAGES, edible
from limbeck.sources.world.wording import interest_word, keywords, thing_word, typo

SEARCHES_PER_QUERY, FEWEST_QUERIES = 8, 320
ZIPF, ZIPF_SHIFT = 0.9, 2.0
WHOLE_INTEREST = 0.12
ASKED = (0.22, 0.45, 0.33)  # how many queries ask for no, one, two attributes
BROADER, TYPO, WITH_IDEAS = 0.4, 0.06, 0.15


@dataclass(frozen=True, slots=True)
class Queries:
    """All distinct queries as columns, by language, the most frequent of each first."""

    texts: list[str]
    language: np.ndarray  # (q,) int8
    asked: Facets
    share: np.ndarray  # (q,) float: of the searches in its language; sums to one in each

    def __len__(self) -> int:
        return len(self.texts)


@lru_cache(maxsize=2)
def queries(settings: World, seed: int) -> Queries:
    """The queries of a world. Each is inspired by a Pin, so that something relevant is there to be found.

    A text that means something in two languages is taken to be of the first, so that each has one meaning.
    """
    world = catalogue(settings, seed)
    wanted = max(FEWEST_QUERIES, settings.searches // SEARCHES_PER_QUERY)
    taken: set[str] = set()
    blocks = [_block(world, number, int(share * wanted), seed, taken) for number, share in enumerate(SHARES)]
    asked = [facets for _, facets, _ in blocks]
    return Queries(
        [text for texts, _, _ in blocks for text in texts],
        np.concatenate([np.full(len(share), number, np.int8) for number, (_, _, share) in enumerate(blocks)]),
        Facets(*(np.concatenate([getattr(f, c) for f in asked]) for c in ("interest", "thing", "attributes"))),
        np.concatenate([share for _, _, share in blocks]),
    )


def _block(
    world: Catalogue, language: int, wanted: int, seed: int, taken: set[str]
) -> tuple[list[str], Facets, np.ndarray]:
    """The queries of one language, their meanings and their shares of the searches."""
    rng, words = stream(seed, "queries", language), word_stream(seed, "queries", language)
    asked = _intents(world, rng, 3 * wanted)
    texts: list[str] = []
    kept: list[int] = []
    for row in range(len(asked)):
        text = _text(asked, row, language, words)
        if normalise_query(text) not in taken and len(kept) < wanted:
            taken.add(normalise_query(text))
            texts.append(text)
            kept.append(row)
    asked = asked.take(np.array(kept))
    # The fewer attributes asked for, the more people ask for it, by and large.
    rank = np.argsort((asked.attributes >= 0).sum(axis=1) + rng.normal(0, 0.7, len(asked)))
    share = 1 / (ZIPF_SHIFT + np.arange(len(rank))) ** ZIPF
    return [texts[i] for i in rank], asked.take(rank), share / share.sum()


def _intents(world: Catalogue, rng: np.random.Generator, n: int) -> Facets:
    pins = weighted(rng, world.appeal, n)
    shown = world.facets.take(pins)
    order = np.argsort(rng.random((n, 4)) + (shown.attributes < 0), axis=1).argsort(axis=1)  # what is there comes first
    asked = np.where(order < weighted(rng, np.array(ASKED), n)[:, None], shown.attributes, -1)
    broader = np.array([ATTRIBUTE.get(a.broader, number) for number, a in enumerate(ATTRIBUTES)] + [-1], dtype=np.int16)
    asked = np.where(rng.random((n, 4)) < BROADER, broader[asked], asked).astype(np.int16)
    whole = rng.random(n) < WHOLE_INTEREST
    asked[whole, :2] = -1  # a room or a hobby has a style and an occasion, no colour or material
    return Facets(shown.interest, np.where(whole, -1, shown.thing).astype(np.int16), asked)


def _text(asked: Facets, row: int, language: int, words: random.Random) -> str:
    thing = int(asked.thing[row])
    ideas = f" {words.choice(PHRASES[language].ideas)}"
    if thing >= 0:
        noun = thing_word(thing, language, words)
        ideas = ideas if words.random() < WITH_IDEAS else ""
    else:
        noun = interest_word(int(asked.interest[row]), language, words)
    text = keywords(noun, asked.attributes[row], language, words, thing >= 0 and edible(thing)) + ideas
    return typo(text, words) if LANGUAGES[language] != "ja" and words.random() < TYPO else text
