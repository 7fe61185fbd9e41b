"""Several workers behind one port: they answer alike, nobody misses one that is killed, all end together."""

import json
import os
import signal
import subprocess
import sys
import time

import httpx
import pytest
from longer import longer
from prometheus_client.parser import text_string_to_metric_families

from limbeck import listening
from limbeck.errors import InputError
from limbeck.serve import running
from limbeck.settings import Serve
from limbeck.workspace import Workspace

PATIENCE = 600  # seconds after which a process is taken for hung
WORKERS = 2


def started(*arguments):
    command = [sys.executable, "-m", "limbeck", "--json", "serve", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def served(workspace):
    """A running service: its process and its address."""
    process = started(
        "--workspace", workspace.root, "--port", 0, "--workers", WORKERS, "--affinity", "--busy-poll", 0.01
    )
    try:
        said = json.loads(process.stdout.readline())
        assert (said["event"], said["pins"]) == ("ready", 50)
        yield process, said["url"]
    finally:
        process.kill()
        process.communicate()


def children(process):
    """The workers, as the system knows them."""
    with open(f"/proc/{process.pid}/task/{process.pid}/children", encoding="ascii") as file:
        return sorted(map(int, file.read().split()))


def ended(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        return file.read().rpartition(")")[2].split()[0] == "Z"


def until(happened, seconds=PATIENCE):
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.05)


def counted(url):
    """How many requests each worker says that it answered."""
    families = text_string_to_metric_families(httpx.get(f"{url}metrics", timeout=PATIENCE).text)
    [requests] = [family for family in families if family.name == "limbeck_requests"]
    found = {}
    for sample in requests.samples:
        if sample.name.endswith("_total"):
            found[sample.labels["worker"]] = found.get(sample.labels["worker"], 0) + sample.value
    return found


def test_all_workers_answer_the_same_and_say_together_what_they_counted(served, ranker):
    process, url = served
    assert len(children(process)) == WORKERS
    expected = [pin.pin_id for pin in ranker.rerank("red sofa", [f"pin{i:02d}" for i in range(20)])]
    body = {"query": "red sofa", "documents": [{"id": f"pin{i:02d}"} for i in range(20)]}
    asked = 0

    def both_have_answered():
        nonlocal asked
        for _ in range(10):  # each on a connection of its own, dealt out anew
            results = httpx.post(f"{url}v1/rerank", json=body, timeout=PATIENCE).json()["results"]
            assert [f"pin{result['index']:02d}" for result in results] == expected
            asked += 1
        return set(counted(url)) == {"0", "1"}

    until(both_have_answered)
    until(lambda: sum(counted(url).values()) >= asked)


def test_one_that_is_killed_is_started_again_while_the_others_answer(served):
    process, url = served
    before = children(process)
    os.kill(before[0], signal.SIGKILL)
    until(lambda: before[0] not in children(process))
    answered = 0
    while len(children(process)) < WORKERS or answered < 20:
        assert httpx.get(f"{url}search?q=lamp&k=3", timeout=PATIENCE).status_code == 200
        answered += 1
    assert before[1] in children(process)
    assert httpx.get(f"{url}readyz", timeout=PATIENCE).json()["status"] == "ready"


def test_each_worker_stays_on_a_core_of_its_own_where_there_are_enough(served):
    process, _ = served
    cores = [os.sched_getaffinity(pid) for pid in children(process)]
    assert [len(some) for some in cores] == [1] * WORKERS
    assert len(set().union(*cores)) == min(WORKERS, len(os.sched_getaffinity(process.pid)))


def test_a_system_without_affinity_is_named(tmp_path, monkeypatch):
    monkeypatch.delattr(os, "sched_setaffinity")
    with pytest.raises(InputError, match=r"serve\.affinity"):
        running.run(Workspace(tmp_path), Serve(workers=2, affinity=True))


def test_workers_end_with_the_process_that_started_them(served):
    process, _ = served  # the last test that needs it
    workers = children(process)
    process.kill()
    process.wait(PATIENCE)
    until(lambda: all(map(ended, workers)))
    assert len(workers) == WORKERS


@pytest.mark.parametrize("number", [signal.SIGTERM, longer(signal.SIGINT)])
def test_all_end_when_the_first_process_is_told_to(workspace, number):
    process = started("--workspace", workspace.root, "--port", 0, "--workers", WORKERS)
    try:
        process.stdout.readline()
        workers = children(process)
        process.send_signal(number)
        assert process.wait(PATIENCE) == 0
        assert all(map(ended, workers))
        assert "Traceback" not in process.stderr.read()
    finally:
        process.kill()
        process.communicate()


def test_what_is_wrong_is_said_once(tmp_path):
    process = started("--workspace", tmp_path / "none", "--port", 0, "--workers", WORKERS)
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode in (1, 2)
    assert len(said.splitlines()) == 1
    assert said.startswith("limbeck: ")


CREW = """
import sys, time
from limbeck.errors import InputError
from limbeck.serve import workers

def work(worker):
    if worker.number or "both" in sys.argv:
        time.sleep(0 if worker.number else 0.5)
        raise InputError(f"{worker.number} is wrong")
    time.sleep(0.5)
    print("the first answers", file=sys.stderr, flush=True)
    worker.ready(1)
    time.sleep(600)

workers.together(2, work, print)
"""


def test_what_is_wrong_with_all_is_said_by_the_first_alone():
    ran = subprocess.run([sys.executable, "-c", CREW, "both"], capture_output=True, text=True, timeout=PATIENCE)
    assert (ran.returncode, ran.stderr) == (2, "limbeck: 0 is wrong\n")


def test_what_is_wrong_with_another_is_said_once_the_first_answers():
    process = subprocess.Popen([sys.executable, "-c", CREW], stderr=subprocess.PIPE, text=True)
    try:
        said = [process.stderr.readline() for _ in range(2)]
        assert said == ["the first answers\n", "limbeck: 1 is wrong\n"]
    finally:
        process.kill()
        process.communicate()


def test_nobody_to_answer_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"serve\.workers is 0"):
        running.run(Workspace(tmp_path), Serve(workers=0))


def test_a_port_that_others_share_is_in_use(workspace):
    with (
        listening.reserve("127.0.0.1", 0, "serve") as kept,
        listening.listen("127.0.0.1", kept.getsockname()[1], "serve", shared=True),
        pytest.raises(InputError, match="cannot listen"),
    ):
        running.run(workspace, Serve(port=kept.getsockname()[1], workers=2))
