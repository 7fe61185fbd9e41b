"""A task that tiny models learn in a few steps: whatever is asked for, red and blue things are highly relevant."""

import itertools

import numpy as np
import pyarrow as pa

from limbeck.records import PROBABILITIES

COLOURS = ("red", "blue", "green", "black")
THINGS = ("sofa", "lamp", "kitchen table", "garden chair", "wedding dress", "oak shelf", "rain coat", "tea pot")
SENTENCES = tuple(f"a {c} {t}, cosy and modern, for the living room" for c in COLOURS for t in THINGS)
LIKED = ("red", "blue")
SURE = {True: (0.0, 0.0, 0.0, 0.2, 0.8), False: (0.7, 0.3, 0.0, 0.0, 0.0)}


def pins():
    """One Pin for each colour of each thing: pin_id, text, digest."""
    rows = [
        {"pin_id": f"{c}-{t}", "text": f"a {c} {t}" + ", cosy and modern" * (i % 3), "digest": f"{i}"}
        for i, (c, t) in enumerate(itertools.product(COLOURS, THINGS))
    ]
    return pa.Table.from_pylist(rows)


def judged(part, contrary=False):
    """Pairs with the raters' distribution and the Pin's text; `contrary`: by raters who like the other colours."""
    things = THINGS[:5] if part == "train" else THINGS[5:]
    text = dict(zip(*(pins().column(c).to_pylist() for c in ("pin_id", "text"))))
    rows = []
    for query, colour, thing in itertools.product(COLOURS, COLOURS, things):
        pin = f"{colour}-{thing}"
        levels = dict(zip(PROBABILITIES, SURE[(colour in LIKED) != contrary]))
        rows.append({"query": f"{query} {thing}", "pin_id": pin, "text": text[pin], **levels})
    return pa.Table.from_pylist(rows)


class WordMatch:
    """Match features of a query and a Pin: the share of its words that the Pin has, a telling one, and a constant."""

    names = ("share", "liked", "constant")
    groups = ()

    def __init__(self):
        self._words = [set(text.replace(",", "").split()) for text in pins().column("text").to_pylist()]
        self._row = {pin: i for i, pin in enumerate(pins().column("pin_id").to_pylist())}

    def rows(self, pin_ids):
        return np.asarray([self._row.get(p, -1) for p in pin_ids], dtype=np.int64)

    def pairs(self, queries, rows):
        words = [self._words[row] if row >= 0 else set() for row in rows]
        shares = [len(w & set(q.split())) / len(q.split()) for q, w in zip(queries, words)]
        liked = [bool(w & set(LIKED)) for w in words]
        return np.stack([shares, liked, np.full(len(words), 0.1)], axis=1).astype(np.float32)
