"""The service under load from another process: requests per second, p50 and p99, and how they grow with the Pins.

    python benchmarks/serving.py WORKSPACE [WORKSPACE …] [--workers 2] [--connections 1 4 16] [--seconds 20]
    python benchmarks/grown.py RECIPE 10000 100000 1000000 --out FOLDER   # workspaces of these sizes out of one

For each workspace `limbeck serve` runs with as many `--workers` of one thread as are asked for. Asked for are
`/healthz`, which is HTTP alone; `/search`, with queries drawn from the log as often as they were searched for (titles
where there is no log); and `/v1/rerank` for as many Pins by their ids as `--candidates` says. First in a closed loop:
so many connections, each with the next request as soon as it has its answer; the best of them is the saturation. Then
in an open one, at half of that: requests set out at random times whether or not earlier ones were answered, and are
timed from when they were to set out, so that a pause of the service counts for all that wait for it.

The generator is one process (uvloop) that sends bytes made beforehand and reads no more of an answer than its length.
What it needs itself is measured against a server that answers at once (`--floor`), and bounds what can be seen. What
the workers' processors needed for a request is told beside: on a busy machine the clock says little. Answers that were
made with less work than usual are counted as `degraded`.

With `--inside`, the same is asked within this process, too, of such a ranker as the service has and without HTTP (for a
re-ranking: grades, and the order of the first ones), in turn with one connection: what that takes more is what reading
and writing of requests takes, and being woken up by them (with `--busy-poll` workers stay awake). The two change cores
from round to round, as those of a virtual machine are seldom equally fast, and ask for different things, as the second
of two would find near what the first has just read.

With `--live`, so many Pins are changed before that, and in the end some one by one: how long each takes to be
acknowledged, and how long after that the last worker has answered with what was there before.
"""

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import numpy as np
import uvloop

from limbeck.index.store import Store
from limbeck.live import store as live_store
from limbeck.live.journal import Journal
from limbeck.serve.cache import Caches
from limbeck.serve.metrics import Metrics
from limbeck.serve.pins import MOST_PUT
from limbeck.serve.ranked import in_order
from limbeck.serve.ranker import Ranker
from limbeck.settings import Serve
from limbeck.workspace import Workspace

SEED = 0
DIFFERENT = 5_000  # requests made beforehand, of each kind
WARMING, CONNECTIONS_PER_WORKER = 1_000, 3  # of them are asked first and not counted, by so many
FOLLOWED = 1.0  # seconds in which all workers know of a change
ONE_BY_ONE = 40  # Pins
INSIDE, ROUNDS = 300, 6  # requests in each; the first is not counted
DEGRADED = b'"degraded":"'
ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


@dataclass
class Taken:
    """Milliseconds of each answer, how often each status came, and the seconds of the whole loop and of processors."""

    milliseconds: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)
    degraded: int = 0
    seconds: float = 0.0
    processor: float = 0.0

    def add(self, begun: float, answer: tuple[int, bytes]) -> None:
        """One answer: its status and its body."""
        status, body = answer
        self.milliseconds.append(1e3 * (time.perf_counter() - begun))
        self.degraded += DEGRADED in body
        self.statuses[status] = self.statuses.get(status, 0) + 1

    @property
    def rate(self) -> float:
        """Answers per second."""
        return len(self.milliseconds) / self.seconds

    def __str__(self) -> str:
        p50, p99 = np.percentile(self.milliseconds, (50, 99)) if self.milliseconds else (float("nan"),) * 2
        said = " ".join(f"{status}×{count}" for status, count in sorted(self.statuses.items()))
        said += f" degraded×{self.degraded}" if self.degraded else ""
        each = 1e3 * self.processor / max(1, len(self.milliseconds))
        return f"{self.rate:8.1f} /s   p50 {p50:8.2f} ms   p99 {p99:8.2f} ms   processor {each:6.2f} ms   {said}"


