"""Putting codes into words of a language: synonyms, word order, typos."""

import random
from collections.abc import Sequence

from limbeck.sources.world.vocabulary import (
    ATTRIBUTES,
    COLOUR,
    INTERESTS,
    LANGUAGES,
    MATERIAL,
    OCCASION,
    STYLE,
    THINGS,
    Words,
)

NOUN = -1
# What comes in which order, each with the word that introduces it in a full sentence.
ORDER: dict[str, tuple[tuple[int, str], ...]] = {
    "en": ((STYLE, ""), (COLOUR, ""), (MATERIAL, ""), (NOUN, ""), (OCCASION, "for ")),
    "de": ((STYLE, ""), (COLOUR, ""), (NOUN, ""), (MATERIAL, "aus "), (OCCASION, "für ")),
    "fr": ((NOUN, ""), (MATERIAL, "en "), (COLOUR, ""), (STYLE, ""), (OCCASION, "pour ")),
    "es": ((NOUN, ""), (MATERIAL, "de "), (COLOUR, ""), (STYLE, ""), (OCCASION, "para ")),
    "ja": ((OCCASION, ""), (STYLE, ""), (COLOUR, ""), (MATERIAL, ""), (NOUN, "")),
}
EDIBLE_WITH = {"de": "mit ", "fr": "au "}  # food is not made "of" its main ingredient
FIRST_SYNONYM, PLAIN_CONNECTED, PLAIN_SHUFFLED = 0.5, 0.4, 0.2


def word(words: Words, language: int, rng: random.Random) -> str:
    """One of the synonyms, the commonest in half of the cases."""
    options = words[language]
    return options[0] if len(options) == 1 or rng.random() < FIRST_SYNONYM else rng.choice(options[1:])


def thing_word(thing: int, language: int, rng: random.Random) -> str:
    """A name of a thing."""
    return word(THINGS[thing].words, language, rng)


def interest_word(interest: int, language: int, rng: random.Random) -> str:
    """A name of an interest."""
    return word(INTERESTS[interest].words, language, rng)


def attribute_word(attribute: int, language: int, rng: random.Random) -> str:
    """A name of an attribute."""
    return word(ATTRIBUTES[attribute].words, language, rng)


def phrase(noun: str, told: Sequence[int], language: int, rng: random.Random, edible: bool = False) -> str:
    """A noun with its attributes (−1: not told), as somebody who writes properly says it."""
    parts = []
    for slot, lead in ORDER[LANGUAGES[language]]:
        if slot == NOUN:
            parts.append(noun)
        elif told[slot] >= 0:
            introduce = _lead(slot, lead, language, edible)
            parts.append(introduce + attribute_word(told[slot], language, rng))
    return _join_japanese(parts) if LANGUAGES[language] == "ja" else " ".join(parts)


def keywords(noun: str, told: Sequence[int], language: int, rng: random.Random, edible: bool = False) -> str:
    """The same as people type it into a search box: often without connecting words, in some order, lower case."""
    parts = []
    connected = rng.random() < PLAIN_CONNECTED
    for slot, lead in ORDER[LANGUAGES[language]]:
        if slot == NOUN:
            parts.append(noun)
        elif told[slot] >= 0:
            introduce = _lead(slot, lead, language, edible) if connected else ""
            parts.append(introduce + attribute_word(told[slot], language, rng))
    if not connected and rng.random() < PLAIN_SHUFFLED:
        rng.shuffle(parts)
    return " ".join(parts).lower()


def _lead(slot: int, lead: str, language: int, edible: bool) -> str:
    return EDIBLE_WITH.get(LANGUAGES[language], lead) if edible and slot == MATERIAL else lead


def _join_japanese(parts: list[str]) -> str:
    """Nouns in a row are joined by の; adjectives that end in い, の or な stand before the next word as they are."""
    joined = [part if part.endswith(("い", "の", "な")) else f"{part}の" for part in parts[:-1]]
    return "".join(joined) + parts[-1]


def typo(text: str, rng: random.Random) -> str:
    """Swap, drop or double one letter in one of the longer words; scripts without spaces are left alone."""
    words = text.split(" ")
    long = [i for i, w in enumerate(words) if len(w) >= 5 and w.isalpha() and w.lower() != w.upper()]
    if not long:
        return text
    chosen = rng.choice(long)
    old, at = words[chosen], rng.randrange(1, len(words[chosen]) - 1)
    swapped, dropped = old[:at] + old[at + 1] + old[at] + old[at + 2 :], old[:at] + old[at + 1 :]
    words[chosen] = rng.choice((swapped, dropped, old[: at + 1] + old[at:]))
    return " ".join(words)
