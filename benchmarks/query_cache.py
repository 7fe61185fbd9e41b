"""How often the cache of query vectors has what is asked for, by its size, when queries follow Zipf's law.

    python benchmarks/query_cache.py [--searches 400000] [--svg query_cache.svg] [--redis redis://localhost:6379]

The n-th most frequent of so many different queries has a share that goes with 1 / (n + shift) ** exponent. Searches are
drawn one by one and independently, and go through the service's own cache; counted are those of the second half, when
it has warmed up. Beside each measured rate stands what theory says of it (Che, Tung and Wang, 2002, "Hierarchical Web
caching systems"): a query is held if it was asked for within T searches, where T is such that the expected number of
those that are held is the size.

With --redis, also what it costs to ask a real one for vectors of 128 numbers, and to put them there.
"""

import argparse
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from markupsafe import Markup
from scipy.optimize import brentq

from limbeck.measure.svg import element, linear, marker
from limbeck.remembered import Lru
from limbeck.serve.shared import Remote, RemoteCache
from limbeck.sources.world.queries import ZIPF, ZIPF_SHIFT

SIZES = (1_000, 3_000, 10_000, 30_000, 50_000, 100_000, 200_000)
GOAL = 0.85
STYLE = """text { font: 12px sans-serif; fill: #333 } .grid { stroke: #ddd } .line { fill: none; stroke-width: 2 }
.goal { stroke: #333; stroke-dasharray: 4 4 } .s0 { stroke: #1b6ca8 } .s1 { stroke: #c8553d } .s2 { stroke: #4a7c3a }
.mark.s0 { fill: #1b6ca8 } .mark.s1 { fill: #c8553d } .mark.s2 { fill: #4a7c3a }"""


@dataclass(frozen=True)
class Law:
    """How often each of so many different queries is asked for."""

    queries: int
    exponent: float
    shift: float

    def __str__(self) -> str:
        return f"{self.queries:,} queries, exponent {self.exponent:g}"

    def shares(self) -> np.ndarray:
        """Of all searches, float64 (queries,), the most frequent query first."""
        weight = (np.arange(self.queries) + self.shift) ** -self.exponent
        return weight / weight.sum()


LAWS = (Law(100_000, ZIPF, ZIPF_SHIFT),)  # the generated world's


def measured(drawn: np.ndarray, size: int) -> tuple[float, float]:
    """The share of the second half that a cache of this size held, and its microseconds of processor time a search."""
    cache, vector, half, hits = Lru(size), np.zeros(1, np.float32), len(drawn) // 2, 0
    texts = list(map(str, drawn.tolist()))
    begun = time.process_time()
    for place, text in enumerate(texts):
        if cache.get_many([text]):
            hits += place >= half
        else:
            cache.put_many({text: vector})
    return hits / (len(texts) - half), 1e6 * (time.process_time() - begun) / len(texts)


def expected(shares: np.ndarray, size: int) -> float:
    """The same by theory, once the cache is full and has been for long."""
    if size >= len(shares):
        return 1.0

    def too_many(searches: float) -> float:
        return float(-np.expm1(-shares * searches).sum() - size)

    held = -np.expm1(-shares * brentq(too_many, size, 1e3 / shares[-1], rtol=1e-6))
    return float(shares @ held)


def needed(shares: np.ndarray) -> int:
    """The smallest cache, to within a per cent, that holds the goal's share by theory."""
    return round(brentq(lambda size: expected(shares, size) - GOAL, 100, len(shares) - 1, rtol=0.01))


def shared(url: str) -> None:
    """Print microseconds (p50, p99) of getting and putting vectors in a Redis."""
    with contextlib.closing(Remote(url, wait=1.0)) as remote:
        cache = RemoteCache(remote, "benchmark", lambda texts: [text.encode() for text in texts])
        while not remote.breaker.up:
            time.sleep(0.01)
        print("\n| vectors | get µs p50 / p99 | put µs p50 / p99 |\n|---|---|---|")
        for together in (1, 128):
            vectors = dict(zip(map(str, range(together)), np.ones((together, 128), np.float32)))
            put = _times(lambda vectors=vectors: cache.put_many(vectors))
            get = _times(lambda vectors=vectors: cache.get_many(list(vectors)))
            print(f"| {together} | {get} | {put} |")
        print(f"{remote.breaker.failures} failures")


def _times(call: Callable[[], object], times: int = 2_000) -> str:
    taken = []
    for _ in range(times):
        begun = time.perf_counter()
        call()
        taken.append(1e6 * (time.perf_counter() - begun))
    return " / ".join(f"{value:.0f}" for value in np.percentile(taken, [50, 99]))


def picture(curves: dict[str, list[tuple[int, float]]]) -> Markup:
    """Hit rate against size, one line for each law."""
    x, y = linear(np.log(SIZES[0]), np.log(SIZES[-1]), 50, 560), linear(0, 1, 320, 20)
    drawn = [element("style", STYLE)]
    for rate in (0, 0.25, 0.5, 0.75, 1):
        drawn.append(element("line", x1=50, x2=560, y1=y(rate), y2=y(rate), class_="grid"))
        drawn.append(element("text", f"{rate:.0%}", x=44, y=y(rate) + 4, text_anchor="end"))
    drawn.append(element("line", x1=50, x2=560, y1=y(GOAL), y2=y(GOAL), class_="goal"))
    drawn.append(element("text", f"{GOAL:.0%}", x=566, y=y(GOAL) + 4))
    drawn += [element("text", f"{s:,}", x=float(x(np.log(s))), y=338, text_anchor="middle") for s in SIZES]
    drawn.append(element("text", "queries held (logarithmic)", x=560, y=356, text_anchor="end"))
    for series, (name, points) in enumerate(curves.items()):
        places = [(float(x(np.log(size))), float(y(rate))) for size, rate in points]
        line = " ".join(f"{at:.1f},{rate:.1f}" for at, rate in places)
        drawn.append(element("polyline", points=line, class_=f"line s{series}"))
        drawn += [marker(series, at, rate) for at, rate in places]
        drawn.append(marker(series, 70, 386 + 20 * series) + element("text", name, x=84, y=390 + 20 * series))
    size = {"viewBox": "0 0 620 450", "xmlns": "http://www.w3.org/2000/svg"}
    return element("svg", element("title", "Hit rate of the query cache by its size"), *drawn, **size)


def main() -> None:
    """Measure, print a table, draw the curves."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--searches", type=int, default=400_000)
    parser.add_argument("--svg", type=Path)
    parser.add_argument("--redis")
    asked = parser.parse_args()
    curves = {}
    for law in LAWS:
        shares = law.shares()
        drawn = np.random.default_rng(0).choice(law.queries, asked.searches, p=shares)
        seen = len(np.unique(drawn[: len(drawn) // 2]))
        print(f"\n{law}: 85 % by theory with {needed(shares):,} held; the first half asked for {seen:,} of them")
        print("| held | hits | by theory | µs a search |\n|---|---|---|---|")
        curves[str(law)] = []
        for size in SIZES:
            rate, microseconds = measured(drawn, size)
            curves[str(law)].append((size, rate))
            print(f"| {size:,} | {rate:.1%} | {expected(shares, size):.1%} | {microseconds:.1f} |", flush=True)
    if asked.redis:
        shared(asked.redis)
    if asked.svg:
        asked.svg.write_text(str(picture(curves)), encoding="utf-8")


if __name__ == "__main__":
    main()
