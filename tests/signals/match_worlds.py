"""Indexes of Pins given as mappings, and every match feature once more in plain Python, from its definition."""

import math
import tempfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

from limbeck.records import schema
from limbeck.signals import match_index
from limbeck.signals.match import FIELDS
from limbeck.signals.tokens import is_number, terms

LISTS = ("board_titles", "engaged_queries")


def pin_texts(pins, ids=None):
    rows = [
        {
            "pin_id": str(i),
            "digest": "",
            **{field: pin.get(field, [] if field in LISTS else None) for field in FIELDS},
        }
        for i, pin in zip(ids or range(len(pins)), pins)
    ]
    return pa.Table.from_pylist(rows, schema=schema("pin_texts"))


def opened(pins, folder):
    folder.mkdir()
    match_index.build([pin_texts(pins)], folder)
    return match_index.open(folder)


def any_pin(text):
    """Strategy: Pins with any of the fields, made of texts by a strategy."""
    fields = {field: st.lists(text, max_size=3) if field in LISTS else text for field in FIELDS}
    return st.fixed_dictionaries({}, optional=fields)


@contextmanager
def passing_index(pins):
    """For hypothesis, which runs a test many times within one fixture."""
    with tempfile.TemporaryDirectory() as folder:
        yield opened(pins, Path(folder, "match"))


def named(index, values):
    """One row of features by name."""
    return dict(zip(index.names, values.tolist(), strict=True))


def plain_features(query, pins, pin):
    """All features of a query and one of the Pins; words that are written as one or as two are not considered."""
    asked, world = terms(query)[:32], [read(p) for p in pins]
    texts = read(pin)
    rarity = [idf(term, world) for term in asked]
    found = {}
    for field in FIELDS:
        tokens = [t for entry in texts[field] for t in entry]
        lengths = [n for w in world if (n := sum(map(len, w[field])))]
        found |= prefixed(field, summary(asked, rarity, tokens, lengths))
        found |= prefixed(field, phrases(asked, texts[field]))
        found[f"{field}.length"] = math.log1p(len(tokens))
    tokens = [t for field in FIELDS for entry in texts[field] for t in entry]
    lengths = [n for w in world if (n := sum(len(entry) for field in FIELDS for entry in w[field]))]
    found |= prefixed("all", summary(asked, rarity, tokens, lengths))
    unknown = [t for t, r in zip(asked, rarity) if r == idf(None, world)]
    found["all.closest_unknown"] = mean([closest(t, tokens) for t in unknown]) if unknown else 1
    found |= prefixed("title", of_title(asked, rarity, [t for entry in texts["title"] for t in entry]))
    found |= prefixed("query", {"terms": len(asked), "rarity": sum(rarity)})
    return found | {"query.unknown_terms": len(unknown) / len(asked)}


def read(pin):
    """The terms of each entry of each field."""
    values = {f: pin.get(f) or [] for f in FIELDS}
    return {f: [terms(t) for t in ([v] if isinstance(v, str) else v)] for f, v in values.items()}


def prefixed(prefix, values):
    return {f"{prefix}.{name}": value for name, value in values.items()}


def mean(values):
    return sum(values) / len(values)


def idf(term, world):
    having = sum(any(term in entry for entries in w.values() for entry in entries) for w in world)
    return math.log(1 + (len(world) - having + 0.5) / (having + 0.5))


def summary(asked, rarity, tokens, lengths):
    norm = 1.2 * (0.25 + 0.75 * len(tokens) / mean(lengths)) if tokens else 1
    counts = [tokens.count(term) for term in asked]
    return {
        "bm25": sum(r * 2.2 * n / (n + norm) for r, n in zip(rarity, counts)),
        "share": mean([n > 0 for n in counts]),
        "rarity_share": sum(r for r, n in zip(rarity, counts) if n) / sum(rarity),
    }


def phrases(asked, entries):
    def stands(part):
        return any(e[i : i + len(part)] == part for e in entries for i in range(len(e) - len(part) + 1))

    m = len(asked)
    runs = [b - a for a in range(m) for b in range(a + 1, m + 1) if stands(asked[a:b])]
    neighbours = [stands(asked[j : j + 2]) for j in range(m - 1)] or [stands(asked)]
    return {"phrase": max(runs, default=0) / m, "neighbours": mean(neighbours)}


def of_title(asked, rarity, title):
    likeness = [1 if term in title else closest(term, title) for term in asked]
    numbers = [t in title for t in asked if is_number(t)]
    places = [i for i, token in enumerate(title) if token in asked]
    return {
        "last_term": asked[-1] in title,
        "numbers": mean(numbers) if numbers else 0,
        "numbers_missing": numbers.count(False),
        "coverage": len(places) / len(title) if title else 0,
        "equal": asked == title,
        "closest_mean": mean(likeness),
        "closest_least": min(likeness),
        "closest_rarity": sum(a * r for a, r in zip(likeness, rarity)) / sum(rarity),
        "first_found": 1 - places[0] / len(title) if places else 0,
        "last_found": (places[-1] + 1) / len(title) if places else 0,
    }


def closest(term, tokens):
    """The highest Dice coefficient of trigrams; 0 up to 0.3 and for numbers."""
    best = max((dice(term, token) for token in tokens), default=0)
    return best if best > 0.3 and not is_number(term) else 0


def dice(a, b):
    one, other = ({f"<{w}>"[i : i + 3] for i in range(len(w))} for w in (a, b))
    return 2 * len(one & other) / (len(one) + len(other))


def as_row(index, found):
    return np.array([found[name] for name in index.names])
