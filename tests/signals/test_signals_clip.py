"""The towers of CLIP and SigLIP, loaded apart, give what the whole model gives; anything else is refused."""

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from tiny_seers import WRITERS, write_eyes
from transformers import AutoImageProcessor, AutoModel, AutoTokenizer

from limbeck.errors import InputError
from limbeck.signals import clip

QUERIES = ["red sofa", "a lamp on a table in the garden, and much else that nobody can read to its end", "rug"]


def picture(number, size=(40, 36)):
    random = np.random.default_rng(number)
    return Image.fromarray(random.integers(0, 255, (*size, 3), dtype=np.uint8))


PICTURES = [picture(0), picture(1, (64, 20)), picture(2)]


@pytest.fixture(scope="module", params=WRITERS)
def model(request, tmp_path_factory):
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp(request.param)
    WRITERS[request.param](folder)
    return folder


@torch.inference_mode()
def whole(folder, texts=None, images=None):
    """Unit vectors by the model as transformers documents it, one by one."""
    loaded, found = AutoModel.from_pretrained(folder).eval(), []
    tokens = {"truncation": True, "max_length": 16, "return_tensors": "pt"}
    tokens |= {"padding": "max_length"} if loaded.config.model_type == "siglip" else {}
    tokenizer, processor = AutoTokenizer.from_pretrained(folder), AutoImageProcessor.from_pretrained(folder)
    for text in texts or ():
        found.append(loaded.get_text_features(**tokenizer(text, **tokens)).pooler_output[0])
    for image in images or ():
        found.append(loaded.get_image_features(**processor(images=image, return_tensors="pt")).pooler_output[0])
    return torch.nn.functional.normalize(torch.stack(found), dim=1).numpy()


def test_pictures_are_seen_as_by_the_whole_model(model):
    found = clip.ImageTower("any", str(model)).see(PICTURES)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, whole(model, images=PICTURES), atol=1e-5)


def test_texts_are_read_as_by_the_whole_model_from_a_folder_of_their_own(model, tmp_path, monkeypatch):
    monkeypatch.setattr(clip, "TEXTS_AT_ONCE", 2)
    assert clip.save_texts("any", str(model), tmp_path)
    size = sum(file.stat().st_size for file in tmp_path.glob("*.safetensors"))
    assert 0 < size < (model / "model.safetensors").stat().st_size
    found = clip.TextTower(tmp_path).read(QUERIES)
    np.testing.assert_allclose(found, whole(model, texts=QUERIES), atol=1e-5)


def test_a_model_that_only_sees_has_no_texts(tmp_path):
    write_eyes(tmp_path / "eyes")
    assert clip.ImageTower("eyes", str(tmp_path / "eyes")).see(PICTURES).shape == (3, 24)
    assert not clip.save_texts("eyes", str(tmp_path / "eyes"), tmp_path / "texts")
    assert not (tmp_path / "texts").exists()


def test_another_kind_of_model_is_refused(tiny_encoder):
    with pytest.raises(InputError, match=r"visual\.model 'mine' is of the kind bert.*CLIP or SigLIP"):
        clip.config_of("mine", str(tiny_encoder))


def test_weights_that_are_missing_are_not_made_up(tmp_path):
    write_eyes(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    save_file(
        {k: v for k, v in weights.items() if "projection" not in k}, tmp_path / "model.safetensors", {"format": "pt"}
    )
    with pytest.raises(InputError, match="'mine' cannot be loaded: no weights visual_projection"):
        clip.ImageTower("mine", str(tmp_path))


def test_a_folder_that_is_no_model_is_refused(tmp_path):
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match="'mine' cannot be loaded"):
        clip.ImageTower("mine", str(tmp_path))
