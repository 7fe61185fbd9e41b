import hashlib

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
    assert [score for _, score in found] == sorted(truth.tolist(), reverse=True)[:k]
    assert all(truth[int(pin[1:])] == score for pin, score in found)
    assert found == sorted(found, key=lambda hit: (-hit[1], hit[0]))


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
        recall.append(len(best & {int(pin[1:]) for pin, _ in index.search(matrix[row], 50)}) / 50)
    assert np.mean(recall) > 0.9


def test_the_same_vectors_give_the_same_bytes(tmp_path, few_are_many):
    small, large = table(clusters(100, 8)), table(clusters(nearest.EXACT + 1, 4))
    for vectors in (small, large):
        folders = [tmp_path / f"{len(vectors)}-{i}" for i in range(2)]
        for folder in folders:
            folder.mkdir()
            nearest.build(vectors, folder)
        assert digests(folders[0]) == digests(folders[1])


def test_an_index_of_no_pins_finds_none(tmp_path):
    nearest.build(table(np.zeros((0, 4), np.float32)), tmp_path)
    assert nearest.open(tmp_path).search(np.zeros(4, np.float32), 5) == []


@pytest.mark.parametrize("file", ["vectors.faiss", "pin_ids.arrow"])
@pytest.mark.parametrize("damage", ["missing", "cut", "overwritten"])
def test_a_damaged_index_is_named(tmp_path, file, damage):
    nearest.build(table(clusters(100, 8)), tmp_path)
    path = tmp_path / file
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:200] if damage == "cut" else b"x" * 3_000)
    with pytest.raises(WorkspaceError, match=str(tmp_path)):
        nearest.open(tmp_path)


def test_an_index_whose_files_do_not_match_is_refused(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    for folder, count in ((first, 10), (second, 11)):
        folder.mkdir()
        nearest.build(table(clusters(count, 8)), folder)
    (first / "pin_ids.arrow").write_bytes((second / "pin_ids.arrow").read_bytes())
    with pytest.raises(WorkspaceError, match="10 vectors, 11 Pins"):
        nearest.open(first)
