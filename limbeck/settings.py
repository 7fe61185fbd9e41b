"""Every knob, as small frozen dataclasses, and the reading of one TOML recipe into them. Unknown keys are refused."""

import dataclasses
import difflib
import math
import re
import tomllib
import types
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from limbeck.errors import InputError
from limbeck.records import INPUTS

SOURCES = ("title", "description", "caption", "board_titles", "engaged_queries", "link_title", "link_description")
RESERVED = {"model", "messages", "logprobs", "top_logprobs", "response_format", "stream", "n", "temperature"}
FileFormat = Literal["csv", "tsv", "jsonl", "parquet"]


@dataclass(frozen=True)
class World:
    """The small generated Pinterest (docs/world.md)."""

    pins: int = 20_000
    days: int = 30
    users: int = 2_000
    searches: int = 40_000
    judged_pairs: int = 3_000
    heldout_pairs: int = 3_000
    raters: int = 8
    pictures: bool = True
    results_per_search: int = 12
    saves_per_pin: int = 6
    pins_per_shard: int = 5_000
    searches_per_shard: int = 5_000


@dataclass(frozen=True)
class Level:
    """How a rating column becomes a level 1–5: by a table of values, or by four ascending thresholds."""

    column: str
    table: dict[str, int] = field(default_factory=dict)
    thresholds: tuple[float, ...] = ()


@dataclass(frozen=True)
class Joined:
    """Several columns as one text; empty ones are left out."""

    columns: tuple[str, ...]
    separator: str = " "


@dataclass(frozen=True)
class Translated:
    """A column whose values are replaced by those of a table."""

    column: str
    table: dict[str, str]


@dataclass(frozen=True)
class Lookup:
    """A column whose value is found in another file: `file[key] == column` gives `value`.

    That file is read as the mapping's own ones are, but for what is said here.
    """

    column: str
    file: str
    key: str
    value: str
    format: FileFormat | None = None
    encoding: str | None = None


Column = str | tuple[str, ...] | Joined | Translated | Lookup


@dataclass(frozen=True)
class TableMapping:
    """How files of the user's become one table (docs/recipes.md)."""

    files: tuple[str, ...]
    columns: dict[str, Column] = field(default_factory=dict)
    constants: dict[str, str | int | float | bool] = field(default_factory=dict)
    level: Level | None = None
    where: dict[str, str | int | bool | tuple[str | int, ...]] = field(default_factory=dict)
    format: FileFormat | None = None
    encoding: str = "utf-8"
    delimiter: str | None = None
    quote: str = '"'
    nulls: tuple[str, ...] = ()
    distinct: bool = False


@dataclass(frozen=True)
class Text:
    """How a Pin's texts are gathered and rendered."""

    window_days: int = 730
    save_weight: float = 3.0
    long_click_weight: float = 2.0
    click_weight: float = 1.0
    min_users: int = 2
    top_board_titles: int = 12
    top_engaged_queries: int = 12
    buckets: int = 8
    sources: tuple[str, ...] = SOURCES
    max_tokens: int = 96


@dataclass(frozen=True)
class Captions:
    """The model that says what pictures show, and what it may cost to get at them (docs/captions.md)."""

    model: str = "Salesforce/blip-image-captioning-base"
    prompt: str = ""  # what BLIP begins its sentence with, or what a chat model is asked
    batch_size: int = 16
    max_new_tokens: int = 30
    folder: str = "."  # what paths in pins.image are relative to; nothing outside of it is read
    fetch: bool = False  # whether pictures may be fetched where pins.image is a URL
    refetch: str = ""  # any text: change it, and every URL is fetched again
    fetch_seconds: float = 20.0  # for one picture, all its redirects and its whole body
    decode_seconds: float = 10.0
    max_bytes: int = 20_000_000
    max_pixels: int = 50_000_000
    decoder_bytes: int = 1 << 30  # memory of one decoding process
    edge: int = 512  # pixels: the longer side of what the model's own processor is given
    pictures_per_shard: int = 512


@dataclass(frozen=True)
class Lora:
    """Small trained matrices beside frozen weights (LoRA), which `four_bit` packs to 4 bits (QLoRA)."""

    rank: int = 16
    alpha: float = 32
    dropout: float = 0.05
    targets: str | tuple[str, ...] = "all-linear"  # or names of layers, such as ["q_proj", "v_proj"]
    four_bit: bool = True


@dataclass(frozen=True)
class Teacher:
    """The cross-encoder and its training (docs/backbones.md)."""

    backbone: str = "all-MiniLM-L6-v2"
    pooling: Literal["auto", "cls", "lasttoken", "mean"] = "auto"
    prompt: str = ""  # how query and Pin are put together, with {query} and {text}; empty: as suits the backbone
    max_tokens: int = 128
    epochs: float = 2
    learning_rate: float = 1e-4
    warmup: float = 0.1
    dropout: float = 0.1
    tokens_per_batch: int = 2_500
    head: Literal["softmax", "ordinal"] = "softmax"
    raters_distribution: bool = True
    gradient_checkpointing: bool = False
    lora: Lora | None = None


@dataclass(frozen=True)
class Adapt:
    """Domain-adaptive pre-training of the teacher's backbone on the catalogue's texts (docs/heads.md)."""

    epochs: float = 3
    learning_rate: float = 1e-4
    max_tokens: int = 128
    masked: float = 0.15  # share of the tokens that are to be guessed
    tokens_per_batch: int = 4_000
    student: bool = False  # the student begins from the adapted backbone, too: it must be the teacher's


