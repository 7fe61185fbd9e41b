"""Many mixed requests to one running service: whether any fails, and whether its memory grows.

    python benchmarks/soak.py WORKSPACE [--requests 1000000] [--connections 8] [--seconds 1500] [--csv soak.csv]

`limbeck serve` runs in a process of its own over a copy of the workspace, whose Pins are changed. Asked for are
searches, Pins and texts to be re-ranked, vectors, Pins like a Pin, Pins that are read, added, changed and deleted,
pages, pictures, and what has to be refused; in a random order, as often as `MIX` says. Each connection is kept open and
sends several requests before it reads the first answer. An answer has to have one of the statuses that its request may
have, and no search may have been answered by text match because the student failed. Resident memory of the service
after the first twentieth of the requests, when caches are full, is compared with that at the end.
"""

import argparse
import asyncio
import contextlib
import csv
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit

from limbeck.workspace import Workspace

SETTLED, SAMPLES = 0.05, 100  # the share of requests before which memory may grow; how often it is looked at
SECONDS = 20.0  # after which it is looked at in any case
AT_ONCE = 8  # requests of one connection
LIVE, QUERIES = 300, 2_400  # different ids of Pins that are changed; different queries, more than are cached
HIDDEN = re.compile(r'limbeck_degraded_total\{.*reason="text match: the student failed".*\} ([\d.]+)')
RECIPE = "[world]\n[serve]\nport = 0\ncached_queries = 2_000\n"


@dataclass(frozen=True)
class Asked:
    """A request as bytes, and the statuses that its answer may have."""

    kind: str
    data: bytes
    expected: frozenset[int]


@dataclass
class Tally:
    """What came of the requests, and the resident MiB of the service after how many."""

    most: int
    until: float
    answered: int = 0
    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    hidden: int = 0
    wrong: list[tuple[bytes, int, bytes]] = field(default_factory=list)
    memory: list[tuple[int, float, float]] = field(default_factory=list)  # requests, seconds, MiB

    def take(self, asked: Asked, status: int, body: bytes) -> None:
        """One answer."""
        self.answered += 1
        self.statuses[asked.kind, status] += 1
        if status not in asked.expected:
            self.wrong.append((asked.data[:500], status, body[:500]))

    @property
    def done(self) -> bool:
        """Whether all was asked, or the time is over."""
        return self.answered >= self.most or time.perf_counter() >= self.until

    @property
    def growth(self) -> float:
        """By which share the memory grew once caches were full."""
        settled = next(mib for count, _, mib in self.memory if count >= SETTLED * self.answered)
        return self.memory[-1][2] / settled - 1


