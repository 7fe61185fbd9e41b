import json
import shutil

import numpy as np
import pyarrow as pa
import pytest
from served import named, write_catalogue, write_shares

from limbeck import records
from limbeck.errors import InputError, WorkspaceError
from limbeck.index import catalogue, columns, lexical, nearest, onnx, shares
from limbeck.index.store import MADE_OF, Store
from limbeck.relevance import expected_level
from limbeck.serve.cache import Caches
from limbeck.serve.ranker import Ranker
from limbeck.workspace import Made, Workspace


@pytest.fixture
def copy(workspace, tmp_path):
    """The workspace, to be damaged."""
    shutil.copytree(workspace.root, tmp_path / "copy")
    return Workspace(tmp_path / "copy")


def keep_pins(ws, keep):
    rows = ws.table("pins").to_pylist()
    kept = pa.Table.from_pylist([r for r in rows if keep(r["pin_id"])], schema=records.schema("pins"))
    ws.write_table("pins", Made(settings={"changed": True}), {"00000": lambda: kept})
    write_catalogue(ws)


def change_head(ws, **changes):
    path = ws.folder("models/student") / "head.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_the_store_has_every_pin(store):
    assert len(store) == 50
    assert store.rows(["pin00", "nobody", "pin49"]).tolist() == [0, -1, 49]
    assert [p.pin_id for p in store.shown(np.asarray([3, 1]))] == ["pin03", "pin01"]


def test_a_document_is_composed_as_pins_are(store, workspace):
    composed = dict(zip(*(workspace.table("composed").column(c).to_pylist() for c in ("pin_id", "text"))))
    for row in workspace.table("pin_texts").to_pylist():
        assert store.compose(row) == composed[row["pin_id"]]


def test_documents_are_composed_by_the_settings_that_pins_were(copy):
    table = copy.table("composed")
    made = copy.made_from([], rendering={"sources": ("title",), "max_tokens": 3})
    copy.write_table("composed", made, {"00000": lambda: table})
    assert Store.open(copy).compose({"title": "red sofa red sofa", "caption": "tea"}) == "red sofa red"


def test_a_student_that_reads_in_8_bits_shares_no_cached_vectors_with_itself_in_32(copy, store):
    made = copy.made_from(onnx.made_of(copy), bits=8)
    copy.write_folder("index/onnx", made, lambda out, _: onnx.build(copy, out, 8))
    exact, quantized = store, Store.open(copy)
    assert quantized.model == exact.model
    assert quantized.reading != exact.reading
    kept = Caches()
    pins = [f"pin{i:02d}" for i in range(50)]
    grades = [Ranker(s, caches=kept).grade("red sofa", pins) for s in (exact, quantized, exact)]
    assert (grades[0] == grades[2]).all()
    assert 0 < np.abs(expected_level(grades[0]) - expected_level(grades[1])).max() < 0.2


@pytest.mark.parametrize("name", MADE_OF)
def test_what_is_not_made_yet_is_named(copy, name):
    copy._manifest_path(name).unlink()
    with pytest.raises(InputError, match=f"no {name} in .*limbeck run"):
        Store.open(copy)


def test_a_pin_that_is_gone_is_neither_found_nor_shown(copy):
    keep_pins(copy, lambda pin: pin != "pin07")
    store = Store.open(copy)
    assert len(store) == 49
    assert store.rows(["pin06", "pin07", "pin08"]).tolist() == [6, -1, 8]
    assert "pin07" not in {r.pin_id for r in Ranker(store).search("tea pot 7", 50, 50)}


def test_a_pin_without_a_vector_is_unknown(copy):
    table = copy.table("pin_vectors").slice(1)
    copy.write_table("pin_vectors", Made(settings={"changed": True}), {"00000": lambda: table})
    write_catalogue(copy)
    with pytest.raises(WorkspaceError, match=r"index/nearest holds 50 vectors, not 49.*limbeck run"):
        Store.open(copy)
    copy.write_folder("index/nearest", copy.made_from(["pin_vectors"]), lambda out, _: nearest.build(table, out))
    with pytest.raises(WorkspaceError, match=r"index/shares was made of another pin_vectors.*limbeck run"):
        Store.open(copy)
    write_shares(copy)
    found = Store.open(copy)
    assert found.rows(["pin00", "pin01"]).tolist() == [-1, 0]
    assert "pin00" not in found.ids(found.lexical.search("red sofa", 50).rows)


@pytest.mark.parametrize("file", [shares.NUMBERS, shares.SCALE])
def test_shares_without_a_file_are_named(copy, file):
    folder = copy.folder("index/shares")
    (folder / file).unlink()
    with pytest.raises(WorkspaceError, match="cannot be read"):
        shares.open(folder)


def test_shares_of_other_sizes_are_refused(copy):
    made = Made(settings={"nothing": "said of what it is made of"})
    numbers, scale = np.zeros((50, 3), np.float16), np.ones(3, np.float32)

    def write(out, _):
        np.save(out / shares.NUMBERS, numbers)
        np.save(out / shares.SCALE, scale)

    copy.write_folder("index/shares", made, write)
    with pytest.raises(WorkspaceError, match=r"holds \(50, 3\) numbers, not \(50, 32\)"):
        Store.open(copy)


