"""Every family, from its recipe to five probabilities: trained a few steps, saved, loaded, graded."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import tiny_families
import torch
from longer import longer
from sentence_transformers import CrossEncoder
from toy_task import judged, pins

from limbeck import recipe_file
from limbeck.backbone import bf16
from limbeck.teacher import train
from limbeck.teacher.grade import TeacherGrader
from limbeck.teacher.model import load

RECIPES = Path(__file__).parents[2] / "recipes"
EXPECTED = {  # by recipe: how it pools, and the class of the backbone that is saved
    "bert-multilingual": ("cls", "BertModel"),
    "t5": ("mean", "T5EncoderModel"),
    "mt5": ("mean", "MT5EncoderModel"),
    "deberta": ("cls", "DebertaV2Model"),
    "mdeberta": ("cls", "DebertaV2Model"),
    "xlm-roberta": ("cls", "XLMRobertaModel"),
    "modernbert": ("cls", "ModernBertModel"),
    "llama": ("lasttoken", "LlamaModel"),
    "qwen": ("lasttoken", "Qwen3Model"),
}
# The longer checks have the families that are much like another one here.
SIBLINGS = {"t5", "deberta", "mdeberta", "xlm-roberta", "modernbert", "qwen"}
PAIRS = [("red", "a red sofa"), ("blue lamp", "lamp " * 50), ("sofa", ""), ("Gewürzregal", "ソファ ☕ [SEP] </s> cosy")]
SOFTMAX = {"mt5"}  # has the paper's head, the others the default
TINY = {"max_tokens": 48, "tokens_per_batch": 800, "epochs": 1.0, "learning_rate": 5e-3}

torch.set_num_threads(1)


@pytest.fixture(scope="session", params=[longer(name) if name in SIBLINGS else name for name in EXPECTED])
def taught(request, tmp_path_factory):
    """The name of a recipe, and the folder of a teacher made by it on a tiny backbone of the same family."""
    folder = tmp_path_factory.mktemp(request.param)
    backbone = tiny_families.write(request.param, folder / "backbone")
    teacher = recipe_file.read(RECIPES / f"{request.param}.toml").teacher
    teacher = dataclasses.replace(teacher, backbone=str(backbone), **TINY)
    teacher = dataclasses.replace(teacher, head="softmax" if request.param in SOFTMAX else teacher.head)
    (folder / "scratch").mkdir()
    tables = {part: judged(part) for part in ("train", "valid")}
    train.train(tables, teacher, 5, folder / "teacher", folder / "scratch")
    return request.param, folder / "teacher"


def test_every_recipe_of_a_family_is_tried():
    assert EXPECTED.keys() == tiny_families.FAMILIES.keys()
    assert {p.stem for p in RECIPES.glob("*.toml")} >= EXPECTED.keys()


def test_what_is_saved_does_not_tell_what_was_read_last(taught):
    saved = json.loads((taught[1] / "tokenizer.json").read_text(encoding="utf-8"))
    assert (saved["truncation"], saved["padding"]) == (None, None)


def test_the_same_five_numbers_with_limbeck_without_it_and_again(taught, monkeypatch):
    _, folder = taught
    monkeypatch.setattr("limbeck.inference.reader.bf16", lambda: False)
    graded = TeacherGrader(folder, pins()).grade_texts(*map(list, zip(*PAIRS)))
    first, again = (CrossEncoder(str(folder)).predict(PAIRS, apply_softmax=True) for _ in range(2))
    assert first.tobytes() == again.tobytes()
    assert graded.shape == (len(PAIRS), 5)
    half = CrossEncoder(str(folder))[0].model.dtype == torch.bfloat16
    np.testing.assert_allclose(graded, first, atol=5e-3 if half else 1e-5)
    np.testing.assert_allclose(graded.sum(axis=1), 1, atol=1e-5)
    assert np.ptp(graded, axis=0).max() > 1e-3  # the texts do matter


def test_what_is_saved_is_whole_and_plain(taught):
    name, folder = taught
    model = CrossEncoder(str(folder))
    pooling, kind = EXPECTED[name]
    assert model[1].pooling_mode == pooling
    assert type(model[0].model).__name__ == kind
    assert {p.suffix for p in folder.rglob("*") if p.is_file()} <= {".safetensors", ".json", ".model", ".txt", ".jinja"}
    assert not list(folder.rglob("adapter*"))
    assert {p.dtype for module in list(load(folder))[2:] for p in module.parameters()} == {torch.float32}
    frozen = recipe_file.read(RECIPES / f"{name}.toml").teacher.lora
    assert model[0].model.dtype == (torch.bfloat16 if frozen and bf16() else torch.float32)


def test_padding_and_neighbours_do_not_matter(taught):
    model = CrossEncoder(str(taught[1]), model_kwargs={"dtype": torch.float32})
    together = model.predict(PAIRS)
    alone = np.stack([model.predict([pair])[0] for pair in PAIRS])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert model.tokenizer.padding_side == "right"
    assert model.tokenizer.pad_token


def test_over_long_texts_lose_their_end_and_queries_stay(taught):
    model = CrossEncoder(str(taught[1]))
    query = "red sofa for the living room"
    short, long = (model.preprocess([(query, "lamp " * n)])["input_ids"][0].tolist() for n in (1, 200))
    ids = model.tokenizer(query, add_special_tokens=False)["input_ids"]
    assert len(long) == 48
    for read in (short, long):
        assert any(read[i : i + len(ids)] == ids for i in range(len(read)))
    both = model.preprocess([("sofa " * 200, "lamp " * 200)])["input_ids"][0]
    assert len(both) == 48
    room = 48 - model.tokenizer.num_special_tokens_to_add(pair=True)
    for text in ("sofa", "lamp"):  # half of the room for each
        kept = model.tokenizer(f"{text} " * 200, add_special_tokens=False)["input_ids"][: room // 2]
        assert any(both[i : i + len(kept)].tolist() == kept for i in range(48))


def test_a_chat_template_is_not_used(taught):
    features = CrossEncoder(str(taught[1])).preprocess(PAIRS)
    assert features["modality"] == "text"
