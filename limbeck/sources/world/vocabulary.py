"""The world's words and how they hang together, parsed once into small integer codes and the relations between them."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from limbeck.sources.world import attributes
from limbeck.sources.world.things import INTERESTS_AND_THINGS

LANGUAGES = ("en", "de", "fr", "es", "ja")
KINDS = ("colour", "material", "style", "occasion")
COLOUR, MATERIAL, STYLE, OCCASION = range(4)
Words = tuple[tuple[str, ...], ...]  # by language, the commonest synonym first


@dataclass(frozen=True, slots=True)
class Attribute:
    """A value of one kind, with the broader value that it also counts as."""

    code: str
    kind: int
    broader: str
    words: Words


@dataclass(frozen=True, slots=True)
class Interest:
    """What people are into: a room, a hobby, an occasion to dress for."""

    code: str
    groups: tuple[str, str]  # of styles, of occasions
    words: Words


@dataclass(frozen=True, slots=True)
class Thing:
    """What a Pin shows. Things of one family are siblings."""

    code: str
    interest: int
    family: str
    material_group: str
    shape: str
    complements: tuple[str, ...]
    words: Words


def _split(text: str, separator: str = ",") -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(separator) if part.strip())


def _words(columns: str) -> Words:
    words = tuple(_split(column) for column in columns.split("|"))
    assert len(words) == len(LANGUAGES), columns
    assert all(words), columns
    return words


def _attributes() -> list[Attribute]:
    found = []
    tables = (attributes.COLOURS, attributes.MATERIALS, attributes.STYLES, attributes.OCCASIONS)
    for kind, table in enumerate(tables):
        for line in table.strip().splitlines():
            name, columns = line.split("|", 1)
            code, _, broader = (part.strip() for part in name.partition("<"))
            found.append(Attribute(code, kind, broader, _words(columns)))
    return found


def _interests_and_things() -> tuple[list[Interest], list[Thing]]:
    interests: list[Interest] = []
    things: list[Thing] = []
    lines = INTERESTS_AND_THINGS.split("\n")
    for line, columns in pairwise(lines):
        if line.startswith("["):
            code, _, groups = line[1:].partition("]")
            style, occasion = _split(groups)
            interests.append(Interest(code, (style, occasion), _words(columns)))
        elif ";" in line:
            code, family, material, shape, complements = (part.strip() for part in line.split(";"))
            where = len(interests) - 1
            things.append(Thing(code, where, family, material, shape, _split(complements), _words(columns)))
    return interests, things


ATTRIBUTES = _attributes()
INTERESTS, THINGS = _interests_and_things()
ATTRIBUTE = {a.code: number for number, a in enumerate(ATTRIBUTES)}
THING = {t.code: number for number, t in enumerate(THINGS)}
INTEREST_OF = np.array([t.interest for t in THINGS], dtype=np.int16)  # (things,)


def edible(thing: int) -> bool:
    """Whether a thing is made with its material rather than of it."""
    return THINGS[thing].material_group in ("sweet", "savoury")


def group(name: str) -> tuple[int, ...]:
    """The attributes of a group (see `attributes.GROUPS`), the commonest first."""
    return tuple(ATTRIBUTE[code] for code in _split(attributes.GROUPS[name]))


def allowed(thing: Thing) -> tuple[tuple[int, ...], ...]:
    """For each kind, the attributes a thing may have; none for a kind that it knows no such thing of."""
    colours = () if thing.material_group in _split(attributes.NO_COLOUR) else tuple(range(len(attributes.RGB)))
    style, occasion = INTERESTS[thing.interest].groups
    return colours, group(thing.material_group), group(style), group(occasion)


def codes(names: str) -> np.ndarray:
    """The attributes named in a comma-separated list."""
    return np.array([ATTRIBUTE[code] for code in _split(names)])


def _related() -> np.ndarray:
    """(things, things): whether two things are siblings, or one completes the other."""
    family = np.array([f"{t.interest} {t.family}" for t in THINGS])
    related = family[:, None] == family[None, :]
    for number, thing in enumerate(THINGS):
        for other in thing.complements:
            related[number, THING[other]] = related[THING[other], number] = True
    np.fill_diagonal(related, False)
    return related


def _satisfies() -> np.ndarray:
    """(attributes + 1, attributes + 1): whether asking for the first is met by having the second; −1 is none."""
    meets = np.eye(len(ATTRIBUTES) + 1, dtype=bool)
    for number, attribute in enumerate(ATTRIBUTES):
        if attribute.broader:
            meets[ATTRIBUTE[attribute.broader], number] = True
    meets[-1, :] = True  # nothing asked is always met
    meets[:-1, -1] = False
    return meets


RELATED = _related()
SATISFIES = _satisfies()
