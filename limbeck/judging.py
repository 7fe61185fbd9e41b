"""The judge within a run: refused early where it cannot work, forecast, and asked about held-out and attacked pairs."""

import dataclasses
import json
from pathlib import Path

import pyarrow as pa

from limbeck import assembly, attacking, lineup
from limbeck.judge import client, prompt
from limbeck.judge.budget import dollars
from limbeck.judge.grade import JudgeGrader, forecast
from limbeck.measure import attacks
from limbeck.settings import Judge, Recipe
from limbeck.workspace import Workspace

ANSWERS = "judge/answers.jsonl"
FAILURES = "failures.json"  # beside the answers
CHARACTERS_PER_TOKEN = 4
QUERY = "a query of five words"
# What changes the way but not the answer: another value makes nothing out of date.
_WAY = {name for name in Judge.__dataclass_fields__ if name.startswith(("dollars_", "first_", "longest_"))}
_WAY |= {"concurrency", "timeout_seconds", "retries", "most_dollars", "most_calls", "key_variable", "guidelines"}


def check(recipe: Recipe, needs_key: bool) -> None:
    """`InputError` where the guidelines cannot be read, or the API key is missing and needed."""
    if recipe.judge is not None:
        prompt.read(recipe.judge, recipe.folder)
        if needs_key:
            client.key_of(recipe.judge)


def identity(recipe: Recipe, judge: Judge) -> dict[str, object]:
    """All that an answer of the judge depends on, besides the pairs."""
    asked = {k: v for k, v in dataclasses.asdict(judge).items() if k not in _WAY}
    return {**asked, "prompt": prompt.read(judge, recipe.folder).digest}


def grade_heldout(recipe: Recipe, judge: Judge, ws: Workspace, out: Path) -> None:
    """Write what the judge answers to the held-out pairs; `IncompleteError` where too much stays open."""
    pairs = assembly.held_out(ws).select(["query", "pin_id"])
    _grade(recipe, judge, ws, (pairs, ws.table("composed", ["pin_id", "text"])), out)


def grade_attacked(recipe: Recipe, judge: Judge, ws: Workspace, out: Path) -> None:
    """The same for the attacked pairs. Those that are refused, by filters for just such texts, have not deceived it."""
    _grade(recipe, dataclasses.replace(judge, most_failures=1.0), ws, attacking.read(ws), out)


def outlook(recipe: Recipe, judge: Judge, heldout: int) -> str:
    """What it will cost about to ask the judge about so many held-out pairs and the attacked ones, in words."""
    attacked = min(heldout, recipe.measure.attacked_pairs) * len(attacks.shipped())
    pair = (QUERY, "x" * recipe.text.max_tokens * CHARACTERS_PER_TOKEN)
    pairs = heldout + attacked
    cost = forecast([pair] * pairs, prompt.read(judge, recipe.folder))
    line = f"judge {judge.model}: {heldout:,} held-out pairs and at most {attacked:,} attacked ones, "
    line += f"about {cost.input:,} tokens in and {cost.output:,} out"
    price = dollars(cost, judge)
    if not price:
        return line
    too_much = judge.most_dollars is not None and price > judge.most_dollars
    return f"{line}, ${price:.2f}" + (f": more than judge.most_dollars, {judge.most_dollars:g}" if too_much else "")


def _grade(recipe: Recipe, judge: Judge, ws: Workspace, what: tuple[pa.Table, pa.Table], out: Path) -> None:
    asked, texts = what
    grader = JudgeGrader(prompt.read(judge, recipe.folder), texts, ws.root / ANSWERS)
    lineup.write(asked, {"judge": lambda: grader}, out)
    (out / FAILURES).write_text(json.dumps(grader.failures, indent=1), encoding="utf-8")


def failures(ws: Workspace) -> list[str]:
    """What the judge did not answer although it was asked, in words: one line for each table of pairs."""
    lines = []
    for name in filter(ws.has, ("evaluation/judge", "evaluation/judge_attacked")):
        found = json.loads((ws.folder(name) / FAILURES).read_text(encoding="utf-8"))
        reasons = "; ".join(f"{n:,} × {reason}" for reason, n in found.items())
        pairs = "held-out" if name == "evaluation/judge" else "attacked"
        lines += [f"The judge has no answer to some {pairs} pairs, which count as unknown: {reasons}"] if found else []
    return lines
