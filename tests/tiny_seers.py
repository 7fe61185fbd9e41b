"""CLIP and SigLIP models small enough for tests, with the files of real ones: processors, tokenizer, random weights."""

from pathlib import Path

import torch
from tiny_models import write_encoder
from transformers import (
    AutoTokenizer,
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
    SiglipConfig,
    SiglipModel,
)
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

TEXTS = ("a red sofa", "blue lamp on a wooden table", "two green chairs in a garden", "rug")
LAYERS = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
EYES = {"image_size": 32, "patch_size": 8, **LAYERS}
SIDE = {"height": 32, "width": 32}


def _words(folder: Path):
    """A tokenizer in `folder`."""
    write_encoder(folder, TEXTS)
    (folder / "model.safetensors").unlink()
    torch.manual_seed(0)
    return AutoTokenizer.from_pretrained(folder)


def _reading(words):
    """The configuration of a text tower whose texts end with the tokenizer's last sign."""
    ends = {"bos_token_id": words.cls_token_id, "eos_token_id": words.sep_token_id, "pad_token_id": words.pad_token_id}
    return {"vocab_size": len(words), "max_position_embeddings": 16, **LAYERS, **ends}


def write_clip(folder: Path) -> None:
    """CLIP: a size of vectors that is said of the whole alone."""
    words = _words(folder)
    CLIPModel(CLIPConfig(text_config=_reading(words), vision_config=EYES, projection_dim=24)).save_pretrained(folder)
    CLIPImageProcessorPil(size=SIDE, crop_size=SIDE).save_pretrained(folder)


def write_siglip(folder: Path) -> None:
    """SigLIP: texts of one length."""
    words = _words(folder)
    words.model_input_names = ["input_ids"]
    words.save_pretrained(folder)
    SiglipModel(
        SiglipConfig(text_config=_reading(words) | {"projection_size": 32}, vision_config=EYES)
    ).save_pretrained(folder)
    SiglipImageProcessorPil(size=SIDE).save_pretrained(folder)


def write_eyes(folder: Path) -> None:
    """CLIP's image tower alone."""
    torch.manual_seed(0)
    CLIPVisionModelWithProjection(CLIPVisionConfig(**EYES, projection_dim=24)).save_pretrained(folder)
    CLIPImageProcessorPil(size=SIDE, crop_size=SIDE).save_pretrained(folder)


WRITERS = {"clip": write_clip, "siglip": write_siglip}