@pytest.mark.parametrize("bits", [8, 16, 32])
def test_shares_in_any_width_grade_alike(copy, store, ranker, bits):
    write_shares(copy, bits)
    found = Ranker(Store.open(copy)).grade("red sofa", store.vectors.pin_ids)
    np.testing.assert_allclose(found, ranker.grade("red sofa", store.vectors.pin_ids), atol=0.02 if bits == 8 else 1e-3)


def test_vectors_of_another_student_are_refused(copy):
    path = copy._manifest_path("models/student")
    path.write_text(json.dumps({**json.loads(path.read_text()), "digest": "another"}))
    with pytest.raises(WorkspaceError, match=r"another student's.*limbeck run"):
        Store.open(copy)


def test_vectors_of_another_size_are_refused(copy):
    pins = copy.table("pins").column("pin_id")
    table = pa.table(
        {"pin_id": pins, "digest": pins, "vector": pa.array([[1.0, 2.0]] * len(pins), pa.list_(pa.float32()))}
    )
    copy.write_table("pin_vectors", Made(settings={"changed": True}), {"00000": lambda: table})
    with pytest.raises(WorkspaceError, match=r"other vectors.*limbeck run"):
        Store.open(copy)
    write_catalogue(copy)
    with pytest.raises(WorkspaceError, match="16 in the student, 2 in pin_vectors, 16 in index"):
        Store.open(copy)


def test_an_index_of_another_size_is_refused(copy):
    table = pa.table({"pin_id": ["a"], "vector": pa.array([[1.0, 2.0]], pa.list_(pa.float32()))})
    copy.write_folder("index/nearest", Made(settings={"x": 1}), lambda out, _: nearest.build(table, out))
    with pytest.raises(WorkspaceError, match="2 in index"):
        Store.open(copy)


def test_a_student_of_other_signals_is_refused(copy, store):
    names = list(store.student.features)
    change_head(copy, features=["something else", *names[1:]])
    with pytest.raises(WorkspaceError, match=r"other signals .*something else"):
        Store.open(copy)
    change_head(copy, features=names[::-1])
    with pytest.raises(WorkspaceError, match="their order"):
        Store.open(copy)


def test_a_student_that_was_trained_on_another_searchsage_is_refused(copy, tmp_path):
    kept = shutil.copytree(copy.folder("models/student"), tmp_path / "student")

    def trained_on(searchsage):
        made = Made(inputs={"signals/searchsage": searchsage})
        copy.write_folder("models/student", made, lambda out, _: shutil.copytree(kept, out, dirs_exist_ok=True))

    trained_on(copy.digest("signals/searchsage"))
    assert len(Store.open(copy)) == 50
    trained_on("another")
    with pytest.raises(WorkspaceError, match=r"trained on another signals/searchsage.*limbeck run"):
        Store.open(copy)


def test_a_student_of_a_signal_that_is_gone_is_refused(copy):
    copy.remove("signals/engagement")
    with pytest.raises(WorkspaceError, match=r"other signals .*engagement\.pair\.click_rate"):
        Store.open(copy)


def test_an_index_of_no_pins_is_refused(copy):
    copy.write_table("pin_vectors", Made(settings={"x": 1}), {"0": lambda: records.empty("pin_vectors")})
    write_catalogue(copy)
    with pytest.raises(WorkspaceError, match="no Pin has a vector"):
        Store.open(copy)


def test_the_indexes_find_the_rows_of_the_right_pins(store, workspace):
    words = lexical.open(workspace.folder("index/lexical"))
    for query in ("red sofa", "tea pot winter", "テーブル", ""):
        assert sorted(named(store, store.lexical.search(query, 50))) == sorted(words.search(query, 50))
    for vector in store.vectors.matrix[:5]:
        found, truth = store.nearest.search(vector, 7), store.vectors.matrix @ vector
        np.testing.assert_allclose(found.scores, np.sort(truth)[::-1][:7], rtol=1e-5)
        np.testing.assert_allclose(found.scores, truth[found.rows], rtol=1e-5)


def test_pins_that_cannot_be_shown_are_not_found(copy):
    keep_pins(copy, lambda pin_id: pin_id != "pin12")
    found = Store.open(copy)
    hits = [*found.lexical.search("red sofa", 50).rows, *found.nearest.search(found.vectors.matrix[0], 50).rows]
    assert (found.match_rows[hits] >= 0).all()
    assert found.vectors.rows(["pin12"])[0] not in hits


def test_a_catalogue_of_an_earlier_version_is_refused(copy):
    shown = copy.folder("index/catalogue") / "shown.arrow"
    shown.unlink()
    columns.save(copy.table("pins", catalogue.SHOWN), shown)
    with pytest.raises(WorkspaceError, match=r"index/catalogue.*: it is of another version.*limbeck index"):
        Store.open(copy)


def test_the_catalogue_is_mapped_in_one_piece_however_many_it_was_written_in(copy, store, monkeypatch):
    monkeypatch.setattr(catalogue, "_ROWS_AT_ONCE", 7)
    write_catalogue(copy)
    path = copy.folder("index/catalogue") / "shown.arrow"
    assert pa.ipc.open_file(path).num_record_batches == 1
    before = pa.total_allocated_bytes()
    opened = catalogue.open(copy.folder("index/catalogue"))
    assert pa.total_allocated_bytes() == before
    assert opened.shown(np.arange(50)) == store.shown(np.arange(50))
