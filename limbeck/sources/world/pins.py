"""The pins table: noisy titles and descriptions in the language of whoever pinned, often vague, often missing."""

import hashlib
import random

import numpy as np
import pyarrow as pa

from limbeck import records
from limbeck.settings import World
from limbeck.sources.world.catalogue import CATEGORY_PAGE, NO_PAGE, Catalogue, catalogue
from limbeck.sources.world.people import country_names, language_names
from limbeck.sources.world.phrases import PHRASES
from limbeck.sources.world.pictures import image_path
from limbeck.sources.world.streams import stream, word_stream
from limbeck.sources.world.tells import Told, told
from limbeck.sources.world.vocabulary import LANGUAGES, RELATED, edible
from limbeck.sources.world.wording import attribute_word, interest_word, phrase, thing_word, typo

VAGUE_TITLE = 0.5  # of the titles that tell nothing; the others are missing
MISNAMED = 0.03  # named as something related instead
TYPO, HASHTAGS, FLUFF, BESIDE = 0.08, 0.25, 0.6, 0.2
SITES = ("shop.example", "blog.example", "atelier.example", "magazine.example", "maison.example", "studio.example")


def pins(settings: World, seed: int, shard: int) -> pa.Table:
    """One shard of the pins table."""
    world = catalogue(settings, seed)
    rows = range(len(world))[shard * settings.pins_per_shard : (shard + 1) * settings.pins_per_shard]
    part = np.arange(rows.start, rows.stop)
    rng, words = stream(seed, "pins", shard), word_stream(seed, "pins", shard)
    facets = world.facets.take(part)
    title, description = told("title", facets, rng), told("description", facets, rng)
    columns = {
        "pin_id": world.pin_ids[part],
        "title": [_title(world, pin, title, row, words) for row, pin in enumerate(rows)],
        "description": [_description(world, pin, description, row, words) for row, pin in enumerate(rows)],
        "image": [image_path(world, pin) if settings.pictures else None for pin in rows],
        "link": [page_of(world, pin) for pin in rows],
        "language": language_names(world.language[part]),
        "country": country_names(world.place[part]),
        "created_at": pa.array(world.created[part], pa.timestamp("us", tz="UTC")),
    }
    return pa.table(columns).cast(records.schema("pins"))


def page_of(world: Catalogue, pin: int) -> str | None:
    """The page a Pin links to: none, its own, or one that it shares with Pins of the same thing and language."""
    if world.page[pin] == NO_PAGE:
        return None
    if world.page[pin] == CATEGORY_PAGE:
        return category_page(int(world.facets.thing[pin]), int(world.language[pin]))
    return _address(f"page of {world.pin_ids[pin]}", "p")


def category_page(thing: int, language: int) -> str:
    """The page about one thing in one language."""
    return _address(f"category {thing} {language}", "c")


def _address(what: str, folder: str) -> str:
    """An address that tells nothing of what the page is about."""
    digest = hashlib.md5(what.encode(), usedforsecurity=False).hexdigest()
    return f"https://{SITES[int(digest[:4], 16) % len(SITES)]}/{folder}/{digest[4:14]}"


def told_phrase(world: Catalogue, pin: int, told: Told, row: int, words: random.Random) -> str:
    """What a source tells of a Pin as one noun phrase in the Pin's language, with a vague noun for an untold thing."""
    language, thing = int(world.language[pin]), int(world.facets.thing[pin])
    noun = thing_word(thing, language, words) if told.thing[row] else PHRASES[language].something
    return phrase(noun, told.attributes[row], language, words, edible(thing))


def _title(world: Catalogue, pin: int, told: Told, row: int, words: random.Random) -> str | None:
    language, thing = int(world.language[pin]), int(world.facets.thing[pin])
    stock = PHRASES[language]
    if not told.there[row]:
        return words.choice(stock.vague_titles) if words.random() < VAGUE_TITLE else None
    noun = interest_word(int(world.facets.interest[pin]), language, words)
    if told.thing[row]:
        shown = _another(thing, words) if words.random() < MISNAMED else thing
        noun = thing_word(shown, language, words)
    text = phrase(noun, told.attributes[row], language, words, edible(thing))
    framed = _casing(words.choice(stock.title_frames).format(text), words)
    return typo(framed, words) if words.random() < TYPO else framed


def _description(world: Catalogue, pin: int, told: Told, row: int, words: random.Random) -> str | None:
    language, thing = int(world.language[pin]), int(world.facets.thing[pin])
    stock = PHRASES[language]
    if not told.there[row]:
        return words.choice(stock.fluff) if words.random() < FLUFF / 2 else None
    text = words.choice(stock.sentences).format(told_phrase(world, pin, told, row, words))
    parts = [typo(text, words) if words.random() < TYPO else text]
    if words.random() < FLUFF:
        parts.insert(words.randrange(2), words.choice(stock.fluff))
    if words.random() < BESIDE:
        parts.append(words.choice(stock.beside).format(thing_word(_another(thing, words), language, words)))
    tags = [attribute_word(a, language, words) for a in told.attributes[row] if a >= 0]
    if tags and words.random() < HASHTAGS:
        parts.append(" ".join(f"#{tag.replace(' ', '')}" for tag in tags))
    return ("" if LANGUAGES[language] == "ja" else " ").join(parts)


def _another(thing: int, words: random.Random) -> int:
    """A sibling or complement."""
    return int(words.choice(np.flatnonzero(RELATED[thing]).tolist()))


def _casing(text: str, words: random.Random) -> str:
    """As typed, with a capital, Every Word Capitalised, or SHOUTED."""
    chance = words.random()
    if chance < 0.35:
        return text
    if chance < 0.75:
        return text[:1].upper() + text[1:]
    return text.title() if chance < 0.95 else text.upper()
