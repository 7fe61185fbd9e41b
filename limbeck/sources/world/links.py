"""The links table: what linked pages say. Titles name the thing, descriptions give the details; some are useless."""

import random

import numpy as np
import pyarrow as pa

from limbeck import records
from limbeck.settings import World
from limbeck.sources.world.catalogue import CATEGORY_PAGE, OWN_PAGE, Catalogue, catalogue
from limbeck.sources.world.phrases import PHRASES
from limbeck.sources.world.pins import category_page, page_of, told_phrase
from limbeck.sources.world.streams import stream, word_stream
from limbeck.sources.world.tells import told
from limbeck.sources.world.wording import thing_word

USELESS = 0.7  # of the page titles that tell nothing; the others are missing

Row = tuple[str, str | None, str | None]


def own_pages(settings: World, seed: int, shard: int) -> pa.Table:
    """The pages of one Pin each, for a shard of the Pins."""
    world = catalogue(settings, seed)
    start = shard * settings.pins_per_shard
    pins = start + np.flatnonzero(world.page[start : start + settings.pins_per_shard] == OWN_PAGE)
    rng, words = stream(seed, "links", shard), word_stream(seed, "links", shard)
    facets = world.facets.take(pins)
    title, description = told("link title", facets, rng), told("link description", facets, rng)
    rows = []
    for row, pin in enumerate(pins.tolist()):
        stock = PHRASES[world.language[pin]]
        names = words.choice(stock.page_titles).format(told_phrase(world, pin, title, row, words))
        details = words.choice(stock.page_details).format(told_phrase(world, pin, description, row, words))
        page = page_of(world, pin)
        assert page is not None
        told_title = names if title.there[row] else _useless(stock.useless_pages, words)
        rows.append((page, told_title, details if description.there[row] else _useless(stock.fluff, words)))
    return _table(rows)


def category_pages(settings: World, seed: int) -> pa.Table:
    """The pages that several Pins of one thing and language share; they name the thing and nothing more."""
    world, words = catalogue(settings, seed), word_stream(seed, "category pages")
    return _table([_category(thing, language, words) for thing, language in _categories(world)])


def _categories(world: Catalogue) -> list[tuple[int, int]]:
    shared = np.flatnonzero(world.page == CATEGORY_PAGE)
    return sorted(set(zip(world.facets.thing[shared].tolist(), world.language[shared].tolist())))


def _category(thing: int, language: int, words: random.Random) -> Row:
    stock = PHRASES[language]
    title = words.choice(stock.page_titles).format(thing_word(thing, language, words))
    return category_page(thing, language), title, words.choice(stock.fluff)


def _useless(stock: tuple[str, ...], words: random.Random) -> str | None:
    return words.choice(stock) if words.random() < USELESS else None


def _table(rows: list[Row]) -> pa.Table:
    names = ("link", "title", "description")
    return pa.table({name: [row[i] for row in rows] for i, name in enumerate(names)}, schema=records.schema("links"))
