"""Version after version under load: no request fails, no answer mixes two of them, nothing is left behind."""

import contextlib
import os
import shutil
import threading
import time
from pathlib import Path

import pytest
from counted import failures
from longer import longer
from served import lay, pin_rows, pin_texts, write_alignment
from starlette.testclient import TestClient

from limbeck.index import lexical
from limbeck.index.store import Store
from limbeck.serve import app
from limbeck.serve.ranker import Ranker
from limbeck.serve.versions import Versions
from limbeck.settings import Serve
from limbeck.workspace import Made, Workspace

PINS = [f"pin{i:02d}" for i in range(20)]
DOCUMENTS = [{"id": pin} for pin in PINS]
FOUND = 12  # Pins that a search grades: not all, so that it matters which are found
PAUSE = 8  # times as long as an answer takes, a client waits: most of the time goes into opening versions
SETTLED = 50  # swaps after which a version more may leave nothing more behind
GROWN = 64  # MiB
OPEN = 60  # files of the versions that requests under way still answer by: a leak is as many each few swaps


@pytest.fixture
def lenders(workspace, another, tmp_path):
    """Three versions: another student, and the first one's index with fewer words."""
    fewer = Workspace(shutil.copytree(workspace.root, tmp_path / "fewer"))
    texts = pin_texts(pin_rows()).slice(0, 40)
    fewer.write_folder("index/lexical", Made(settings={"pins": 40}), lambda out, _: lexical.build([texts], out))
    write_alignment(fewer)
    return workspace, another, fewer


class Client(threading.Thread):
    """Asks and asks; keeps what was no answer of one version alone."""

    def __init__(self, client, expected, found, done):
        super().__init__(daemon=True)
        self._client, self._expected, self._found, self._done = client, expected, found, done
        self.wrong, self.answers = [], 0

    def run(self):
        while not self._done.is_set():
            begun = time.monotonic()
            ranked = self._client.post("/v1/rerank", json={"query": "red sofa", "documents": DOCUMENTS})
            found = self._client.get("/search", params={"q": "red sofa", "k": 10})
            if not (ranked.status_code == found.status_code == 200 and self._of_one(ranked.json(), found.json())):
                self.wrong.append((ranked.text, found.text))
            self.answers += 2
            time.sleep(PAUSE * (time.monotonic() - begun))

    def _of_one(self, ranked, found):
        levels = {r["index"]: r["expected_level"] for r in ranked["results"]}
        same = levels == pytest.approx(self._expected[ranked["model"]], abs=1e-5)
        pins, levels = [r["pin_id"] for r in found["results"]], [r["expected_level"] for r in found["results"]]
        known = (of_one for of_one in self._found if of_one[:2] == (found["model"], pins))
        return same and any(levels == pytest.approx(of_one[2], abs=1e-5) for of_one in known)


@contextlib.contextmanager
def clients(client, expected, found):
    done = threading.Event()
    asking = [Client(client, expected, found, done) for _ in range(3)]
    for thread in asking:
        thread.start()
    try:
        yield asking
    finally:
        done.set()
        for thread in asking:
            thread.join()


def levels(ranker):
    return {r.index: r.expected_level for r in ranker.rerank_documents("red sofa", [{"pin_id": pin} for pin in PINS])}


def found_by(ranker):
    """What a search for it gives: by which student, which Pins, and their levels."""
    pins = ranker.search("red sofa", 10, FOUND)
    return ranker.model, [pin.pin_id for pin in pins], [pin.expected_level for pin in pins]


def held():
    """Open files and resident MiB of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return len(os.listdir("/proc/self/fd")), pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@pytest.mark.parametrize("swaps", [6, longer(1_000)])
@pytest.mark.timeout(14_400)
def test_versions_swap_under_load_and_no_request_fails_or_mixes_them(workspace, lenders, tmp_path, swaps):
    ws = Workspace(shutil.copytree(workspace.root, tmp_path / "copy"))
    versions = Versions(ws, lambda ws: Ranker(Store.open(ws)))
    rankers = [Ranker(Store.open(lender)) for lender in lenders]
    expected, found = {ranker.model: levels(ranker) for ranker in rankers}, [found_by(ranker) for ranker in rankers]
    assert len(expected) == 2
    assert len({tuple(pins) for _, pins, _ in found}) == 3
    begun, kept, settled = time.monotonic(), {}, min(SETTLED, swaps // 2)
    with (
        TestClient(app.create(versions, Serve(seconds=0, candidates=FOUND))) as client,
        clients(client, expected, found) as asking,
    ):
        for swap in range(1, swaps + 1):
            lay(ws, lenders[swap % 3])
            assert versions.look() == "taken", versions.refused
            assert versions.ranker.model == f"student-{ws.digest('models/student')[:8]}"
            kept[swap] = held() if swap in (settled, swaps) else None
        assert failures(client) == []
    assert [wrong for thread in asking for wrong in thread.wrong] == []
    assert all(thread.answers > swaps // 10 for thread in asking)
    files, memory = zip(kept[settled], kept[swaps])
    print(
        f"\n{swaps} swaps, {sum(t.answers for t in asking):,} answers, {time.monotonic() - begun:.0f} s; "
        f"open files {files[0]} and {files[1]}, resident MiB {memory[0]:.0f} and {memory[1]:.0f}"
    )
    assert files[1] <= files[0] + OPEN
    assert swaps < SETTLED or memory[1] <= memory[0] + GROWN
