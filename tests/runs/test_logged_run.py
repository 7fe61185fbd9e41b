"""What the service saw of its answers is what the next run's student learns from, and is not computed again."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import tiny_run
from starlette.testclient import TestClient

from limbeck import assembly, recipe_file
from limbeck.index.store import Store
from limbeck.live import store as live_store
from limbeck.live.journal import Journal
from limbeck.serve import app
from limbeck.serve.feature_log import FeatureLog
from limbeck.serve.ranker import Ranker
from limbeck.settings import Serve
from limbeck.signals import joined
from limbeck.signals.match_index import MatchIndex
from limbeck.workspace import Workspace

ASKED = 12  # queries


class Standing:
    """One version of a workspace, which nothing changes."""

    refused = None

    def __init__(self, ws):
        self.journal = Journal(ws.root)
        self.ranker = Ranker(live_store.open(Store.open(ws), ws, self.journal))

    def catch_up(self):
        pass


def serve(ws, pairs):
    """Have the service grade these pairs (query → Pins) with its feature log on, and stop it."""
    standing, log = Standing(ws), FeatureLog(ws.root / "seen")
    with TestClient(app.create(standing, Serve(seconds=0), kept=app.Kept(standing.journal, log))) as client:
        for query, pins in pairs.items():
            asked = {"query": query, "documents": [{"id": pin} for pin in pins]}
            assert client.post("/v1/rerank", json=asked).status_code == 200
        log.close()
    return pa.concat_tables(map(pq.read_table, sorted((ws.root / "seen").glob("*.parquet"))))


def told(features, rows):
    return features.pairs(rows.column("query").to_pylist(), features.rows(rows.column("pin_id").to_pylist()))


def test_the_next_run_learns_from_what_the_service_saw(home, copy, monkeypatch):
    ws = Workspace(copy)
    path = home.folder / "recipes" / "logged.toml"
    path.write_text(tiny_run.toml({**tiny_run.RECIPE, "signals": {"logged": "seen"}}), encoding="utf-8")
    labelled = ws.table("soft_labels", ["query", "pin_id"])
    queries = labelled.column("query").unique().to_pylist()[:ASKED]
    of = {q: labelled.filter(pc.equal(labelled.column("query"), q)).column("pin_id").to_pylist() for q in queries}
    log = serve(ws, of)
    assert log.num_rows == sum(map(len, of.values()))

    ended = home.limbeck("--json", "distill", path, "--workspace", copy)
    assert ended.code == 0, ended.err
    assert ended.made["logged"] == "not made yet"
    assert "logged is new" in ended.made["models/student"]
    assert not {"soft_labels", "signals/match", "signals/searchsage"} & set(ended.made)
    assert [e["pairs"] for e in ended.events if e["event"] == "logged"] == [log.num_rows]

    recipe = recipe_file.read(path)
    read = assembly.reader(recipe, ws)
    learnt = list(assembly.curricula(recipe, ws).values())
    taken, computed = assembly.features(ws, read, learnt), joined.open(ws, read)
    logged = np.asarray(log.column("features").to_pylist(), np.float32)
    found, anew = told(taken, log), told(computed, log)
    judged = ws.table("judgments", ["query", "pin_id"]).group_by(["query", "pin_id"]).aggregate([])
    keys = set(zip(*(judged.column(c).to_pylist() for c in ("query", "pin_id"))))
    mine = np.asarray([k in keys for k in zip(*(log.column(c).to_pylist() for c in ("query", "pin_id")))])
    counted = np.zeros(len(taken.names), dtype=bool)
    counted[slice(*computed.parts["engagement"])] = True  # of judged pairs, never of days after the judgment
    assert mine.any()
    assert not mine.all()
    np.testing.assert_array_equal(found[~mine], logged[~mine])
    np.testing.assert_array_equal(found[mine][:, ~counted], logged[mine][:, ~counted])
    # Offline equals online, within the precision of queries that are read in batches.
    np.testing.assert_allclose(logged, anew, rtol=1e-4, atol=1e-6)

    asked = []
    pairs = MatchIndex.pairs
    monkeypatch.setattr(MatchIndex, "pairs", lambda index, q, rows: asked.extend(q) or pairs(index, q, rows))
    lessons = assembly.lessons(recipe, ws, list(assembly.curricula(recipe, ws).values()), read)
    lessons.examples(ws.table("soft_labels"))
    assert len(asked) == labelled.num_rows - log.num_rows
    assert not set(asked) & set(of)
