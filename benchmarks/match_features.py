"""Milliseconds of the match features of 1,000 candidates, and pairs per second in bulk, beside plain Python.

The Pins are generated, all their fields filled; one query word in eight has a typo. Plain Python computes, from dicts
of term counts made beforehand, BM25 and the two shares of each field and of all together: 24 of the features, compared
with those of the kernel. Run it as `python benchmarks/match_features.py --pins 200000`.
"""

import argparse
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa

from limbeck.records import schema
from limbeck.signals import match_index
from limbeck.signals.match import FIELDS, K1, B
from limbeck.signals.match_index import MatchIndex
from limbeck.signals.tokens import terms

WORDS_IN = dict(zip(FIELDS, (9, 25, 10, 12, 12, 8, 20)))
ENTRIES_IN = {"board_titles": 4, "engaged_queries": 4}
COMPARED = ("bm25", "share", "rarity_share")


class World:
    """Random Pins and queries: words follow Zipf's law; the fifty most common ones are in no query."""

    def __init__(self, words: int) -> None:
        self.random = np.random.default_rng(0)
        letters = np.array(list("abcdefghiklmnoprstuvwy"))
        self.words = np.array(
            ["".join(self.random.choice(letters, n)) for n in self.random.integers(3, 10, words)], dtype=object
        )
        self.odds = (1 / np.arange(3, words + 3)).cumsum()

    def pins(self, n: int, first: int) -> pa.Table:
        """A batch of pin_texts."""
        columns = {"pin_id": [str(first + i) for i in range(n)], "digest": [""] * n}
        for field, size in WORDS_IN.items():
            lines = self._some(n, size)
            parts = np.split(np.arange(size), ENTRIES_IN.get(field, 1))
            entries = [[" ".join(line[part]) for part in parts] for line in lines]
            columns[field] = entries if field in ENTRIES_IN else [e[0] for e in entries]
        return pa.table(columns, schema=schema("pin_texts"))

    def queries(self, n: int, size: int) -> list[str]:
        """Queries of so many words."""
        lines = self._some(n, size, past=50)
        for line in lines:
            for i in np.flatnonzero(self.random.random(size) < 1 / 8):
                line[i] = line[i][:1] + line[i][2:3] + line[i][1:2] + line[i][3:]
        return [" ".join(line) for line in lines]

    def _some(self, n: int, size: int, past: int = 0) -> np.ndarray:
        draws = self.random.uniform(self.odds[past], self.odds[-1], (n, size))
        return self.words[np.searchsorted(self.odds, draws)]


class Plain:
    """BM25 and shares from dicts, as one would write them first."""

    def __init__(self, batches: list[pa.Table]) -> None:
        self.pins, self.frequency = [], Counter()
        for row in (row for batch in batches for row in batch.to_pylist()):
            texts = ["\n".join(t) if isinstance(t, list) else t for t in map(row.get, FIELDS)]
            fields = [Counter(terms(text)) for text in texts]
            fields.append(sum(fields, Counter()))
            self.pins.append([(field, field.total()) for field in fields])
            self.frequency.update(fields[-1].keys())
        self.means = np.mean([[length for _, length in pin] for pin in self.pins], axis=0).tolist()

    def features(self, query: str, rows: np.ndarray) -> np.ndarray:
        """BM25, share and rarity share, field by field: (rows, 24)."""
        asked = terms(query)
        rarity = [self._rarity(term) for term in asked]
        everything = sum(rarity)
        return np.array([self._pair(asked, rarity, everything, self.pins[row]) for row in rows])

    def _pair(self, asked: list[str], rarity: list[float], everything: float, pin: list) -> list[float]:
        found = []
        for (counts, length), mean in zip(pin, self.means):
            norm = K1 * (1 - B + B * length / mean)
            hits = [(r, counts[term]) for term, r in zip(asked, rarity) if term in counts]
            score = sum(r * n * (K1 + 1) / (n + norm) for r, n in hits)
            found += [score, len(hits) / len(asked), sum(r for r, _ in hits) / everything]
        return found

    def _rarity(self, term: str) -> float:
        pins = self.frequency[term]
        return float(np.log1p((len(self.pins) - pins + 0.5) / (pins + 0.5)))


def milliseconds(answer: object, queries: list[str], candidates: list[np.ndarray]) -> np.ndarray:
    taken = []
    for query, rows in zip(queries, candidates):
        begun = time.perf_counter()
        answer(query, rows)
        taken.append((time.perf_counter() - begun) * 1e3)
    return np.percentile(taken, [50, 99])


def pairs_per_second(answer: object, queries: list[str], rows: np.ndarray) -> float:
    begun = time.perf_counter()
    answer(queries, rows)
    return len(queries) / (time.perf_counter() - begun)


def differing(index: MatchIndex, plain: Plain, queries: list[str], candidates: list[np.ndarray]) -> float:
    """Share of the compared features that differ by more than rounding: words found as one or as two."""
    columns = [index.names.index(f"{field}.{name}") for field in (*FIELDS, "all") for name in COMPARED]
    found = [index.features(q, rows)[:, columns] for q, rows in zip(queries, candidates)]
    expected = [plain.features(q, rows) for q, rows in zip(queries, candidates)]
    return float(1 - np.isclose(found, expected, rtol=1e-4, atol=1e-5).mean())


def compare(asked: argparse.Namespace, folder: Path) -> None:
    world = World(asked.words)
    starts = range(0, asked.pins, 10_000)
    batches = [world.pins(min(10_000, asked.pins - start), start) for start in starts]
    begun = time.perf_counter()
    match_index.build(batches, folder)
    built = time.perf_counter() - begun
    size = sum(f.stat().st_size for f in folder.iterdir()) / 1e6
    print(f"{asked.pins:,} Pins: index built in {built:.0f} s, {size:.0f} MB\n")
    index, plain = match_index.open(folder), Plain(batches)
    index.features("warm up", np.arange(min(2, asked.pins)))
    print("| words | 1,000 candidates, ms p50 / p99 | plain Python | pairs/s | plain Python |\n|---|---|---|---|---|")
    for words in asked.lengths:
        queries = world.queries(asked.queries, words)
        candidates = [world.random.integers(0, asked.pins, 1_000) for _ in queries]
        ours = milliseconds(index.features, queries, candidates)
        few = slice(0, max(1, asked.queries // 20))
        theirs = milliseconds(plain.features, queries[few], candidates[few])
        bulk = np.repeat(np.array(world.queries(asked.queries * 20, words), dtype=object), 10).tolist()
        rate = pairs_per_second(index.pairs, bulk, world.random.integers(0, asked.pins, len(bulk)))
        print(f"| {words} | {ours[0]:.2f} / {ours[1]:.2f} | {theirs[0]:.1f} / {theirs[1]:.1f} ", end="")
        print(f"| {rate:,.0f} | {1e6 / theirs[0]:,.0f} |", flush=True)
        if share := differing(index, plain, queries[few], candidates[few]):
            print(f"differing: {share:.1e}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pins", type=int, default=50_000)
    parser.add_argument("--words", type=int, default=50_000, help="how many different words there are")
    parser.add_argument("--queries", type=int, default=500, help="of each length, with 1,000 candidates each")
    parser.add_argument("--lengths", type=int, nargs="+", default=[2, 4, 8], help="words of a query")
    with tempfile.TemporaryDirectory() as folder:
        compare(parser.parse_args(), Path(folder))


if __name__ == "__main__":
    main()
