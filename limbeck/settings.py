"""Every knob, as small frozen dataclasses; `recipe_file.py` reads a TOML recipe into them."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

SOURCES = ("title", "description", "caption", "board_titles", "engaged_queries", "link_title", "link_description")
KINDS = ("bm25", "shares", "phrases", "title_words", "lengths")  # of match features: `signals/match.py` says which
FAMILIES = (*KINDS, *SOURCES, "all")  # and by the field that they are about; "all": all fields taken as one
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
    meaningful_change: float = 0.0  # share of a Pin's tokens that must change before models read it anew; 0: any change


@dataclass(frozen=True)
class Pictures:
    """How the pictures that Pins name are got at, and what that may cost (docs/captions.md)."""

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
    batch_size: int = 16


@dataclass(frozen=True)
class Captions(Pictures):
    """The model that says what pictures show (docs/captions.md)."""

    model: str = "Salesforce/blip-image-captioning-base"
    prompt: str = ""  # what BLIP begins its sentence with, or what a chat model is asked
    max_new_tokens: int = 30


@dataclass(frozen=True)
class Visual(Pictures):
    """The CLIP or SigLIP model whose vectors of pictures tell the student what they look like (docs/signals.md)."""

    model: str = "openai/clip-vit-base-patch32"


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
    head: Literal["softmax", "ordinal"] = "ordinal"  # which is better: docs/heads.md
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
class Signals:
    """What the student is told besides vectors and match features, where the tables for it exist (docs/signals.md)."""

    engagement: bool = True
    searchsage: bool = True
    pinsage: bool = True
    pinsage_queries: bool = False  # whether queries, too, hold together the Pins that were acted on for them
    interests: bool = True
    window_days: int = 90  # of the search log, before a pair's date
    logged: str | None = None  # a feature log of the service's to learn from, in the workspace if relative
    without: tuple[str, ...] = ()  # families of match features that are left out, of `FAMILIES`


@dataclass(frozen=True)
class Student:
    """The bi-encoder with features, and its training."""

    backbone: str = "all-MiniLM-L6-v2"
    tune: Literal["projection", "all"] = "projection"
    vector_size: int = 128
    products: int = 128  # of a vector's numbers, the first ones, that are multiplied one by one, query's with Pin's
    hidden: tuple[int, ...] = (128, 64)
    max_tokens: int = 96
    epochs: float = 8  # of projection and head, on what the backbone as it comes makes of the texts
    batch_size: int = 512
    learning_rate: float = 1e-3
    tower_epochs: float = 1  # of everything, after that, where all is to be tuned
    tokens_per_batch: int = 5_000
    tower_learning_rate: float = 5e-5
    temperature: float = 1.0  # above 1, the teacher's lesser levels say more (docs/student.md)
    human_weight: float = 1.0  # share of people's labels in what is learnt of pairs that people judged
    human_share: float = 0.5  # of all that is learnt, at least that of pairs that people judged; 0: each counts once
    weighted: bool = False  # whether a pair counts as often as it stands for pairs of the log: undoes the strata
    signal_dropout: float = 0.1  # how often, in training, a Pin, a query and a pair are each taken for unknown


@dataclass(frozen=True)
class Index:
    """What is kept of the Pins for the service (docs/student.md)."""

    bits: Literal[8, 16, 32] = 16  # of each number that the student's first layer made of a Pin
    tower_bits: Literal[8, 32] = 32  # of each weight of what reads texts; 8: in half the time, not quite alike


@dataclass(frozen=True)
class Blend:
    """How relevance, engagement and variety make the order of search results (docs/service.md). Costs are in levels."""

    engagement: float = 0.05  # by how many levels at most expected engagement can lift a Pin over another
    click: float = 1.0  # what one is worth beside the others, per look
    long_click: float = 2.0
    save: float = 3.0
    floors: tuple[float, ...] = (1.5, 2.5, 3.5, 4.5)  # expected levels below which a Pin stays behind those above
    board: float = 0.0  # lost for each Pin of the same board that is placed before; 0: boards do not count
    domain: float = 0.0  # the same, of the domain that a Pin links to


@dataclass(frozen=True)
class Serve:
    """The service."""

    host: str = "127.0.0.1"
    port: int = 8080
    workers: int = 1  # processes of one thread each that answer on the port: as many as there are cores for it
    affinity: bool = False  # whether each of several workers stays on a core of its own (docs/service.md)
    busy_poll_seconds: float = 0.0  # after an answer, in which a worker stays awake for the next one (docs/service.md)
    candidates: int = 500
    results: int = 50
    seconds: float = 0.5  # for one search; when less is left, fewer candidates are graded. 0: no limit
    waiting: int = 64  # requests that may wait for the model; further ones are answered with 429
    look_seconds: float = 5.0  # how often to look for a newer version in the workspace; 0: never
    key_variable: str | None = None  # the environment variable with the key that clients must send, if any
    cached_queries: int = 50_000  # whose vectors are kept in memory
    redis: str | None = None  # a Redis or Valkey in which replicas share the vectors; ${NAME}s are from the environment
    feature_log: str | None = None  # a folder, in the workspace if relative, for what the model saw of each answer
    log_queries: bool = False  # whether the log's line for a request says what was searched for
    blend: Blend = field(default_factory=Blend)
    retriever: Literal["embedded", "milvus", "opensearch"] = "embedded"  # what finds candidates (docs/service.md)
    retriever_url: str | None = None  # of the engine, where it is not embedded; ${NAME}s are from the environment


@dataclass(frozen=True)
class Rate:
    """The rating desk (docs/rating.md)."""

    database: str | None = None  # beside the recipe; none: NAME.ratings.sqlite
    guidelines: str | None = None  # a Markdown file of your own; none: limbeck/rate/guidelines.md
    raters_per_pair: int = 2
    pairs: int = 500  # that are open in a queue after it was filled
    host: str = "127.0.0.1"
    port: int = 8090
    url: str | None = None  # where raters find the desk, if that is not where it listens: behind a proxy, say


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
class Reproduce:
    """The paper's tables on one's own data, by `limbeck reproduce` (docs/reproducing.md)."""

    teachers: tuple[str, ...] = ()  # backbones beside the recipe's own; none: all whose weights are installed
    layers: tuple[int, ...] = (2,)  # smaller teachers: the recipe's own backbone cut off after so many layers
    amounts: tuple[int, ...] = (1, 20, 40, 100)  # of teacher labels, per human label


@dataclass(frozen=True)
class Recipe:
    """One whole run. Paths inside are relative to the recipe's own folder."""

    name: str
    seed: int = 0
    workspace: str | None = None
    world: World | None = None
    tables: dict[str, tuple[TableMapping, ...]] = field(default_factory=dict)
    captions: Captions | None = None
    visual: Visual | None = None
    text: Text = field(default_factory=Text)
    adapt: Adapt | None = None
    teacher: Teacher = field(default_factory=Teacher)
    labels: Labels = field(default_factory=Labels)
    signals: Signals = field(default_factory=Signals)
    student: Student = field(default_factory=Student)
    index: Index = field(default_factory=Index)
    serve: Serve = field(default_factory=Serve)
    rate: Rate = field(default_factory=Rate)
    measure: Measure = field(default_factory=Measure)
    judge: Judge | None = None
    tracking: Tracking = field(default_factory=Tracking)
    reproduce: Reproduce = field(default_factory=Reproduce)
    folder: Path = Path(".")