@dataclass(frozen=True)
class Servers:
    """Where processes listen, and which they are."""

    address: tuple[str, int]
    pids: Sequence[int]

    def used(self) -> float:
        """Seconds of the processor that they have needed so far."""
        ticks = (_read(pid, "stat").rpartition(")")[2].split()[11:13] for pid in self.pids)
        return sum(int(tick) for each in ticks for tick in each) / os.sysconf("SC_CLK_TCK")

    def resident(self) -> float:
        """Megabytes of memory of each, on average; what is mapped and shared counts for all."""
        pages = sum(int(_read(pid, "statm").split()[1]) for pid in self.pids) / len(self.pids)
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _read(pid: int, file: str) -> str:
    return Path(f"/proc/{pid}/{file}").read_text(encoding="utf-8")


class Connection(asyncio.Protocol):
    """One connection that is kept open, and asked one thing at a time."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self._came, self._length = bytearray(), 0

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """The status of the answer, and its body."""
        loop = asyncio.get_running_loop()
        if self._transport is None:
            self._transport, _ = await loop.create_connection(lambda: self, *self._address)
        self._answer, self._came, self._length = loop.create_future(), bytearray(), 0
        self._transport.write(request)
        return await self._answer

    def data_received(self, data: bytes) -> None:
        """The answer, as it comes."""
        self._came += data
        if not self._length and (end := self._came.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._came[:end]).lower() + b"\r\n"
            self._length = end + 4 + int(head.split(b"content-length:")[1].split(b"\r\n")[0])
        if self._answer and not self._answer.done() and 0 < self._length <= len(self._came):
            status, begin = int(self._came[9:12]), self._came.find(b"\r\n\r\n") + 4
            self._answer.set_result((status, bytes(self._came[begin:])))

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody answers any more."""
        if self._answer and not self._answer.done():
            self._answer.set_exception(exc or ConnectionError("the connection was closed"))

    def close(self) -> None:
        """Close it."""
        if self._transport:
            self._transport.close()


async def closed(servers: Servers, requests: Sequence[bytes], connections: int, seconds: float) -> Taken:
    """So many connections, each asking on as soon as it is answered."""
    taken, begin, used = Taken(), time.perf_counter(), servers.used()
    waiting = iter(_endless(requests))

    async def one() -> None:
        connection = Connection(*servers.address)
        while time.perf_counter() - begin < seconds:
            begun = time.perf_counter()
            taken.add(begun, await connection.ask(next(waiting)))
        connection.close()

    await asyncio.gather(*(one() for _ in range(connections)))
    taken.seconds, taken.processor = time.perf_counter() - begin, servers.used() - used
    return taken


async def warm(servers: Servers, requests: Sequence[bytes]) -> None:
    """Each of so many connections asks everything: all workers know the vectors of all queries, and maps are warm."""

    async def one() -> None:
        connection = Connection(*servers.address)
        for request in requests:
            await connection.ask(request)
        connection.close()

    await asyncio.gather(*(one() for _ in range(CONNECTIONS_PER_WORKER * len(servers.pids))))


async def opened(servers: Servers, requests: Sequence[bytes], rate: float, seconds: float) -> Taken:
    """Requests at random times, so many a second on average, on as many connections as that takes."""
    taken, idle, random = Taken(), list[Connection](), np.random.default_rng(SEED)
    waiting, begin, used = iter(_endless(requests)), time.perf_counter(), servers.used()

    async def one(due: float) -> None:
        connection = idle.pop(0) if idle else Connection(*servers.address)
        taken.add(due, await connection.ask(next(waiting)))
        idle.append(connection)

    due, asked = begin, set[asyncio.Task[None]]()
    while due - begin < seconds:
        due += random.exponential(1 / rate)
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        asked.add(asyncio.create_task(one(due)))
    await asyncio.gather(*asked)
    taken.seconds, taken.processor = time.perf_counter() - begin, servers.used() - used
    for connection in idle:
        connection.close()
    return taken


async def change(servers: Servers, requests: Sequence[bytes]) -> None:
    """Let all workers know of changed Pins."""
    connection = Connection(*servers.address)
    for request in requests:
        status, said = await connection.ask(request)
        if status != 200:
            raise SystemExit(f"a change of Pins was answered with {status}: {said[:200]!r}")
    connection.close()
    await asyncio.sleep(FOLLOWED if requests else 0)


