"""Filling the rating desk's queue from a workspace: which of its pairs people are asked about."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from limbeck import relevance
from limbeck.errors import InputError
from limbeck.progress import say
from limbeck.rate import queues
from limbeck.rate.queues import Candidate
from limbeck.rate.store import Store, pair_id
from limbeck.relevance import Split
from limbeck.settings import Recipe
from limbeck.workspace import Workspace

KINDS = "log, unsure, disagree, feed:QUERY, gold, or a CSV file"
_RUN_FIRST = "`limbeck run RECIPE` first"


def usual(ws: Workspace) -> str:
    """The queue of a desk that nobody said anything about."""
    return "log" if ws.has("impressions") or not ws.has("soft_labels") else "unsure"


def fill(recipe: Recipe, ws: Workspace, store: Store, queue: str, test: bool) -> int:
    """Put the pairs of a queue into the store, so that `rate.pairs` of it are open; all of a file's or a feed's.

    Pairs of test queries are left out unless `test` says so. Returns how many pairs are new.
    """
    chosen = _candidates(recipe, ws, store, queue, test)
    parts = Split(ws.table("heldout", ["query"]))
    allowed = [c for c in chosen if test or parts.of(c.query) != "test"]
    if len(allowed) < len(chosen):
        left = len(chosen) - len(allowed)
        say("test", f"  [yellow]{left:,} pairs of test queries left out; --test takes them[/]", pairs=left)
    known = {pair.pair for pair in store.pairs()}
    new = [c for c in allowed if pair_id(c.query, c.pin_id) not in known]
    whole = queue.endswith(".csv") or queue.startswith("feed:")
    wanted = len(new) if whole else max(recipe.rate.pairs - _open(recipe, store, queue), 0)
    return store.add(c.queued(queue, parts.of(c.query) == "test") for c in new[:wanted])


def _candidates(recipe: Recipe, ws: Workspace, store: Store, queue: str, test: bool) -> list[Candidate]:
    """The pairs that a queue may take, best first."""
    makers: Mapping[str, Callable[[], list[Candidate]]] = {
        "log": lambda: _log(recipe, ws, store, test),
        "unsure": lambda: _unjudged(ws, queues.unsure(_table(ws, "soft_labels"))),
        "disagree": lambda: _disagreed(ws, test),
        "gold": lambda: queues.unanimous(_table(ws, "judgments"), recipe.seed),
    }
    if queue.endswith(".csv"):
        return queues.from_file(Path(queue), set(ws.table("pins", ["pin_id"]).column("pin_id").to_pylist()))
    if queue.startswith("feed:"):
        return _feed(ws, queue.removeprefix("feed:"))
    if queue not in makers:
        raise InputError(f"no queue {queue!r}", remedy=f"--queue takes {KINDS}")
    return _with_pins(ws, makers[queue]())


def _log(recipe: Recipe, ws: Workspace, store: Store, test: bool) -> list[Candidate]:
    """A stratified sample of the search log, larger by what is known already."""
    from limbeck.labels import pairs  # it brings Daft, which the other queues can do without

    if not ws.has("impressions"):
        raise InputError("no search log to take pairs from", remedy="Map impressions, or take another --queue")
    parts = Split(ws.table("heldout", ["query"]))
    wanted = recipe.rate.pairs + len(store.pairs()) + ws.table("judgments", ["query"]).num_rows

    def allowed(query: str) -> bool:
        return test or parts.of(query) != "test"

    rows = pairs.from_log(ws.shards("impressions"), wanted, recipe.labels, recipe.seed, allowed)
    return _unjudged(ws, queues.by_chance(queues.of_table(rows), recipe.seed))


def _disagreed(ws: Workspace, test: bool) -> list[Candidate]:
    """The held-out pairs, where all graders answered."""
    if not test:
        raise InputError("graders stand side by side on test pairs only", remedy="Say --test to have them labelled")
    if not ws.has("evaluation/grades"):
        raise InputError("nothing is graded yet", remedy=_RUN_FIRST)
    folder = ws.folder("evaluation/grades")
    files = json.loads((folder / "graders.json").read_text(encoding="utf-8"))
    answers = {name: pq.read_table(folder / file) for name, file in files.items()}
    return queues.disagreed(
        next(iter(answers.values())), {name: relevance.from_columns(rows) for name, rows in answers.items()}
    )


def _feed(ws: Workspace, query: str) -> list[Candidate]:
    """Whatever the log says was shown for a query, however it was spelt."""
    log = ws.table("impressions", ["query", "pin_id", "position", "language", "country"])
    same = [relevance.normalise_query(q) == relevance.normalise_query(query) for q in log.column("query").to_pylist()]
    found = queues.feed(log.filter(pa.array(same, pa.bool_())), query.strip())
    if not found:
        raise InputError(f"nobody searched for {query!r}", remedy="Give its pairs as a CSV file")
    return _with_pins(ws, found)


def _unjudged(ws: Workspace, candidates: Sequence[Candidate]) -> list[Candidate]:
    """Those that nobody judged yet."""
    judged = ws.table("judgments", ["query", "pin_id"])
    known = set(zip(judged.column("query").to_pylist(), judged.column("pin_id").to_pylist()))
    return [c for c in candidates if (c.query, c.pin_id) not in known]


def _with_pins(ws: Workspace, candidates: Sequence[Candidate]) -> list[Candidate]:
    """Those whose Pin is still there to be shown."""
    pins = set(ws.table("pins", ["pin_id"]).column("pin_id").to_pylist())
    return [c for c in candidates if c.pin_id in pins]


def _table(ws: Workspace, name: str) -> pa.Table:
    if not ws.has(name):
        raise InputError(f"no {name.replace('_', ' ')} yet", remedy=_RUN_FIRST)
    return ws.table(name)


def _open(recipe: Recipe, store: Store, queue: str) -> int:
    """How many pairs of a queue lack some rater's answer."""
    said: dict[str, int] = {}
    for answer in store.answers():
        said[answer.pair] = said.get(answer.pair, 0) + 1
    mine = [pair for pair in store.pairs() if pair.queue == queue]
    return sum(said.get(pair.pair, 0) < recipe.rate.raters_per_pair for pair in mine)