@dataclass(frozen=True)
class Labels:
    """Which pairs the teacher labels, and how many."""

    per_human_label: int = 100
    per_query: int = 30
    stratum_power: float = 0.5  # pairs per stratum go with its size to this power: 1 as in the log, 0 the same for all
    rows_per_shard: int = 4_096
    dollars_per_hour: float = 0.0  # of the machine that labels, for the estimate before it begins; 0: not known


@dataclass(frozen=True)
class Student:
    """The bi-encoder with features, and its training."""

    backbone: str = "all-MiniLM-L6-v2"
    tune: Literal["projection", "all"] = "projection"
    vector_size: int = 128
    hidden: tuple[int, ...] = (256, 128)
    max_tokens: int = 96
    epochs: float = 8
    batch_size: int = 512
    tokens_per_batch: int = 5_000
    learning_rate: float = 1e-3
    tower_learning_rate: float = 5e-5


@dataclass(frozen=True)
class Serve:
    """The service."""

    host: str = "127.0.0.1"
    port: int = 8080
    candidates: int = 500
    results: int = 50


BodyValue = str | int | float | bool


@dataclass(frozen=True)
class Judge:
    """A language model behind an OpenAI-compatible endpoint, measured beside the other graders (docs/judge.md)."""

    endpoint: str  # up to and with /v1
    model: str
    mode: Literal["logprobs", "json"] = "logprobs"
    guidelines: str | None = None  # a file of your own, relative to the recipe; none: limbeck/judge/guidelines.md
    key_variable: str | None = None  # the environment variable that holds the API key, never the key itself
    temperature: float = 0.0
    body: dict[str, BodyValue | dict[str, BodyValue]] = field(default_factory=dict)  # sent along, for this server alone
    concurrency: int = 8
    timeout_seconds: float = 60.0  # for a whole answer
    retries: int = 5
    first_wait_seconds: float = 1.0  # doubled with each retry
    longest_wait_seconds: float = 60.0
    dollars_per_million_input: float = 0.0  # tokens
    dollars_per_million_output: float = 0.0
    most_dollars: float | None = None  # in all runs of a workspace together
    most_calls: int | None = None
    most_failures: float = 0.02  # share of pairs that may stay without an answer for good


@dataclass(frozen=True)
class Measure:
    """What is reported, and how surely."""

    baseline: str = "text match"
    headline: str = "spearman"  # what the verdict goes by; chosen beforehand, and so not corrected for the others
    bootstrap: int = 1_000
    confidence: float = 0.95
    learning_curve: tuple[float, ...] = (0.1, 0.3)  # shares of the soft labels that further students learn from
    attacked_pairs: int = 30  # irrelevant pairs whose Pins are stuffed and injected, for the flip rates; 0: none


@dataclass(frozen=True)
class Tracking:
    """Where the teacher's training is logged while it runs, besides the terminal; nothing is made again for it."""

    report_to: tuple[Literal["tensorboard", "mlflow"], ...] = ()
    logging_steps: int = 10


@dataclass(frozen=True)
class Recipe:
    """One whole run. Paths inside are relative to the recipe's own folder."""

    name: str
    seed: int = 0
    workspace: str | None = None
    world: World | None = None
    tables: dict[str, tuple[TableMapping, ...]] = field(default_factory=dict)
    captions: Captions | None = None
    text: Text = field(default_factory=Text)
    adapt: Adapt | None = None
    teacher: Teacher = field(default_factory=Teacher)
    labels: Labels = field(default_factory=Labels)
    student: Student = field(default_factory=Student)
    serve: Serve = field(default_factory=Serve)
    measure: Measure = field(default_factory=Measure)
    judge: Judge | None = None
    tracking: Tracking = field(default_factory=Tracking)
    folder: Path = Path(".")


def read(path: Path) -> Recipe:
    """The recipe in a TOML file; `InputError` names the file and the key at fault."""
    try:
        return parse(path.read_text(encoding="utf-8-sig"), path)  # some editors begin a file with a byte-order mark
    except FileNotFoundError:
        raise InputError("no such recipe", file=path, remedy="`limbeck init` writes one to start from") from None
    except (UnicodeDecodeError, IsADirectoryError) as error:
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
    for name, value in vars(recipe.captions).items() if recipe.captions else ():
        if isinstance(value, int | float) and not isinstance(value, bool) and value <= 0:
            raise InputError(f"captions.{name} is {value}, expected more than 0", file=path)
    _check_prompt(recipe.teacher.prompt, path)
    for source in recipe.text.sources:
        if source not in SOURCES:
            raise InputError(f"unknown text source {source!r}{_nearest(source, SOURCES)}", file=path)
    if recipe.measure.attacked_pairs < 0:
        raise InputError(f"measure.attacked_pairs is {recipe.measure.attacked_pairs}, expected 0 or more", file=path)
    if not 0 <= recipe.labels.dollars_per_hour < math.inf:
        raise InputError(f"labels.dollars_per_hour is {recipe.labels.dollars_per_hour}, expected 0 or more", file=path)
    if recipe.judge is not None:
        _check_judge(recipe.judge, path)


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
