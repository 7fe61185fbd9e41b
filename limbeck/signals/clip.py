"""CLIP, SigLIP and SigLIP 2: a tower for pictures and one for texts, whose vectors are near where they mean the same.

The towers are loaded apart. Only safetensors are loaded, and no code that comes with a model.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from PIL import Image
from transformers import AutoConfig, AutoImageProcessor, AutoTokenizer

from limbeck import backbone
from limbeck.errors import InputError
from limbeck.training import quiet

# By the kind of a model: the classes of its towers. Pictures may be all that it knows.
TOWERS: dict[str, tuple[str, str | None]] = {
    "clip": ("CLIPVisionModelWithProjection", "CLIPTextModelWithProjection"),
    "clip_vision_model": ("CLIPVisionModelWithProjection", None),
    "siglip": ("SiglipVisionModel", "SiglipTextModel"),
    "siglip_vision_model": ("SiglipVisionModel", None),
    "siglip2": ("Siglip2VisionModel", "Siglip2TextModel"),
    "siglip2_vision_model": ("Siglip2VisionModel", None),
}
# By the kind of a text tower: its class, and how texts are padded. SigLIP has learnt from texts of one length alone.
TEXTS = {
    "clip_text_model": ("CLIPTextModelWithProjection", "longest"),
    "siglip_text_model": ("SiglipTextModel", "max_length"),
    "siglip2_text_model": ("Siglip2TextModel", "max_length"),
}
TEXTS_AT_ONCE = 256
REMEDY = "Name a folder or hub id of a CLIP or SigLIP model with safetensors"


def config_of(name: str, found: str) -> Any:
    """The configuration of the model `name`; `InputError` where it is no CLIP or SigLIP."""
    try:
        config = AutoConfig.from_pretrained(found, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise _refused(name, error) from None
    if config.model_type not in TOWERS:
        raise InputError(f"visual.model {name!r} is of the kind {config.model_type}", remedy=REMEDY)
    return config


class ImageTower:
    """What sees pictures, with its processor."""

    def __init__(self, name: str, found: str) -> None:
        config = config_of(name, found)
        try:
            with quiet():
                self._processor = AutoImageProcessor.from_pretrained(found, trust_remote_code=False)
                self._model = _tower(TOWERS[config.model_type][0], found, _part(config, "vision_config"))
        except (OSError, ValueError, ImportError) as error:
            raise _refused(name, error) from None

    @torch.inference_mode()
    def see(self, pictures: Sequence[Image.Image]) -> np.ndarray:
        """Unit vectors of RGB pictures, float32 (n, d)."""
        inputs = self._processor(images=list(pictures), return_tensors="pt")
        return _unit(self._model, inputs)


class TextTower:
    """What reads texts, with its tokenizer, from the folder that `save_texts` wrote."""

    def __init__(self, folder: Path) -> None:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
        kind, self._padding = TEXTS[config.model_type]
        with quiet():
            self._tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
            self._model = _tower(kind, str(folder), config)
        self._tokens = config.max_position_embeddings

    @torch.inference_mode()
    def read(self, texts: Sequence[str]) -> np.ndarray:
        """Unit vectors of texts, at least one: float32 (n, d)."""
        parts = []
        for begin in range(0, len(texts), TEXTS_AT_ONCE):
            some = list(texts[begin : begin + TEXTS_AT_ONCE])
            cut = {"padding": self._padding, "truncation": True, "max_length": self._tokens}
            parts.append(_unit(self._model, self._tokenizer(some, return_tensors="pt", **cut)))
        return np.concatenate(parts)


def save_texts(name: str, found: str, folder: Path) -> bool:
    """Write a model's text tower and tokenizer into a folder; whether it has one."""
    config = config_of(name, found)
    kind = TOWERS[config.model_type][1]
    if kind is None:
        return False
    try:
        with quiet():
            tokenizer = AutoTokenizer.from_pretrained(found, trust_remote_code=False)
            tower = _tower(kind, found, _part(config, "text_config"))
    except (OSError, ValueError, ImportError) as error:
        raise _refused(name, error) from None
    tower.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return True


def _part(config: Any, part: str) -> Any:
    """The configuration of a tower: for CLIP, the size of its vectors is a matter of the whole."""
    tower = getattr(config, part, config)
    if hasattr(config, "projection_dim"):
        tower.projection_dim = config.projection_dim
    return tower


def _tower(kind: str, found: str, config: Any) -> Any:
    """One tower of a model; `ValueError` where weights of it are missing, which would else be random."""
    tower, told = getattr(transformers, kind).from_pretrained(
        found,
        config=config,
        dtype=torch.float32,
        output_loading_info=True,
        trust_remote_code=False,
        **backbone.LOADING,
    )
    if told["missing_keys"]:
        raise ValueError(f"no weights {sorted(told['missing_keys'])[0]}")
    return tower.eval().to(backbone.device())


def _unit(tower: Any, inputs: Any) -> np.ndarray:
    out = tower(**{k: v.to(tower.device) for k, v in inputs.items()})
    found = next(out[k] for k in ("image_embeds", "text_embeds", "pooler_output") if k in out)
    return torch.nn.functional.normalize(found.float(), dim=1).cpu().numpy()


def _refused(name: str, error: Exception) -> InputError:
    first = str(error).strip().splitlines()[0]
    return InputError(f"visual.model {name!r} cannot be loaded: {first}", remedy=REMEDY)
