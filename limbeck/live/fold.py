"""How a run takes the journal into the pins table, and what of it an index was made with."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from limbeck.live.journal import BEGINNING, Journal, net
from limbeck.records import Pin, schema
from limbeck.workspace import Made, Workspace

INPUT = "live"  # the name of the journal among what the pins table was made from
Shards = Mapping[str, Callable[[], pa.Table]]
# What an index is made of, step by step: each has to be of the present version of those it was made from.
STEPS = {
    "pin_texts": ("pins",),
    "composed": ("pin_texts",),
    "signals/match": ("pin_texts",),
    "index/lexical": ("pin_texts",),
    "index/texts": ("pin_texts",),
    "pin_vectors": ("composed",),
    "index/nearest": ("pin_vectors",),
    "index/shares": ("pin_vectors",),
    "index/catalogue": ("pin_vectors", "pins"),
    "index/alignment": ("index/catalogue", "index/lexical", "signals/match"),
}


def fold(root: Path, made: Made, shards: Callable[[], Shards]) -> tuple[Made, Callable[[], Shards]]:
    """The pins table that a recipe gives, with the changes of the workspace's journal, if it has one.

    What the journal says of a Pin counts, whatever the recipe's own files say of it.
    """
    requests, end = Journal(root).after(BEGINNING)
    if end == BEGINNING:
        return made, shards
    changes = net(requests)
    more = Made({**made.inputs, INPUT: end.digest}, made.settings, made.version)
    return more, functools.partial(_changed, shards, changes)


def _changed(shards: Callable[[], Shards], changes: Mapping[str, Pin | None]) -> dict[str, Callable[[], pa.Table]]:
    """The recipe's shards without the Pins that were changed, and one more of these."""
    ids = pa.array(changes, pa.string())
    put = pa.Table.from_pylist([asdict(pin) for pin in changes.values() if pin], schema=schema("pins"))

    def without(make: Callable[[], pa.Table]) -> pa.Table:
        rows = make()
        return rows.filter(pc.invert(pc.is_in(rows.column("pin_id"), ids)))

    return {**{key: functools.partial(without, make) for key, make in shards().items()}, INPUT: lambda: put}


def folded(ws: Workspace) -> str:
    """The digest of the journal's last line that all of the index was made with; empty where there is none.

    While a run is half way, its pins table knows more than its vectors do: then nothing counts as folded.
    """
    if not all(map(ws.has, STEPS)):  # a workspace that is only served need not have all of them
        return ""
    for name, sources in STEPS.items():
        made_from = ws.manifest(name).made.inputs
        if any(made_from.get(source) != ws.digest(source) for source in sources):
            return ""
    return ws.manifest("pins").made.inputs.get(INPUT, "")