async def one_by_one(servers: Servers) -> str:
    """How long a change takes, and how long after it was acknowledged a worker still answers with the old title."""
    acknowledged, stale, keeping = Taken(), [], Connection(*servers.address)
    for number in range(ONE_BY_ONE):
        title = f"title {number} of one Pin"
        request = _request("POST", "/v1/pins", json.dumps({"put": [{"id": "one", "title": title}]}).encode())
        begun = time.perf_counter()
        acknowledged.add(begun, await keeping.ask(request))
        since = last = time.perf_counter()
        while time.perf_counter() - since < FOLLOWED:
            if title.encode() not in await _read_anew(servers):
                last = time.perf_counter()
        stale.append(1e3 * (last - since))
    keeping.close()
    p50, most = np.percentile(acknowledged.milliseconds, 50), max(acknowledged.milliseconds)
    later = f"known to all p50 {np.percentile(stale, 50):.0f} ms, at most {max(stale):.0f} ms later"
    return f"acknowledged after p50 {p50:.1f} ms, at most {most:.1f} ms; {later}; statuses {acknowledged.statuses}"


async def _read_anew(servers: Servers) -> bytes:
    """The Pin, from whichever worker gets a new connection."""
    connection = Connection(*servers.address)
    _, said = await connection.ask(_request("GET", "/v1/pins/one"))
    connection.close()
    return said


def searches(ws: Workspace, count: int) -> list[bytes]:
    """`GET /search` for queries as the log has them, each search as probable as any other."""
    random = np.random.default_rng(SEED)
    if ws.has("impressions"):
        log = ws.table("impressions", ["search_id", "query"]).group_by(["search_id", "query"]).aggregate([])
        texts = log.column("query").to_pylist()
    else:
        texts = [title for title in ws.table("pins", ["title"]).column("title").to_pylist() if title]
    chosen = random.integers(len(texts), size=count)
    return [_request("GET", f"/search?q={quote(texts[i][:1_000])}") for i in chosen if texts[i].strip()]


def reranks(ws: Workspace, count: int, candidates: int, most: int | None = None) -> list[bytes]:
    """`POST /v1/rerank` for Pins by id, drawn anew for each request, of which the first `most` are answered."""
    random = np.random.default_rng(SEED)
    pins = ws.table("pin_vectors", ["pin_id"]).column("pin_id").to_pylist()
    queries = [pin for pin in ws.table("pins", ["title"]).slice(0, 1_000).column("title").to_pylist() if pin]
    found = []
    for i in range(count):
        some = random.choice(len(pins), size=min(candidates, len(pins)), replace=False)
        body = {"query": queries[i % len(queries)][:200], "documents": [{"id": pins[j]} for j in some]}
        body |= {"top_n": most} if most else {}
        found.append(_request("POST", "/v1/rerank", json.dumps(body).encode()))
    return found


def changes(ws: Workspace, count: int) -> list[bytes]:
    """`POST /v1/pins`: so many Pins of the workspace, each with the title of another."""
    shown = ws.table("pins", ["pin_id", "title"]).slice(0, count + 1)
    ids, titles = (shown.column(name).to_pylist() for name in ("pin_id", "title"))
    put = [{"id": pin, "title": title} for pin, title in zip(ids, titles[1:])]
    bodies = [{"put": put[i : i + MOST_PUT]} for i in range(0, len(put), MOST_PUT)]
    return [_request("POST", "/v1/pins", json.dumps(body).encode()) for body in bodies]


@contextlib.contextmanager
def copied(workspace: Path, live: int) -> Iterator[Path]:
    """The workspace; where Pins are to be changed, a copy of it, of links to what it holds."""
    if not live:
        yield workspace
        return
    with tempfile.TemporaryDirectory(dir=workspace.parent) as folder:
        left = shutil.ignore_patterns("live")
        yield Path(shutil.copytree(workspace, Path(folder) / "workspace", copy_function=os.link, ignore=left))


