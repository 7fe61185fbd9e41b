"""The rating desk under one rater's hands: 10,000 keys without a pause, none lost, and how soon each is acknowledged.

    python benchmarks/rating_desk.py [--keys 10000] [--browser]

An outside client sends one event a request, the next as soon as one is acknowledged. With --browser, Chromium
presses keys on the real page instead: then the time from a key to the next pair is measured, paint included.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
import numpy as np

from limbeck.rate.store import ADMIN, Pair, pair_id, reading, writing

PINS = 500
SERVE = """
import json, sys
from pathlib import Path
from limbeck import listening
from limbeck.rate import app
from limbeck.rate.desk import Desk
from limbeck.rate.store import writing
folder, pins = Path(sys.argv[1]), json.loads(sys.stdin.readline())
with writing(folder / "r.sqlite") as store, listening.listen("127.0.0.1", 0, "rate") as door:
    desk = Desk(store, pins, folder, 1, 0)
    print(listening.address("127.0.0.1", door), flush=True)
    listening.serve(app.create(desk, store, folder / "guide.md"), door)
"""
# From a key to the first frame after the page shows another pair.
PRESS = """async (keys) => {
  const taken = [];
  for (let i = 0; i < keys; i++) {
    const begun = performance.now();
    dispatchEvent(new KeyboardEvent("keydown", { key: String(1 + (i % 5)), code: `Digit${1 + (i % 5)}` }));
    await new Promise((painted) => requestAnimationFrame(() => setTimeout(painted)));
    taken.push(performance.now() - begun);
  }
  return taken;
}"""


def fill(folder: Path, keys: int) -> dict[str, str]:
    """A database with so many pairs for one rater; the secrets."""
    named = [(f"query {i // PINS}", f"pin{i % PINS}") for i in range(keys)]
    with writing(folder / "r.sqlite") as store:
        store.invite([ADMIN, "ana"])
        store.add(Pair(pair_id(q, p), q, p, "en", "US", "file", None, False) for q, p in named)
        (folder / "guide.md").write_text("# Guide", encoding="utf-8")
        return store.secrets()


def by_http(url: str, secret: str) -> list[float]:
    """Seconds from an event to its acknowledgement, one request each."""
    taken: list[float] = []
    with httpx.Client(base_url=url, timeout=60) as client:
        client.post("/enter", json={"secret": secret}).raise_for_status()
        while pairs := client.post("/next", json={}).json()["ahead"]:
            for pair in pairs:
                event = {"id": f"event-{len(taken):08d}", "pair": pair["pair"], "action": "rate", "level": 3}
                begun = time.perf_counter()
                client.post("/events", json=[event]).raise_for_status()
                taken.append(time.perf_counter() - begun)
    return taken


def by_browser(url: str, secret: str, keys: int) -> list[float]:
    """Seconds from a key to the next pair on the screen."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    import chromium

    with chromium.started() as browser:
        page = browser.new_page()
        page.set_default_timeout(3_600_000)
        page.goto(f"{url}enter#{secret}")
        page.wait_for_selector("#pair:not([hidden])")
        taken = page.evaluate(PRESS, keys)
        page.wait_for_selector("body[data-unsent='0']")
        return [milliseconds / 1000 for milliseconds in taken]


def main() -> None:
    """Measure, and print a line of figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keys", type=int, default=10_000)
    parser.add_argument("--browser", action="store_true")
    asked = parser.parse_args()
    pins = {f"pin{i}": {"title": f"Pin {i}", "description": "A comfortable thing. " * 10} for i in range(PINS)}
    with tempfile.TemporaryDirectory(dir=Path.home()) as name:
        secret = fill(Path(name), asked.keys)["ana"]
        command = [sys.executable, "-c", SERVE, name]
        pipe = subprocess.PIPE
        server = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env={**os.environ})
        try:
            server.stdin.write(json.dumps(pins) + "\n")
            server.stdin.flush()
            url = server.stdout.readline().strip()
            taken = by_browser(url, secret, asked.keys) if asked.browser else by_http(url, secret)
        finally:
            server.kill()
            server.wait()
        with reading(Path(name) / "r.sqlite") as store:
            kept, events = len(store.answers()), len(store.history())
    p50, p95, p99 = (1000 * np.percentile(taken, [50, 95, 99])).round(1)
    print(f"{len(taken)} keys: {kept} kept, {events} events; p50 {p50} ms, p95 {p95} ms, p99 {p99} ms")


if __name__ == "__main__":
    main()