class Requests:
    """Draws requests over one workspace."""

    def __init__(self, ws: Workspace, chance: random.Random) -> None:
        pins = ws.table("pins", ["pin_id", "title", "image"])
        self._chance, self._pins = chance, pins.column("pin_id").to_pylist()
        self._images = [image for image in pins.column("image").to_pylist() if image]
        words = sorted({word for title in pins.column("title").to_pylist() if title for word in title.split()})
        self._queries = [" ".join(chance.sample(words, min(len(words), 1 + i % 4))) for i in range(QUERIES)]
        self._kinds: dict[str, Callable[[], Asked]] = {
            name.removeprefix("_ask_"): getattr(self, name) for name in dir(self) if name.startswith("_ask_")
        }

    def draw(self, count: int) -> list[Asked]:
        """So many requests, in a random order."""
        kinds = self._chance.choices(list(MIX), list(MIX.values()), k=count)
        return [self._kinds[kind]() for kind in kinds]

    def _ask_search(self) -> Asked:
        country = self._chance.choice(("", "", "", "&country=US", "&language=de", "&why=1"))
        return _get("search", f"/search?q={quote(self._query)}&k=5{country}")

    def _ask_rerank_pins(self) -> Asked:
        pins = self._chance.sample(self._pins, min(20, len(self._pins)))
        return _post("rerank_pins", "/v1/rerank", {"query": self._query, "documents": [{"id": pin} for pin in pins]})

    def _ask_rerank_texts(self) -> Asked:
        if self._chance.random() < 0.5:
            return _post("rerank_texts", "/rerank", {"query": self._query, "texts": [self._query]})
        return _post("rerank_texts", "/v1/rerank", {"query": self._query, "documents": [self._query]})

    def _ask_embeddings(self) -> Asked:
        kind = self._chance.choice(("float", "base64"))
        return _post("embeddings", "/v1/embeddings", {"input": self._query, "encoding_format": kind})

    def _ask_similar(self) -> Asked:
        return _get("similar", f"/similar?pin_id={quote(self._chance.choice(self._pins))}&k=5")

    def _ask_read(self) -> Asked:
        if self._chance.random() < 0.5:
            return _get("read", f"/v1/pins/{quote(self._chance.choice(self._pins), safe='')}")
        return _get("read", f"/v1/pins/{self._live}", 200, 404)

    def _ask_change(self) -> Asked:
        if self._chance.random() < 0.3:
            return _post("change", "/v1/pins", {"delete": [self._live]})
        pin = {"id": self._live, "title": self._query, "language": self._chance.choice(("en", "de"))}
        return _post("change", "/v1/pins", {"put": [pin]})

    def _ask_page(self) -> Asked:
        pin, query = quote(self._chance.choice(self._pins), safe=""), quote(self._query)
        path = self._chance.choice(
            ("/", f"/?q={query}", f"/pins/{pin}", f"/pins/{pin}?q={query}", f"/compare?q={query}")
        )
        return _get("page", path, accept="text/html")

    def _ask_picture(self) -> Asked:
        return _get("picture", f"/images/{quote(self._chance.choice(self._images or ['no.png']))}", 200, 404)

    def _ask_watch(self) -> Asked:
        return _get("watch", self._chance.choice(("/healthz", "/readyz", "/openapi.json", "/metrics", "/")))

    def _ask_refused(self) -> Asked:
        path, body, status = self._chance.choice(WRONG)
        if body is None:
            return _get("refused", path, status)
        return Asked("refused", _request("POST", path, body), frozenset([status]))

    @property
    def _query(self) -> str:
        return self._chance.choice(self._queries)

    @property
    def _live(self) -> str:
        return f"soak-{self._chance.randrange(LIVE)}"


MIX = {
    "search": 20, "rerank_pins": 20, "rerank_texts": 3, "embeddings": 3, "similar": 8, "read": 14, "change": 4,
    "page": 2, "picture": 4, "watch": 12, "refused": 10,
}  # fmt: skip
WRONG: Sequence[tuple[str, bytes | None, int]] = (
    ("/search", None, 422), ("/search?q=tea&k=0", None, 422), ("/search?q=" + "x" * 1_001, None, 422),
    ("/similar?pin_id=nobody", None, 422), ("/v1/pins/nobody", None, 404), ("/nowhere", None, 404),
    ("/images/..%2f..%2fpins.json", None, 404), ("/v1/rerank", None, 405),
    ("/v1/rerank", b"{", 400), ("/v1/rerank", b'{"query": "tea", "documents": [{"id": "nobody"}]}', 422),
    ("/v1/embeddings", b'{"input": []}', 422), ("/v1/pins", b'{"put": [{"title": "nameless"}]}', 422),
    ("/v1/pins", b"{}", 422), ("/rerank", b'{"query": "", "texts": []}', 422),
)  # fmt: skip


def _get(kind: str, path: str, *expected: int, accept: str = "*/*") -> Asked:
    return Asked(kind, _request("GET", path, accept=accept), frozenset(expected or (200,)))


def _post(kind: str, path: str, body: dict[str, object]) -> Asked:
    return Asked(kind, _request("POST", path, json.dumps(body).encode()), frozenset([200]))


def _request(method: str, path: str, body: bytes = b"", accept: str = "*/*") -> bytes:
    sent = f"Content-Length: {len(body)}\r\n" if method == "POST" else ""
    return f"{method} {path} HTTP/1.1\r\nHost: limbeck\r\nAccept: {accept}\r\n{sent}\r\n".encode() + body


async def ask(address: tuple[str, int], requests: Requests, tally: Tally) -> None:
    """One connection, until all is done: it sends `AT_ONCE` requests and reads as many answers."""
    reader, writer = await asyncio.open_connection(*address, limit=1 << 22)
    while not tally.done:
        sent = requests.draw(AT_ONCE)
        writer.write(b"".join(asked.data for asked in sent))
        for asked in sent:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            tally.take(asked, int(head.split(b" ", 2)[1]), await reader.readexactly(length))
    writer.close()


