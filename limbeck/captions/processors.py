"""What turns pictures and a prompt into a model's inputs; without torchvision too, which pictures alone do not need."""

from collections.abc import Sequence
from typing import Any

from PIL import Image
from transformers import AutoConfig, AutoImageProcessor, AutoProcessor, AutoTokenizer, BatchFeature
from transformers.models.auto.processing_auto import PROCESSOR_MAPPING
from transformers.processing_utils import ProcessorMixin


def load(found: str) -> Any:
    """The processor of a model: a folder, or a hub id."""
    try:
        whole = AutoProcessor.from_pretrained(found, trust_remote_code=False)
    except ImportError:  # models that also see videos ask for torchvision
        return _without_videos(found)
    return whole if isinstance(whole, ProcessorMixin) else Halves(found)


class Halves:
    """Image processor and tokenizer side by side, of models that have no processor of their own (ViT with GPT-2)."""

    chat_template = None

    def __init__(self, found: str) -> None:
        self.image_processor = AutoImageProcessor.from_pretrained(found, trust_remote_code=False)
        self.tokenizer = AutoTokenizer.from_pretrained(found, trust_remote_code=False)

    def __call__(self, images: Sequence[Image.Image], return_tensors: str) -> BatchFeature:
        """Pixel values; such a model takes no prompt."""
        return self.image_processor(images=images, return_tensors=return_tensors)


def _without_videos(found: str) -> ProcessorMixin:
    """The model's own processor class, made of all its parts but the one for videos."""
    kind: Any = PROCESSOR_MAPPING[type(AutoConfig.from_pretrained(found, trust_remote_code=False))]
    loaders = {"image_processor": AutoImageProcessor, "tokenizer": AutoTokenizer}
    parts = [
        loaders[name].from_pretrained(found, trust_remote_code=False) if name in loaders else None
        for name in kind.get_attributes()
    ]

    def check(self: ProcessorMixin, name: str, part: Any) -> Any:
        return None if part is None else kind.check_argument_for_proper_class(self, name, part)

    silent: Any = type(kind.__name__, (kind,), {"check_argument_for_proper_class": check})
    return silent.from_args_and_dict(parts, kind.get_processor_dict(found)[0])
