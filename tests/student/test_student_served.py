"""The tower without PyTorch reads as the one with it, and is refused where it would not."""

import shutil

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from limbeck.errors import InputError, WorkspaceError
from limbeck.signals.signal import Group
from limbeck.student import export, quantization, served
from limbeck.student.encode import Encoder
from limbeck.student.grade import Student
from limbeck.student.model import Head, create_tower, load_tower, save
from limbeck.student.served import ServedTower
from limbeck.student.shape import Shape

TEXTS = [
    "a red sofa",
    "",
    "lamp " * 60,
    "Ünïcode 沙发 ☕ cosy [SEP] [PAD]",
    "kitchen table, cosy and modern",
    "a red sofa",
    "x",
]


@pytest.fixture(scope="module")
def student(settings, tmp_path_factory):
    """Of random weights."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("student")
    save(create_tower(settings, 0), Head(Shape.of(settings, ("plain", "s.x"), (Group("s", "pin", ("x",)),))), folder)
    return folder


@pytest.fixture(scope="module")
def exported(student, tmp_path_factory):
    folder = tmp_path_factory.mktemp("onnx") / "student"
    export.export(student, folder)
    return folder


def test_it_reads_and_projects_as_the_tower_in_pytorch(exported, student, single_precision, monkeypatch):
    tower, encoder = ServedTower(exported), Encoder.of_student(student)
    base = tower.read(TEXTS)
    assert (base.dtype, base.shape) == (np.float32, (len(TEXTS), 32))
    np.testing.assert_allclose(base, encoder.read(TEXTS), atol=1e-4)
    np.testing.assert_allclose(tower.project(base), encoder.project(base), atol=1e-4)
    assert tower.tokens(TEXTS) == encoder.tokens(TEXTS)
    monkeypatch.setattr(served, "TOKENS_PER_BATCH", 20)
    np.testing.assert_allclose(tower.read(TEXTS), base, atol=1e-5)


def test_no_texts_no_vectors(exported, student):
    assert ServedTower(exported).read([]).shape == (0, 32)
    assert Student(student, ServedTower(exported)).vectors([]).shape == (0, 16)


def test_the_head_for_others_gives_the_logits_of_the_trained_one(exported, student):
    head, random = Head.load(student), np.random.default_rng(0)
    session = onnxruntime.InferenceSession(str(exported / served.HEAD))
    for rows in (1, 5):
        sizes = {"query": 16, "pin": 16, "features": len(head.shape.features)}
        given = {name: random.standard_normal((rows, size)).astype(np.float32) for name, size in sizes.items()}
        with torch.inference_mode():
            expected = head(*map(torch.from_numpy, given.values())).numpy()
        np.testing.assert_allclose(session.run(None, given)[0], expected, atol=1e-5)


def test_a_tower_that_reads_otherwise_is_not_written(exported, student, monkeypatch):
    monkeypatch.setattr(ServedTower, "read", lambda self, texts: np.ones((len(texts), 32), np.float32))
    with pytest.raises(InputError, match="otherwise than PyTorch"):
        export._compare(load_tower(student), ServedTower(exported))


@pytest.mark.parametrize("name", [served.TOWER, served.PROJECTION, served.TOKENIZER, served.READING])
def test_a_damaged_file_is_a_clear_line(exported, name, tmp_path):
    copy = shutil.copytree(exported, tmp_path / "copy")
    (copy / name).write_bytes(b"nothing of the kind")
    with pytest.raises(WorkspaceError, match="cannot be read"):
        ServedTower(copy)


def test_in_8_bits_it_reads_nearly_the_same(exported, tmp_path):
    folder = shutil.copytree(exported, tmp_path / "student")
    quantization.quantize(folder)
    exact, quantized = ServedTower(exported), ServedTower(folder)
    assert (exact.bits, quantized.bits) == (32, 8)
    assert {path.name for path in folder.iterdir()} == {path.name for path in exported.iterdir()}
    apart = np.linalg.norm(quantized.read(TEXTS) - exact.read(TEXTS), axis=1)
    assert (apart > 0).all()
    assert (apart < 0.1 * np.linalg.norm(exact.read(TEXTS), axis=1)).all()
    weights = {w.data_type for w in onnx.load(folder / served.TOWER).graph.initializer if "quantized" in w.name}
    assert onnx.TensorProto.INT8 in weights


def test_in_8_bits_what_is_read_beside_a_text_does_not_matter(exported, tmp_path):
    folder = shutil.copytree(exported, tmp_path / "student")
    quantization.quantize(folder)
    tower = ServedTower(folder)
    alone = np.concatenate([tower.read([text]) for text in TEXTS])
    np.testing.assert_array_equal(tower.read(TEXTS), alone)


def test_a_tower_that_8_bits_are_too_few_for_is_refused(exported, tmp_path, monkeypatch):
    monkeypatch.setattr(quantization, "MOST_APART", 1e-6)
    with pytest.raises(InputError, match=r"reads too differently: .*, by \d") as refused:
        quantization.quantize(shutil.copytree(exported, tmp_path / "student"))
    assert "index.tower_bits" in refused.value.remedy
