import hashlib

import faiss
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from limbeck.errors import WorkspaceError
from limbeck.index import nearest


def table(matrix):
    ids = [f"p{i:06d}" for i in range(len(matrix))]
    return pa.table({"pin_id": ids, "vector": pa.array(list(matrix), pa.list_(pa.float32()))})


def clusters(count, size, seed=0):
    random = np.random.default_rng(seed)
    centres = random.normal(size=(400, size))
    return (centres[random.integers(0, 400, count)] + 0.5 * random.normal(size=(count, size))).astype(np.float32)


def digests(folder):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir()}


@given(hnp.arrays(np.float32, (12, 4), elements=st.integers(-3, 3)), st.integers(1, 20))
def test_few_vectors_are_all_compared(tmp_path_factory, matrix, k):
    folder = tmp_path_factory.mktemp("nearest")
    nearest.build(table(matrix), folder)
    found = nearest.open(folder).search(matrix[0], k)
    truth = matrix @ matrix[0]
    assert found.scores.tolist() == sorted(truth.tolist(), reverse=True)[:k]
    assert truth[found.rows].tolist() == found.scores.tolist()
    hits = list(zip(found.rows.tolist(), found.scores.tolist()))
    assert hits == sorted(hits, key=lambda hit: (-hit[1], hit[0]))


@pytest.fixture
def few_are_many(monkeypatch):
    """An inverted file of fewer vectors, which takes less time; of still fewer, Faiss warns."""
    monkeypatch.setattr(nearest, "EXACT", 24_000)


def test_many_vectors_get_an_inverted_file_that_finds_nearly_all(tmp_path, few_are_many):
    matrix = clusters(nearest.EXACT + 1_000, 8)
    nearest.build(table(matrix), tmp_path)
    index = nearest.open(tmp_path)
    assert (tmp_path / "vectors.faiss").stat().st_size < matrix.nbytes  # one byte a number, and one id
    recall = []
    for row in range(0, 5_000, 250):
        best = set(np.argsort(-(matrix @ matrix[row]))[:50].tolist())
        recall.append(len(best & set(index.search(matrix[row], 50).rows.tolist())) / 50)
    assert np.mean(recall) > 0.9


def test_the_same_vectors_give_the_same_bytes(tmp_path, few_are_many):
    small, large = table(clusters(100, 8)), table(clusters(nearest.EXACT + 1, 4))
    for vectors in (small, large):
        folders = [tmp_path / f"{len(vectors)}-{i}" for i in range(2)]
        for folder in folders:
            folder.mkdir()
            nearest.build(vectors, folder)
        assert digests(folders[0]) == digests(folders[1])


def built(folder, matrix, before=None):
    folder.mkdir()
    nearest.build(table(matrix), folder, before)
    return folder


def centres(folder):
    index = faiss.read_index(str(folder / "vectors.faiss"))
    return index.quantizer.reconstruct_n(0, index.nlist)


def test_cells_are_kept_while_they_fit_and_every_vector_is_in_them(tmp_path, few_are_many):
    matrix = clusters(nearest.EXACT + 500, 8)
    before = built(tmp_path / "before", matrix / np.linalg.norm(matrix, axis=1, keepdims=True))
    matrix[::100] = clusters(len(matrix[::100]), 8, seed=1)
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)  # so that each is nearest to itself
    now = built(tmp_path / "now", matrix[:-5], before)
    assert np.array_equal(centres(now), centres(before))
    assert not np.array_equal(centres(now), centres(built(tmp_path / "anew", matrix[:-5])))
    index, changed = nearest.open(now), range(0, len(matrix) - 5, 1_000)
    assert len(index) == len(matrix) - 5
    assert all(row in index.search(matrix[row], 5).rows for row in changed)


@pytest.mark.parametrize("reason", ["other vectors", "other numbers", "far more"])
def test_cells_that_no_longer_fit_are_trained_anew(tmp_path, few_are_many, reason):
    many = nearest.EXACT + 500
    before = built(tmp_path / "before", clusters(many, 8))
    given = {"other vectors": (many, 8, 1), "other numbers": (many, 6, 0), "far more": (many * 5 // 4, 8, 0)}[reason]
    matrix = clusters(*given[:2], seed=given[2])
    assert digests(built(tmp_path / "now", matrix, before)) == digests(built(tmp_path / "anew", matrix))


def test_cells_do_not_get_worse_by_many_small_changes(tmp_path, few_are_many):
    matrix = clusters(nearest.EXACT + 500, 8)
    folder, other = built(tmp_path / "0", matrix), clusters(len(matrix), 8, seed=1)
    first = centres(folder)
    for step in range(1, 6):
        matrix[step::5] = other[step::5] if step < 5 else matrix[step::5]
        folder = built(tmp_path / str(step), matrix, folder)
    assert not np.array_equal(centres(folder), first)


def test_an_index_of_no_pins_finds_none(tmp_path):
    nearest.build(table(np.zeros((0, 4), np.float32)), tmp_path)
    assert nearest.open(tmp_path).search(np.zeros(4, np.float32), 5).rows.tolist() == []


@pytest.mark.parametrize("damage", ["missing", "cut", "overwritten"])
def test_a_damaged_index_is_named(tmp_path, damage):
    nearest.build(table(clusters(100, 8)), tmp_path)
    path = tmp_path / "vectors.faiss"
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:200] if damage == "cut" else b"x" * 3_000)
    with pytest.raises(WorkspaceError, match=str(tmp_path)):
        nearest.open(tmp_path)
