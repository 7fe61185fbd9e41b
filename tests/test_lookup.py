import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limbeck import lookup
from limbeck.errors import WorkspaceError

TEXTS = st.lists(st.text(max_size=4), max_size=40)


@given(TEXTS, TEXTS)
def test_it_finds_what_a_dict_finds(texts, others):
    first = {text: row for row, text in reversed(list(enumerate(texts)))}
    asked = [*others, *texts, "\ud800", ""]
    found = lookup.of(texts)
    assert found.rows(asked).tolist() == [first.get(text, -1) for text in asked]
    assert [found.get(text) for text in asked] == [first.get(text, -1) for text in asked]
    assert [text in found for text in asked] == [text in first for text in asked]
    assert found.get("nothing at all", 7) == 7
    assert found.of(np.arange(len(texts))) == texts
    assert len(found) == len(texts)


@given(TEXTS, st.integers(0, 5))
def test_what_is_saved_is_found_again(tmp_path_factory, texts, begin):
    folder = tmp_path_factory.mktemp("lookup")
    lookup.save(pa.array(texts, pa.string())[begin:], folder, "pins")
    found = lookup.open(folder, "pins")
    assert found.texts.to_pylist() == texts[begin:]
    assert found.rows(texts).tolist() == lookup.of(texts[begin:]).rows(texts).tolist()


def test_many_texts_are_all_found():
    texts = [f"pin-{i}" for i in range(30_000)]
    found = lookup.of(texts)
    assert found.rows(texts[::-1]).tolist() == list(range(len(texts)))[::-1]
    assert (found.rows([f"other-{i}" for i in range(1_000)]) == -1).all()


def test_what_is_damaged_is_refused(tmp_path):
    lookup.save(["a", "b"], tmp_path, "pins")
    np.save(tmp_path / "pins.slots.npy", np.zeros(3, np.uint32))
    with pytest.raises(WorkspaceError, match="not that of the column"):
        lookup.open(tmp_path, "pins")
    (tmp_path / "pins.arrow").write_bytes(b"nothing")
    with pytest.raises(WorkspaceError, match="cannot be read"):
        lookup.open(tmp_path, "pins")
