"""The reading of a TOML recipe into the dataclasses of `settings.py`; what they cannot take is refused by its key."""

import dataclasses
import difflib
import math
import re
import tomllib
import types
import typing
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from limbeck.errors import InputError
from limbeck.records import INPUTS
from limbeck.settings import FAMILIES, SOURCES, Blend, Judge, Recipe, Student

RESERVED = {"model", "messages", "logprobs", "top_logprobs", "response_format", "stream", "n", "temperature"}


def read(path: Path) -> Recipe:
    """The recipe in a TOML file; `InputError` names the file and the key at fault."""
    try:
        return parse(path.read_text(encoding="utf-8-sig"), path)  # some editors begin a file with a byte-order mark
    except FileNotFoundError:
        raise InputError("no such recipe", file=path, remedy="`limbeck init` writes one to start from") from None
    except IsADirectoryError:
        remedy = "Name the TOML file that the run was made by, and a workspace with --workspace"
        raise InputError("a folder, not a recipe", file=path, remedy=remedy) from None
    except UnicodeDecodeError as error:
        raise InputError(f"not a TOML file: {error}", file=path) from None


def parse(text: str, path: Path) -> Recipe:
    """The recipe in a TOML text that lies, or would lie, at `path`."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"not a TOML file: {error}", file=path) from None
    data.setdefault("name", path.stem)
    if "folder" in data:
        raise InputError("unknown key 'folder'", file=path)
    recipe = _build(Recipe, data, "", path)
    _check(recipe, path)
    return dataclasses.replace(recipe, folder=path.parent)


def _check(recipe: Recipe, path: Path) -> None:
    if (recipe.world is None) == (not recipe.tables):
        raise InputError("a recipe has either [world] or [[tables.…]]", file=path)
    if recipe.tables and "pins" not in recipe.tables:
        raise InputError("no [[tables.pins]]", file=path, remedy="Only the pins table is required; map it")
    for table in recipe.tables:
        if table not in INPUTS:
            raise InputError(f"unknown table {table!r}{_nearest(table, INPUTS)}", file=path)
    if recipe.seed < 0:
        raise InputError(f"seed is {recipe.seed}, expected 0 or more", file=path)
    for name in ("buckets", "min_users", "max_tokens"):
        if getattr(recipe.text, name) < 1:
            raise InputError(f"text.{name} is {getattr(recipe.text, name)}, expected 1 or more", file=path)
    for section, pictures in (("captions", recipe.captions), ("visual", recipe.visual)):
        for name, value in vars(pictures).items() if pictures else ():
            if isinstance(value, int | float) and not isinstance(value, bool) and value <= 0:
                raise InputError(f"{section}.{name} is {value}, expected more than 0", file=path)
    _check_prompt(recipe.teacher.prompt, path)
    for source in recipe.text.sources:
        if source not in SOURCES:
            raise InputError(f"unknown text source {source!r}{_nearest(source, SOURCES)}", file=path)
    if not 0 <= recipe.text.meaningful_change <= 1:
        raise InputError(f"text.meaningful_change is {recipe.text.meaningful_change}, expected 0 to 1", file=path)
    for family in recipe.signals.without:
        if family not in FAMILIES:
            raise InputError(f"unknown family of match features {family!r}{_nearest(family, FAMILIES)}", file=path)
    for name in ("layers", "amounts"):
        if any(number < 1 for number in getattr(recipe.reproduce, name)):
            raise InputError(
                f"reproduce.{name} names {min(getattr(recipe.reproduce, name))}, expected 1 or more", file=path
            )
    if recipe.signals.window_days < 1:
        raise InputError(f"signals.window_days is {recipe.signals.window_days}, expected 1 or more", file=path)
    _check_student(recipe.student, path)
    if recipe.measure.attacked_pairs < 0:
        raise InputError(f"measure.attacked_pairs is {recipe.measure.attacked_pairs}, expected 0 or more", file=path)
    if not 0 <= recipe.labels.dollars_per_hour < math.inf:
        raise InputError(f"labels.dollars_per_hour is {recipe.labels.dollars_per_hour}, expected 0 or more", file=path)
    if recipe.serve.cached_queries < 0:
        raise InputError(f"serve.cached_queries is {recipe.serve.cached_queries}, expected 0 or more", file=path)
    _check_blend(recipe.serve.blend, path)
    for name in ("raters_per_pair", "pairs"):
        if getattr(recipe.rate, name) < 1:
            raise InputError(f"rate.{name} is {getattr(recipe.rate, name)}, expected 1 or more", file=path)
    if recipe.judge is not None:
        _check_judge(recipe.judge, path)


def _check_student(student: Student, path: Path) -> None:
    for name in ("vector_size", "products"):
        if getattr(student, name) < 1:
            raise InputError(f"student.{name} is {getattr(student, name)}, expected 1 or more", file=path)
    if not 0 <= student.signal_dropout < 1:
        raise InputError(f"student.signal_dropout is {student.signal_dropout}, expected 0 to below 1", file=path)
    if not 0 <= student.human_weight <= 1:
        raise InputError(f"student.human_weight is {student.human_weight}, expected 0 to 1", file=path)
    if not 0 <= student.human_share < 1:
        raise InputError(f"student.human_share is {student.human_share}, expected 0 to below 1", file=path)
    if not 0 < student.temperature < math.inf:
        raise InputError(f"student.temperature is {student.temperature}, expected more than 0", file=path)


def _check_blend(blend: Blend, path: Path) -> None:
    for name, value in vars(blend).items():
        if name != "floors" and not 0 <= value < math.inf:
            raise InputError(f"serve.blend.{name} is {value}, expected 0 or more", file=path)
    if list(blend.floors) != sorted(set(blend.floors)) or not all(1 <= floor <= 5 for floor in blend.floors):
        remedy = "Such as [2.5, 3.5, 4.5]: expected levels from 1 to 5, ascending; [] for none"
        raise InputError(f"serve.blend.floors is {list(blend.floors)}", file=path, remedy=remedy)


def _check_judge(judge: Judge, path: Path) -> None:
    """What the type of a knob cannot say. A value that may hold a secret is never repeated."""
    try:
        address = urlsplit(judge.endpoint)
        proper = address.scheme in ("http", "https") and bool(address.hostname) and (address.port or 80) > 0
    except ValueError:
        proper = False
    if not proper:
        raise InputError(
            "judge.endpoint is not an http(s) address", file=path, remedy="Such as http://localhost:8000/v1"
        )
    if address.username or address.password or address.query or address.fragment:
        remedy = "The key belongs into an environment variable, named by judge.key_variable"
        raise InputError("judge.endpoint carries more than host and path", file=path, remedy=remedy)
    if judge.key_variable is not None and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", judge.key_variable):
        remedy = "It is to name the environment variable that holds the API key, not to be the key"
        raise InputError("judge.key_variable is not the name of a variable", file=path, remedy=remedy)
    least = {"concurrency": 1, "retries": 0, "timeout_seconds": 0.001, "temperature": 0, "first_wait_seconds": 0}
    least |= {"longest_wait_seconds": 0, "dollars_per_million_input": 0, "dollars_per_million_output": 0}
    for name, bound in (least | {"most_dollars": 0, "most_calls": 0, "most_failures": 0}).items():
        value = getattr(judge, name)
        if value is not None and not bound <= value < math.inf:
            raise InputError(f"judge.{name} is {value}, expected {bound} or more", file=path)
    if judge.most_dollars is not None and not judge.dollars_per_million_input + judge.dollars_per_million_output:
        remedy = "Set judge.dollars_per_million_input and judge.dollars_per_million_output"
        raise InputError("judge.most_dollars needs the prices of tokens", file=path, remedy=remedy)
    for name in judge.body.keys() & RESERVED:
        raise InputError(f"judge.body.{name} is Limbeck's own to set", file=path)


def _check_prompt(prompt: str, path: Path) -> None:
    for place in ("{query}", "{text}"):
        if prompt and prompt.count(place) != 1:
            remedy = "A prompt names {query} and {text} once each"
            raise InputError(f"teacher.prompt has {place} {prompt.count(place)} times", file=path, remedy=remedy)


def _build(kind: type, data: dict[str, Any], where: str, path: Path) -> Any:
    """A dataclass from a TOML table, checked key by key."""
    hints = typing.get_type_hints(kind)
    for key in data:
        if key not in hints:
            raise InputError(f"unknown key {where + key!r}{_nearest(key, hints)}", file=path)
    values = {k: _convert(hints[k], v, where + k, path) for k, v in data.items()}
    missing = [f.name for f in dataclasses.fields(kind) if _required(f) and f.name not in values]
    if missing:
        raise InputError(f"missing key {where + missing[0]!r}", file=path)
    return kind(**values)


def _required(f: dataclasses.Field[Any]) -> bool:
    return f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING


def _convert(hint: Any, value: Any, where: str, path: Path) -> Any:
    """`value` as the annotation wants it, or an `InputError` that says what was expected."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return _convert_union(arguments, value, where, path)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type) and isinstance(value, dict):
        return _build(hint, value, f"{where}.", path)
    if origin is Literal and value in arguments:
        return value
    if origin is tuple and isinstance(value, list):
        return tuple(_convert(arguments[0], v, f"{where}[{i}]", path) for i, v in enumerate(value))
    if origin is dict and isinstance(value, dict):
        return {k: _convert(arguments[1], v, f"{where}.{k}", path) for k, v in value.items()}
    if hint is float and type(value) is int:
        return float(value)
    if isinstance(hint, type) and type(value) is hint:
        return value
    expected = f"one of {', '.join(map(repr, arguments))}" if origin is Literal else _wording(hint)
    raise InputError(f"{where} is {value!r}, expected {expected}", file=path)


def _convert_union(options: tuple[Any, ...], value: Any, where: str, path: Path) -> Any:
    """The first option that takes the value; the complaint of the likeliest one if none does."""
    options = tuple(o for o in options if o is not type(None))
    if isinstance(value, dict):  # of several kinds of table, the one that shares most keys
        options = tuple(
            sorted(options, key=lambda o: len(value.keys() & getattr(o, "__dataclass_fields__", {}).keys()))
        )
    exact = [o for o in options if isinstance(o, type) and type(value) is o]
    for option in (*exact, *options):
        try:
            return _convert(option, value, where, path)
        except InputError:
            continue
    if len(options) > 1 and not isinstance(value, dict):
        expected = " or ".join(dict.fromkeys(map(_wording, options)))
        raise InputError(f"{where} is {value!r}, expected {expected}", file=path)
    return _convert(options[-1], value, where, path)


def _wording(hint: Any) -> str:
    words = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}
    return words.get(hint, "a list" if typing.get_origin(hint) is tuple else "a table")


def _nearest(word: str, known: typing.Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(known), 1)
    return f"; did you mean {close[0]!r}?" if close else ""
