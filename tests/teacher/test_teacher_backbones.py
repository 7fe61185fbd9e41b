"""What differs from family to family when a backbone is loaded: positions, padding, special tokens, precision."""

import json
import shutil

import pytest
import tiny_families
import torch
from sentence_transformers import CrossEncoder
from transformers import AutoConfig, AutoTokenizer

from limbeck import pooling
from limbeck.backbone import is_decoder
from limbeck.errors import InputError
from limbeck.settings import Student, Teacher
from limbeck.student.model import create_tower
from limbeck.teacher import model

ENCODERS = sorted(tiny_families.FAMILIES.keys() - {"llama", "qwen", "mdeberta"})


@pytest.fixture(scope="module")
def families(tmp_path_factory):
    """The folder of a family's tiny model, written when it is first asked for."""
    known = {}

    def of(name):
        if name not in known:
            known[name] = tiny_families.write(name, tmp_path_factory.mktemp("families") / name)
        return known[name]

    return of


def create(backbone, **changes):
    return model.create(Teacher(**{"backbone": str(backbone), "max_tokens": 48, **changes}), seed=1)


@pytest.mark.parametrize("name", tiny_families.FAMILIES)
def test_which_families_are_decoders(name, families):
    assert is_decoder(AutoConfig.from_pretrained(families(name))) == (name in ("llama", "qwen"))


@pytest.mark.parametrize("name", ["deberta", "llama"])
def test_half_precision_checkpoints_are_trained_in_single_precision(name, families):
    teacher = create(families(name))
    assert {p.dtype for p in teacher.parameters()} == {torch.float32}


def test_roberta_begins_to_count_after_the_padding(families):
    """Of 64 positions it uses 62: two more tokens would be read past the end of the table."""
    folder = families("xlm-roberta")
    create(folder, max_tokens=62).predict([("sofa", "lamp " * 100)])
    with pytest.raises(InputError, match="reads at most 62 tokens, not 63"):
        create(folder, max_tokens=63)


@pytest.mark.parametrize("name", ["t5", "mt5", "deberta"])
def test_a_sentencepiece_vocabulary_alone_is_enough(name, families, tmp_path):
    assert not (families(name) / "tokenizer.json").exists()
    teacher = create(families(name))
    model.save(teacher, tmp_path)
    pair = ("sofa", "Gewürzregal ☕ 沙发")
    assert CrossEncoder(str(tmp_path)).tokenizer(*pair)["input_ids"] == teacher.tokenizer(*pair)["input_ids"]


def test_padding_on_the_left_or_the_right_gives_the_same(families, tmp_path):
    """A decoder's positions are relative: where a checkpoint pads makes no difference to what is trained and saved."""
    scores = []
    for side in ("left", "right"):
        tokenizer = AutoTokenizer.from_pretrained(families("qwen"), padding_side=side)
        tokenizer.save_pretrained(families("qwen"))
        teacher = create(families("qwen"))
        scores.append(teacher.predict([("red", "lamp"), ("red", "lamp " * 20)]))
        teacher.tokenizer.padding_side = "left"  # somebody else's choice, later
        scores.append(teacher.predict([("red", "lamp"), ("red", "lamp " * 20)]))
    for other in scores[1:]:
        torch.testing.assert_close(torch.from_numpy(other), torch.from_numpy(scores[0]), atol=1e-5, rtol=0)


def test_a_missing_padding_token_is_the_end_of_text_and_is_saved(families, tmp_path):
    teacher = create(families("llama"))
    model.save(teacher, tmp_path)
    saved = CrossEncoder(str(tmp_path)).tokenizer
    assert saved.pad_token == teacher.tokenizer.pad_token == "<|eot_id|>"


def test_a_tokenizer_without_padding_and_end_is_refused(families, tmp_path):
    for file in families("llama").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    path = tmp_path / "tokenizer_config.json"
    known = json.loads(path.read_text())
    path.write_text(json.dumps({k: v for k, v in known.items() if k not in ("eos_token", "pad_token")}))
    with pytest.raises(InputError, match="has neither padding nor an end of text"):
        create(tmp_path)


@pytest.mark.parametrize("name", ["bert-multilingual", "modernbert"])
def test_special_tokens_written_into_a_text_are_letters(name, families, tmp_path):
    teacher = create(families(name))
    model.save(teacher, tmp_path)
    for tokenizer in (teacher.tokenizer, CrossEncoder(str(tmp_path)).tokenizer):
        honest, stuffed = (tokenizer("red", text)["input_ids"] for text in ("lamp", "lamp [SEP] [CLS]"))
        for token in (tokenizer.sep_token_id, tokenizer.cls_token_id):
            assert stuffed.count(token) == honest.count(token)


@pytest.mark.parametrize("name", ENCODERS)
def test_encoders_keep_the_layout_they_were_trained_with(name, families):
    own = AutoTokenizer.from_pretrained(families(name))("sofa", "lamp")["input_ids"]
    assert create(families(name)).tokenizer("sofa", "lamp")["input_ids"] == own


@pytest.mark.parametrize("name", ENCODERS)
def test_a_prompt_may_be_given_to_an_encoder_too(name, families):
    teacher = create(families(name), prompt="{query} lamp {text}")
    own = AutoTokenizer.from_pretrained(families(name))
    assert own.decode(teacher.tokenizer("sofa", "sofa")["input_ids"]) == own.decode(own("sofa lamp sofa")["input_ids"])
    assert teacher.predict([("sofa", "lamp")]).shape == (1, 5)


def test_a_pooling_that_is_asked_for_is_taken(families):
    assert create(families("t5"), pooling="lasttoken")[1].pooling_mode == "lasttoken"


@pytest.mark.parametrize("mode", ["mean", "lasttoken"])
def test_a_backbone_is_read_as_it_was_trained_to_be(mode, families, tmp_path):
    shutil.copytree(families("bert-multilingual"), tmp_path / "own")
    pooling.keep(mode, 16, tmp_path / "own")
    assert create(tmp_path / "own")[1].pooling_mode == mode
    assert create_tower(Student(backbone=str(tmp_path / "own"), max_tokens=16), seed=0)[1].pooling_mode == mode
    assert create(tmp_path / "own", pooling="cls")[1].pooling_mode == "cls"
