"""What the model saw is kept, and grading it offline gives the same numbers."""

import json
import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from live_service import Following
from starlette.testclient import TestClient

from limbeck.errors import InputError
from limbeck.records import PROBABILITIES
from limbeck.serve import app, feature_log, ranked
from limbeck.serve.feature_log import SCHEMA, FeatureLog
from limbeck.settings import Recipe, Serve, TableMapping
from limbeck.signals.logged import NAMES, VERSIONS
from limbeck.sources import mapped

QUERIES = ("red sofa", "wedding dress", "a cup that nobody has", "oak shelf")


@pytest.fixture
def following(store, tmp_path):
    return Following(store, tmp_path)


def service(following, log):
    kept = app.Kept(following.journal, log)
    return TestClient(app.create(following, Serve(candidates=40, results=10, seconds=0), kept=kept))


def read(folder):
    files = sorted(folder.glob("*.parquet"))
    assert sorted(folder.iterdir()) == files
    return pa.concat_tables(map(pq.read_table, files)) if files else SCHEMA.empty_table()


def answered(client, folder_log):
    """Some searches and a re-ranking; what was answered, by request."""
    found = {}
    for number, query in enumerate(QUERIES):
        answer = client.get("/search", params={"q": query, "country": "US"}, headers={"X-Request-Id": f"s{number}"})
        found[f"s{number}"] = [(r["pin_id"], r["probabilities"]) for r in answer.json()["results"]]
    documents = [{"id": "pin31"}, {"title": "from outside"}, {"id": "pin04"}]
    answer = client.post("/v1/rerank", json={"query": "tea pot", "documents": documents}, headers={"X-Request-Id": "r"})
    results = answer.json()["results"]
    found["r"] = [(documents[r["index"]]["id"], r["probabilities"]) for r in results if r["index"] != 1]
    folder_log.close()
    return found


def test_what_was_answered_is_kept_and_offline_grades_are_the_same(following, grader, tmp_path):
    log = FeatureLog(tmp_path / "seen")
    with service(following, log) as client:
        found = answered(client, log)
    rows = read(tmp_path / "seen")
    kept = {}
    for row in rows.to_pylist():
        kept.setdefault(row["search_id"], []).append((row["position"], row["pin_id"]))
    assert kept == {i: [(n, pin) for n, (pin, _) in enumerate(pins, 1)] for i, pins in found.items()}
    online = np.stack([rows.column(name).to_numpy() for name in PROBABILITIES], axis=1)
    np.testing.assert_allclose(online, [p for pins in found.values() for _, p in pins], atol=1e-6)
    np.testing.assert_allclose(grader.grade(rows), online, atol=1e-6)


def test_the_features_are_those_that_training_would_compute(following, store, workspace, tmp_path):
    log = FeatureLog(tmp_path / "seen")
    with service(following, log) as client:
        answered(client, log)
    rows = read(tmp_path / "seen")
    features = np.asarray(rows.column("features").to_pylist(), dtype=np.float32)
    pins = store.signals.rows(rows.column("pin_id").to_pylist())
    offline = store.signals.pairs(rows.column("query").to_pylist(), pins)
    np.testing.assert_allclose(features, offline, rtol=1e-4, atol=1e-6)  # queries are read in batches offline
    assert json.loads(rows.schema.metadata[NAMES]) == list(store.signals.names)
    assert set(rows.column("grader").to_pylist()) == {following.ranker.model}
    assert set(rows.column("country").to_pylist()) == {"US", None}
    digests = dict(
        zip(zip(*(rows.column(c).to_pylist() for c in ("query", "pin_id"))), rows.column("vectors").to_pylist())
    )
    assert len(set(digests.values())) == len(digests)
    assert json.loads(rows.schema.metadata[VERSIONS]) == store.versions
    assert set(store.versions) == set(store.signals.parts)
    said = dict(zip(*(workspace.table("pin_texts").column(c).to_pylist() for c in ("pin_id", "digest"))))
    assert rows.column("text").to_pylist() == [said[pin] for pin in rows.column("pin_id").to_pylist()]


