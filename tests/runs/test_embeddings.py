"""Vectors for others: what is exported, and what is found near what, on a finished workspace."""

import numpy as np
import pyarrow.parquet as pq
import pytest
from tiny_run import TINY

from limbeck import embeddings
from limbeck.recipe_file import read
from limbeck.workspace import Workspace


@pytest.fixture(scope="module")
def exported(home, finished, tmp_path_factory):
    """The vectors of every space, by its name, built from the finished workspace, in which nothing is written."""
    ws, folders = Workspace(finished.root), {}
    for by in embeddings.SPACES:
        folders[by] = tmp_path_factory.mktemp(by)
        embeddings.build(ws, embeddings.space(read(home.folder / TINY), ws, by), folders[by])
    return folders


@pytest.mark.parametrize("by", embeddings.SPACES)
def test_parquet_and_numpy_say_the_same_of_all_pins_boards_and_queries(exported, finished, by):
    ws = Workspace(finished.root)
    told = {
        "pins": set(ws.table("pins").column("pin_id").to_pylist()),
        "boards": set(ws.table("boards").column("board_id").to_pylist()),
        "queries": {q.strip().lower() for t in ("impressions", "judgments") for q in ws.table(t)["query"].to_pylist()},
    }
    for kind, ids in told.items():
        rows, matrix = pq.read_table(exported[by] / f"{kind}.parquet"), np.load(exported[by] / f"{kind}.npy")
        names = rows.column(embeddings.KEYS[kind]).to_pylist()
        assert len(names) == len(set(names)) == len(matrix)
        assert set(names) == ids if kind != "boards" else set(names) <= ids
        assert matrix.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(matrix, axis=1), 1, atol=1e-4)
        np.testing.assert_array_equal(np.stack(rows.column("vector").to_pylist()), matrix)


def test_commands_export_and_find_and_make_vectors_once(home, copy, tmp_path):
    out = tmp_path / "vectors"
    ended = home.limbeck("--json", "embeddings", TINY, "--out", out, "--workspace", copy)
    assert ended.code == 0, ended.err
    assert list(ended.made) == ["embeddings/student"]
    ids, pins = pq.read_table(out / "pins.parquet").column("pin_id").to_pylist(), np.load(out / "pins.npy")

    ended = home.limbeck("--json", "similar", TINY, "--pin", ids[7], "-k", 5, "--workspace", copy)
    assert ended.code == 0, ended.err
    assert not ended.made
    found = [(event["id"], event["similarity"]) for event in ended.events if event["event"] == "near"]
    expected = sorted(((-float(s), i) for i, s in zip(ids, pins @ pins[7]) if i != ids[7]))[:5]
    assert [i for i, _ in found] == [i for _, i in expected]
    np.testing.assert_allclose([s for _, s in found], [-s for s, _ in expected], atol=1e-5)

    query = pq.read_table(out / "queries.parquet").column("query").to_pylist()[0]
    ended = home.limbeck("--json", "similar", TINY, "--text", query, "--find", "queries", "-k", 1, "--workspace", copy)
    (near,) = [event for event in ended.events if event["event"] == "near"]
    assert (near["id"], near["title"]) == (query, None)
    assert near["similarity"] == pytest.approx(1, abs=1e-3)

    refused = home.limbeck("embeddings", TINY, "--out", out, "--workspace", copy)
    assert (refused.code, "there is something already" in refused.err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Give one of --pin, --board and --text"),
        (["--pin", "a", "--text", "b"], "Give one of --pin, --board and --text"),
        (["--text", "b", "--find", "users"], "nothing to find called 'users'"),
        (["--text", "b", "--by", "magic"], "no vectors by 'magic'"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_a_line(home, finished, arguments, said):
    ended = home.limbeck("similar", TINY, *arguments, "--workspace", finished.root)
    assert ended.code == 2
    assert said in ended.err
    assert len(ended.err.splitlines()) == 1


def test_without_a_workspace_the_remedy_is_named(home, tmp_path):
    ended = home.limbeck("similar", TINY, "--text", "sofa", "--workspace", tmp_path / "none")
    assert ended.code == 2
    assert "`limbeck run RECIPE` makes it" in ended.err
    assert not (tmp_path / "none").exists()