async def watch(pid: int, tally: Tally) -> None:
    """Look at the memory after each hundredth of the requests, and every so many seconds; say how far it is."""
    begun, due, late = time.perf_counter(), 0, 0.0
    while not tally.done:
        if tally.answered >= due or time.perf_counter() >= late:
            _look(pid, tally, begun)
            due, late = tally.answered + tally.most // SAMPLES, time.perf_counter() + SECONDS
        await asyncio.sleep(0.05)
    _look(pid, tally, begun)


def _look(pid: int, tally: Tally, begun: float) -> None:
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    mib, seconds = pages * os.sysconf("SC_PAGE_SIZE") / 2**20, time.perf_counter() - begun
    tally.memory.append((tally.answered, seconds, mib))
    print(f"{tally.answered:>9,} answers  {seconds:7.0f} s  {mib:7.1f} MiB  {len(tally.wrong)} wrong", flush=True)


@contextlib.contextmanager
def service(root: Path, busy_poll: float) -> Iterator[tuple[int, tuple[str, int]]]:
    """`limbeck serve` over the workspace in this folder: its process and its address. What it says lies beside."""
    (root.parent / "soak.toml").write_text(RECIPE, encoding="utf-8")
    command = [sys.executable, "-m", "limbeck", "--json", "serve", str(root.parent / "soak.toml")]
    command += ["--busy-poll", str(busy_poll)]
    with open(root.parent / "service.log", "w") as said:
        process = subprocess.Popen([*command, "--workspace", str(root)], stdout=subprocess.PIPE, stderr=said, text=True)
    assert process.stdout
    try:
        events = (json.loads(line) for line in process.stdout)
        ready = next((event for event in events if event.get("event") == "ready"), None)
        if ready is None:
            sys.exit((root.parent / "service.log").read_text(encoding="utf-8"))
        url = urlsplit(ready["url"])
        yield process.pid, (str(url.hostname), int(url.port or 80))
    finally:
        processor = Path(f"/proc/{process.pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[11:13]
        print(f"processor seconds of the service: {sum(map(int, processor)) / os.sysconf('SC_CLK_TCK'):.0f}")
        process.terminate()
        process.wait(60)


async def soak(root: Path, asked: argparse.Namespace) -> Tally:
    """Ask until all is answered, or the time is over."""
    chance = random.Random(asked.seed)
    with service(root, asked.busy_poll) as (pid, address):
        tally = Tally(asked.requests, time.perf_counter() + asked.seconds)
        requests = Requests(Workspace(root), chance)  # one for all connections, whose queries are the same
        await asyncio.gather(watch(pid, tally), *(ask(address, requests, tally) for _ in range(asked.connections)))
        tally.hidden = await hidden(address)
    return tally


async def hidden(address: tuple[str, int]) -> int:
    """How many searches had an answer only because others stood in for a student that failed: no status tells."""
    reader, writer = await asyncio.open_connection(*address, limit=1 << 22)
    writer.write(_request("GET", "/metrics"))
    head = await reader.readuntil(b"\r\n\r\n")
    said = await reader.readexactly(int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0]))
    writer.close()
    return sum(round(float(found)) for found in HIDDEN.findall(said.decode()))


def main() -> None:
    """Say what came of it; exit with 1 where an answer was wrong or memory grew by 5 % or more."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the service is ended, too
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--busy-poll", type=float, default=0.0, help="seconds for which workers stay awake after each")
    parser.add_argument("--csv", type=Path, help="where to write the memory by the number of requests")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        tally = asyncio.run(soak(shutil.copytree(asked.workspace, Path(folder) / "workspace"), asked))
    if asked.csv:
        with asked.csv.open("w", newline="") as file:
            csv.writer(file).writerows([("requests", "seconds", "mib"), *tally.memory])
    for (kind, status), count in sorted(tally.statuses.items()):
        print(f"{kind:14} {status} {count:9,}")
    for data, status, body in tally.wrong[:10]:
        print(f"wrong: {status} {body!r} to {data!r}")
    faults = sum(count for (_, status), count in tally.statuses.items() if status >= 500)
    said = f"{len(tally.wrong)} wrong, {faults} faults, {tally.hidden} hidden ones"
    print(f"{tally.answered:,} answers, {said}; memory grew by {tally.growth:.1%}")
    sys.exit(bool(tally.wrong) or bool(tally.hidden) or tally.growth >= 0.05)


if __name__ == "__main__":
    main()
