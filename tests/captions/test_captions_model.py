"""Captioners of several families, loaded by the auto classes: tiny random weights, so that the words mean nothing."""

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_captioners import WRITERS

from limbeck.captions.identity import identity
from limbeck.captions.model import Captioner
from limbeck.errors import InputError
from limbeck.settings import Captions

PROMPTS = {"blip": "a photo of", "git": "a photo of", "qwen2_vl": "what is it?"}


def pictures(count):
    """Noise of different sizes, no two alike."""
    random = np.random.default_rng(0)
    sizes = [(20 + 7 * i, 48 - 5 * i) for i in range(count)]
    return [Image.fromarray(random.integers(0, 255, (h, w, 3), dtype=np.uint8)) for w, h in sizes]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """One folder for each family."""
    found = {}
    for name, write in WRITERS.items():
        found[name] = tmp_path_factory.mktemp("captioners") / name
        write(found[name])
    return found


def captioner(folder, **settings):
    return Captioner(Captions(model=folder.name, max_new_tokens=8, **settings), str(folder))


@pytest.mark.parametrize("family", WRITERS)
def test_every_picture_gets_its_own_line(folders, family):
    said = captioner(folders[family]).caption(pictures(4))
    assert len(said) == 4
    assert len(set(said)) > 1, "all pictures look alike"
    assert all(text == " ".join(text.split()) for text in said)


@pytest.mark.parametrize("family", WRITERS)
def test_a_picture_alone_and_among_others_is_captioned_alike(folders, family, monkeypatch):
    monkeypatch.setattr("limbeck.backbone.bf16", lambda: False)  # rounds differently in batches of another size
    mine = captioner(folders[family])
    shown = pictures(4)
    assert [mine.caption([picture])[0] for picture in shown] == mine.caption(shown)


@pytest.mark.parametrize(("family", "prompt"), PROMPTS.items())
def test_a_prompt_changes_the_words_and_is_not_among_them(folders, family, prompt, monkeypatch):
    monkeypatch.setattr("limbeck.backbone.bf16", lambda: False)
    plain = captioner(folders[family]).caption(pictures(4))
    prompted = captioner(folders[family], prompt=prompt).caption(pictures(4))
    assert prompted != plain
    assert not any(text.startswith(prompt) for text in prompted)
    assert any(prompted)


def test_blip_goes_on_where_the_prompt_ends(folders, monkeypatch):
    monkeypatch.setattr("limbeck.backbone.bf16", lambda: False)
    from transformers import AutoProcessor, BlipForConditionalGeneration

    folder, shown = folders["blip"], pictures(3)
    processor = AutoProcessor.from_pretrained(folder)
    inputs = processor(images=shown, text=["a photo of"] * 3, return_tensors="pt")
    model = BlipForConditionalGeneration.from_pretrained(folder).eval()
    whole = processor.batch_decode(model.generate(**inputs, max_new_tokens=8), skip_special_tokens=True)
    said = captioner(folder, prompt="a photo of").caption(shown)
    assert [" ".join(f"a photo of {text}".split()) for text in said] == [" ".join(text.split()) for text in whole]


def test_a_model_without_prompts_says_so(folders):
    with pytest.raises(InputError, match=r"captions\.prompt: vit_gpt2 takes none"):
        captioner(folders["vit_gpt2"], prompt="a photo of")


def test_no_more_words_than_allowed(folders):
    for most in (1, 3):
        mine = Captioner(Captions(model="blip", max_new_tokens=most), str(folders["blip"]))
        counts = [len(text.split()) for text in mine.caption(pictures(3))]  # a word is one token or more
        assert 0 < max(counts) <= most


def test_bf16_and_fp32_load_and_talk(folders, monkeypatch):
    for low in (False, True):
        monkeypatch.setattr("limbeck.backbone.bf16", lambda low=low: low)
        mine = captioner(folders["blip"])
        assert mine._model.dtype == (torch.bfloat16 if low else torch.float32)
        assert len(mine.caption(pictures(2))) == 2


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors", "preprocessor_config.json"])
def test_a_folder_that_is_no_captioner_is_one_line(folders, missing, tmp_path):
    folder = shutil.copytree(folders["git"], tmp_path / "git")
    for path in (folder / missing, folder / "processor_config.json"):
        path.unlink(missing_ok=True)
    with pytest.raises(InputError, match=r"captions\.model 'git' cannot be loaded: ") as refused:
        captioner(folder)
    assert "\n" not in str(refused.value)


def test_a_model_of_another_kind_is_one_line(tiny_encoder):
    with pytest.raises(InputError, match=r"cannot be loaded") as refused:
        Captioner(Captions(model="encoder"), str(tiny_encoder))
    assert "\n" not in str(refused.value)


def test_weights_that_are_pickled_are_not_loaded(folders, tmp_path):
    folder = shutil.copytree(folders["blip"], tmp_path / "blip")
    (folder / "model.safetensors").unlink()
    torch.save({}, folder / "pytorch_model.bin")
    with pytest.raises(InputError, match="cannot be loaded"):
        captioner(folder)


def test_the_name_covers_files_and_words(folders, tmp_path):
    folder = shutil.copytree(folders["blip"], tmp_path / "blip")
    names = [
        identity(Captions(model="blip", **change), str(folder)) for change in ({}, {}, {"prompt": "a"}, {"edge": 99})
    ]
    assert names[0] == names[1]
    assert len(set(names)) == 3
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "changed": 1}))
    assert identity(Captions(model="blip"), str(folder)) not in names
    assert all(name.startswith("blip@") for name in names)
