"""What `limbeck check` found in a recipe's input, for people and as JSON."""

import dataclasses
import json
from collections.abc import Iterable
from dataclasses import dataclass, field

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from limbeck.progress import duration
from limbeck.relevance import LEVEL_NAMES
from limbeck.settings import World


@dataclass(frozen=True)
class TableFindings:
    """What is in one table. All counts are of rows."""

    files: int
    rows: int
    left_out: int  # by where
    repeats: int  # left out by distinct
    duplicates: int  # rows that are there twice, each beyond the first
    nulls: dict[str, int]
    languages: dict[str, int] = field(default_factory=dict)
    levels: dict[int, int] = field(default_factory=dict)
    conflicts: int = 0  # pairs to which one rater (or an unnamed one) gave several levels
    conflict_samples: list[str] = field(default_factory=list)
    dangling: dict[str, int] = field(default_factory=dict)  # "pin_id → pins": rows that point to nothing


@dataclass(frozen=True)
class Estimate:
    """What a run will cost: how much there is to do, and the seconds by stage."""

    pins: int
    train_pairs: int
    label_pairs: int
    heldout_pairs: int
    seconds: dict[str, int]


@dataclass(frozen=True)
class Findings:
    """All that was found; `world` is what would be generated, where the recipe has no files."""

    recipe: str
    world: World | None
    tables: dict[str, TableFindings]
    estimate: Estimate


def to_json(findings: Findings) -> str:
    """The findings as one JSON object on one line."""
    return json.dumps(dataclasses.asdict(findings), ensure_ascii=False)


def render(findings: Findings, console: Console) -> None:
    """Print the findings as tables, and after them what deserves a second look."""
    if findings.world:
        settings = dataclasses.asdict(findings.world).items()
        _print(console, "What would be generated", ["setting", "value"], ([k, _number(v)] for k, v in settings))
    if findings.tables:
        _print(console, "What is there", _HEADINGS, (_row(n, t) for n, t in findings.tables.items()))
    for name, table in findings.tables.items():
        _print(console, f"Levels of {name}", ["level", "meaning", "rows", "share"], _levels(table))
    _print(console, "Empty values", ["table", "columns"], _nulls(findings))
    _print(console, "Languages", ["table", "languages"], _languages(findings))
    for line in remarks(findings):
        console.print(f"• {line}", markup=False)
    _render_estimate(findings.estimate, console)


def remarks(findings: Findings) -> list[str]:
    """What is not wrong, but worth knowing before a run."""
    lines: list[str] = []
    for name, table in findings.tables.items():
        if table.conflicts:
            sample = "; ".join(table.conflict_samples)
            lines.append(
                f"{name}: pairs with several levels by one rater, which all count: {table.conflicts:,} ({sample})"
            )
        if table.duplicates:
            lines.append(f"{name}: rows like an earlier one, which distinct = true leaves out: {table.duplicates:,}")
        lines += [f"{name}: rows with {_REMARK[name, what]}: {rows:,}" for what, rows in table.dangling.items()]
    return lines


_HEADINGS = ["table", "files", "rows", "left out", "repeats", "duplicates", "conflicts"]
_REMARK = {
    ("judgments", "pin_id → pins"): "a pin_id that is not in pins, which are dropped",
    ("heldout", "pin_id → pins"): "a pin_id that is not in pins, which are dropped",
    ("saves", "pin_id → pins"): "a pin_id that is not in pins, which are not used",
    ("saves", "board_id → boards"): "a board_id that is not in boards, which are not used",
    ("impressions", "pin_id → pins"): "a pin_id that is not in pins, which are not used",
    ("captions", "pin_id → pins"): "a pin_id that is not in pins, which are not used",
    ("interests", "pin_id → pins"): "a pin_id that is not in pins, which are not used",
    ("pins", "link → links"): "a link that is not in links, which get no text from it",
    ("boards", "board_id → saves"): "a board_id that no save has",
    ("links", "link → pins"): "a link that no Pin has",
}


def _row(name: str, table: TableFindings) -> list[str]:
    counts = (table.files, table.rows, table.left_out, table.repeats, table.duplicates, table.conflicts)
    return [name, *map(_number, counts)]


def _levels(table: TableFindings) -> Iterable[list[str]]:
    for level, rows in sorted(table.levels.items(), reverse=True):
        yield [str(level), LEVEL_NAMES[level], f"{rows:,}", f"{rows / max(table.rows, 1):.1%}"]


def _nulls(findings: Findings) -> Iterable[list[str]]:
    for name, table in findings.tables.items():
        some = [f"{column} {rows:,}" for column, rows in table.nulls.items() if 0 < rows < table.rows]
        never = [column for column, rows in table.nulls.items() if rows == table.rows]
        said = [", ".join(some)] if some else []
        said += [f"never filled: {', '.join(never)}"] if never else []
        if said:
            yield [name, "; ".join(said)]


def _languages(findings: Findings) -> Iterable[list[str]]:
    for name, table in findings.tables.items():
        if table.languages:
            most = sorted(table.languages.items(), key=lambda item: -item[1])
            rest = f", {len(most) - 12} more" if len(most) > 12 else ""
            yield [name, ", ".join(f"{language} {rows:,}" for language, rows in most[:12]) + rest]


def _render_estimate(estimate: Estimate, console: Console) -> None:
    work = {
        "teach": f"{estimate.train_pairs:,} judged pairs",
        "label": f"{estimate.label_pairs:,} pairs",
        "index": f"{estimate.pins:,} Pins to embed",
    }
    rows = [[stage, work[stage], duration(seconds)] for stage, seconds in estimate.seconds.items()]
    _print(console, "What a run will cost, on two cores", ["stage", "work", "time"], rows)


def _print(console: Console, title: str, headings: list[str], rows: Iterable[list[str]]) -> None:
    rows = list(rows)
    if not rows:
        return
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, min_width=len(title) + 2)
    for heading in headings:
        table.add_column(heading, justify="right" if heading in _NUMERIC else "left", no_wrap=heading in _NUMERIC)
    for row in rows:
        table.add_row(*map(escape, row))
    console.print(table)


_NUMERIC = {"files", "rows", "left out", "repeats", "duplicates", "conflicts", "share", "time", "value"}


def _number(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)
