"""A small desk: two dozen pairs over six Pins, three raters, and a server of it in a process of its own."""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

from PIL import Image

from limbeck.rate.store import ADMIN, Pair, pair_id, writing

RATERS = ("ana", "ben", "cleo")
QUERIES = ("red sofa", "<b>lamp</b>", "мебель", "=HYPERLINK(1)")
HOSTILE = "<script>alert(1)</script> {{ 7 * 7 }}"
PINS = {
    f"pin{i}": {
        "title": HOSTILE if i == 0 else None if i in (1, 5) else f"Title {i}",
        "description": None if i == 5 else f"What Pin {i} says",
        "image": f"{i}.png" if i % 2 else None,
        "link": None,
        "language": ("en", None)[i % 2],
    }
    for i in range(6)
}


def make_pairs(queries=QUERIES, gold=2):
    """Every query with every Pin; the first few are gold."""
    named = [(query, pin) for query in queries for pin in PINS]
    levels = [5, 1] * gold
    return [
        Pair(pair_id(q, p), q, p, None, "US", "file", levels[i] if i < gold else None, False)
        for i, (q, p) in enumerate(named)
    ]


def make_pictures(folder):
    for pin in PINS.values():
        if pin["image"]:
            folder.mkdir(exist_ok=True)
            Image.new("RGB", (8, 6), "teal").save(folder / pin["image"])
    return folder


SERVE = """
import json, sys
from pathlib import Path
from limbeck import listening
from limbeck.rate import app
from limbeck.rate.desk import Desk
from limbeck.rate.store import writing
database, guidelines, pictures, pins, each, port = sys.argv[1:]
with writing(Path(database)) as store, listening.listen("127.0.0.1", int(port), "rate") as door:
    desk = Desk(store, json.loads(pins), Path(pictures), int(each), 0)
    print(json.dumps({"url": listening.address("127.0.0.1", door), "secrets": store.secrets()}), flush=True)
    listening.serve(app.create(desk, store, Path(guidelines)), door)
"""


class Server:
    """A desk that is served by a process of its own, which may be killed and started again on the same port."""

    def __init__(self, folder: Path, pairs, raters=RATERS, pins=PINS, each=2) -> None:
        self.database, self._port = folder / "ratings.sqlite", 0
        (folder / "guide.md").write_text("# Guide\n\n**5** is best <script>alert(1)</script>\n", encoding="utf-8")
        pictures = make_pictures(folder / "pictures")
        self._arguments = [self.database, folder / "guide.md", pictures, json.dumps(pins), each]
        with writing(self.database) as store:
            store.invite([ADMIN, *raters])
            store.add(pairs)
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-c", SERVE, *map(str, self._arguments), str(self._port)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ})
        said = json.loads(self.process.stdout.readline())
        self.url, self.secrets = said["url"].rstrip("/"), said["secrets"]
        self._port = int(self.url.rsplit(":", 1)[1])

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()

    def link(self, person) -> str:
        return f"{self.url}/enter#{self.secrets[person]}"


@contextlib.contextmanager
def served(folder, pairs, **changes):
    server = Server(folder, pairs, **changes)
    try:
        yield server
    finally:
        server.kill()