def _request(method: str, path: str, body: bytes = b"") -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: limbeck\r\n"
    sent = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n" if body else ""
    return f"{head}{sent}\r\n".encode() + body


def _endless(requests: Sequence[bytes]) -> Iterator[bytes]:
    while True:
        yield from requests


@contextlib.contextmanager
def service(workspace: Path, workers: int, *options: str) -> Iterator[Servers]:
    """`limbeck serve` with these options; when all its workers listen, how long that took is printed."""
    command = [sys.executable, "-m", "limbeck", "--json", "serve", "--workspace", str(workspace), "--port", "0"]
    begun = time.perf_counter()
    process = subprocess.Popen(
        [*command, "--workers", str(workers), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=ONE_THREAD,
    )
    try:
        ready = _ready(process)
        url = urlsplit(ready["url"])
        forked = _read(process.pid, f"task/{process.pid}/children").split() if workers > 1 else []
        servers = Servers((str(url.hostname), int(url.port or 80)), [process.pid, *map(int, forked)])
        took = f"ready after {time.perf_counter() - begun:.1f} s, {servers.used():.1f} s of the processor"
        print(f"{ready['pins']:,} Pins, {workers} workers; {took}", flush=True)
        yield servers
        print(f"resident memory of each process {servers.resident():,.0f} MB")
    finally:
        process.terminate()
        process.wait(60)


def _ready(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout
    events = (json.loads(line) for line in process.stdout)
    ready = next((event for event in events if event.get("event") == "ready"), None)
    if ready is None:
        raise SystemExit("the service ended before it was ready: `limbeck serve` says why")
    return ready


async def floor(requests: Sequence[bytes], connections: int, seconds: float) -> Taken:
    """What the generator itself takes: a server in a process of its own answers every request with a fixed text."""
    command = [sys.executable, str(Path(__file__).resolve()), "--answer-at-once"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    try:
        port = int(process.stdout.readline())
        return await closed(Servers(("127.0.0.1", port), [process.pid]), requests, connections, seconds)
    finally:
        process.terminate()
        process.wait(60)


async def answer_at_once() -> None:
    """Read each request, and answer it with the same few bytes."""
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if b"Content-Length: " in head:
                    await reader.readexactly(int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0]))
                writer.write(answer)

    server = await asyncio.start_server(one, "127.0.0.1", 0, limit=1 << 20)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def within(ws: Workspace, kinds: Mapping[str, Sequence[bytes]], most: int | None) -> dict[str, Callable[[int], object]]:
    """What the service does for the requests of each kind, by number, in this process: by such a ranker as it has."""
    settings, caches = Serve(), Caches()
    store = live_store.open(Store.open(ws, keep=caches.readings), ws, Journal(ws.root))
    ranker = Ranker(store, stage=Metrics().stage, caches=caches, blend=settings.blend)
    queries = [unquote(request.split(b" ")[1].decode().partition("q=")[2]) for request in kinds["/search"]]
    bodies = [json.loads(request.partition(b"\r\n\r\n")[2]) for request in kinds["/v1/rerank"]]
    asked = [(body["query"], [pin["id"] for pin in body["documents"]]) for body in bodies]
    return {
        "/search": lambda i: ranker.search(queries[i], settings.results, settings.candidates),
        "/v1/rerank": lambda i: in_order(ranker.grade(*asked[i]), most),
    }


async def in_turn(servers: Servers, requests: Sequence[bytes], work: Callable[[int], object]) -> str:
    """What HTTP adds: a request on one connection, and what another one asks for in this process, one after the other.

    In each round the median of each, and the mean of these.
    """
    connection, found = Connection(*servers.address), []
    for number in range(ROUNDS + 1):  # in the first, vectors are cached, and what is compiled late is compiled
        with apart(servers.pids, number):
            found.append([await _each(connection, requests, work, i) for i in range(len(requests))])
    connection.close()
    p50, without = np.median(found[1:], axis=1).mean(axis=0)
    return f"1 conn.  p50 {p50:.2f} ms, without HTTP {without:.2f} ms: HTTP adds {p50 - without:.2f} ms"


async def _each(
    connection: Connection, requests: Sequence[bytes], work: Callable[[int], object], i: int
) -> tuple[float, float]:
    """Milliseconds of a request, and of the work for the one that is half of them further on."""
    begun = time.perf_counter()
    await connection.ask(requests[i])
    answered = time.perf_counter()
    work((i + len(requests) // 2) % len(requests))
    return 1e3 * (answered - begun), 1e3 * (time.perf_counter() - answered)


@contextlib.contextmanager
def apart(pids: Sequence[int], number: int) -> Iterator[None]:
    """These processes on one core and this one on another, which is which by the number; as before afterwards."""
    cores, before = (
        sorted(os.sched_getaffinity(0))[:2],
        {pid: os.sched_getaffinity(pid) for pid in (os.getpid(), *pids)},
    )
    for pid in before:
        _keep(pid, {cores[(number + (pid == os.getpid())) % len(cores)]})
    try:
        yield
    finally:
        for pid, allowed in before.items():
            _keep(pid, allowed)


def _keep(pid: int, cores: set[int]) -> None:
    """All threads of a process on these cores."""
    for thread in os.listdir(f"/proc/{pid}/task"):
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(int(thread), cores)


async def measure(workspace: Path, asked: argparse.Namespace) -> None:
    """Print the figures of one workspace. Told to stop, it ends the service first."""
    if task := asyncio.current_task():
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    ws = Workspace(workspace)
    kinds = {
        "/healthz": [_request("GET", "/healthz")],
        "/search": searches(ws, asked.different),
        "/v1/rerank": reranks(ws, asked.different, asked.candidates, asked.top_n),
    }
    works = within(ws, kinds, asked.top_n) if asked.inside else {}
    if asked.floor:
        for kind, requests in kinds.items():
            print(f"{kind:12} generator alone  {await floor(requests, 4, asked.seconds)}", flush=True)
    options = ["--affinity"] * asked.affinity + ["--busy-poll", str(asked.busy_poll)]
    with copied(workspace, asked.live) as served, service(served, asked.workers, *options) as servers:
        await change(servers, changes(ws, asked.live))
        for kind, requests in kinds.items():
            await warm(servers, requests[:WARMING])
            if kind in works:
                print(f"{kind:12} in turn {await in_turn(servers, requests[:INSIDE], works[kind])}", flush=True)
            best = 0.0
            for connections in asked.connections:
                taken = await closed(servers, requests, connections, asked.seconds)
                best = max(best, taken.rate)
                print(f"{kind:12} closed {connections:4} conn.  {taken}", flush=True)
            taken = await opened(servers, requests, best / 2, asked.seconds)
            print(f"{kind:12} open at half     {taken}", flush=True)
        if asked.live:
            print(f"one Pin changed   {await one_by_one(servers)}", flush=True)


def main() -> None:
    """Measure each workspace in turn."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workspaces", type=Path, nargs="*")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--affinity", action="store_true", help="each worker stays on a core of its own")
    parser.add_argument("--busy-poll", type=float, default=0.0, help="seconds for which workers stay awake after each")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--candidates", type=int, default=1_000)
    parser.add_argument("--top-n", type=int, help="of a re-ranking's results are answered; all unless it is said")
    parser.add_argument("--different", type=int, default=DIFFERENT, help="requests made beforehand, of each kind")
    parser.add_argument("--live", type=int, default=0, help="so many Pins are changed while the service runs")
    parser.add_argument("--inside", action="store_true", help="also within this process, without HTTP, in turn")
    parser.add_argument("--floor", action="store_true", help="also what the generator itself takes")
    parser.add_argument("--answer-at-once", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.answer_at_once:
        uvloop.run(answer_at_once())
    for workspace in asked.workspaces:
        print(f"# {workspace}")
        try:
            uvloop.run(measure(workspace, asked))
        except (asyncio.CancelledError, KeyboardInterrupt):
            raise SystemExit("stopped") from None


if __name__ == "__main__":
    main()