def test_pins_of_more_texts_than_are_read_at_once_are_kept(following, tmp_path):
    log = FeatureLog(tmp_path / "seen")
    documents = [{"id": f"pin{i:02d}"} if i % 2 else {"title": f"from outside {i}"} for i in range(50)]
    with service(following, log) as client:
        assert client.post("/v1/rerank", json={"query": "tea pot", "documents": documents}).status_code == 200
        log.close()
    assert sorted(read(tmp_path / "seen").column("pin_id").to_pylist()) == [f"pin{i:02d}" for i in range(1, 50, 2)]


def test_what_nobody_graded_is_not_kept_and_is_answered_all_the_same(following, tmp_path, monkeypatch):
    log = FeatureLog(tmp_path / "seen")
    monkeypatch.setattr(ranked, "rounded", None)  # it fails when all is graded
    with service(following, log) as client:
        answer = client.get("/search?q=red sofa").json()
        log.close()
    assert answer["results"]
    assert answer["degraded"] == "text match: the student failed"
    assert read(tmp_path / "seen").num_rows == 0


def test_live_pins_are_kept_as_all_others(following, tmp_path):
    log = FeatureLog(tmp_path / "seen")
    with service(following, log) as client:
        client.post("/v1/pins", json={"put": [{"id": "new", "title": "red sofa"}]})
        client.post("/v1/rerank", json={"query": "red sofa", "documents": [{"id": "new"}, {"id": "pin05"}]})
        log.close()
    rows = read(tmp_path / "seen")
    assert set(rows.column("pin_id").to_pylist()) == {"new", "pin05"}
    assert [row["pin_id"] for row in rows.to_pylist() if row["text"] is None] == ["new"]


def test_the_log_may_be_mapped_as_impressions(following, tmp_path):
    log = FeatureLog(tmp_path / "seen")
    with service(following, log) as client:
        answered(client, log)
    columns = ("search_id", "searched_at", "country", "language", "query", "pin_id", "position")
    mapping = TableMapping(
        files=("seen/*.parquet",),
        columns={name: name for name in columns},
        constants={"user_id": "-", "clicked": False, "saved": False},
    )
    recipe = Recipe("mine", tables={"impressions": (mapping,)}, folder=tmp_path)
    rows = pa.concat_tables(shard() for shard in mapped.shards(recipe, "impressions").values())
    assert rows.select(columns).equals(read(tmp_path / "seen").select(columns).cast(rows.select(columns).schema))


def test_files_are_begun_anew_when_they_are_full(following, tmp_path):
    log = FeatureLog(tmp_path / "seen", rows=15)
    with service(following, log) as client:
        answered(client, log)
    counts = [pq.read_metadata(f).num_rows for f in (tmp_path / "seen").glob("*.parquet")]
    assert len(counts) >= 2
    assert sum(counts) == log.written == 42


def test_files_are_begun_anew_when_they_are_old(following, tmp_path):
    log = FeatureLog(tmp_path / "seen", seconds=0.05)
    with service(following, log) as client:
        client.get("/search?q=red sofa")
        while not log.written:
            pass
        assert read(tmp_path / "seen").num_rows == 10
        log.close()


def test_a_full_queue_and_a_full_disk_cost_no_request(following, tmp_path, monkeypatch):
    monkeypatch.setattr(feature_log, "WAITING", 1)

    def full(*given):
        raise OSError(28, "No space left on device")

    log = FeatureLog(tmp_path / "seen")
    with service(following, log) as client, monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        patched.setattr(log, "_waiting", feature_log.queue.Queue(1))  # which nobody empties
        assert {client.get("/search?q=red sofa").status_code for _ in range(3)} == {200}
        assert log.dropped == 2


def test_what_cannot_be_written_is_counted_and_leaves_nothing_half_done(following, tmp_path, monkeypatch):
    log = FeatureLog(tmp_path / "seen")
    with service(following, log) as client:
        client.get("/search?q=red sofa")
        with monkeypatch.context() as patched:
            patched.setattr(os, "rename", lambda *given: (_ for _ in ()).throw(OSError(28, "No space left on device")))
            log.close()
    assert (log.written, log.dropped) == (0, 1)
    assert list((tmp_path / "seen").iterdir()) == []


def test_a_folder_that_cannot_be_had_is_a_clear_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"serve\.feature_log"):
        FeatureLog(tmp_path / "file")


def test_nothing_is_kept_unless_asked_for():
    assert Serve().feature_log is None
