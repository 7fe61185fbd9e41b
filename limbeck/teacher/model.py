"""The teacher's shape: a sentence-transformers `CrossEncoder` of Transformer, Pooling and Dense modules to five logits.

`[CLS] query [SEP] Pin text` goes through a pretrained language model; the [CLS] state (the last token's for decoders,
or the mean) goes through a small network to five logits (arXiv 2410.17152, section 3.1), or through an ordinal
head (heads.py). The folder it is saved in loads with `sentence_transformers.CrossEncoder(folder)`, without Limbeck.
"""

from pathlib import Path

from sentence_transformers import CrossEncoder
from sentence_transformers.base.modules import Dense
from sentence_transformers.sentence_transformer.modules import Pooling
from torch import nn

from limbeck.backbone import LOADING, device, seed_everything
from limbeck.settings import Teacher
from limbeck.teacher import heads
from limbeck.training import load_transformer, quiet


def create(settings: Teacher, seed: int, folder: Path = Path(".")) -> CrossEncoder:
    """A new teacher on its pretrained backbone, the head freshly initialised from `seed`."""
    seed_everything(seed)
    with quiet():
        transformer = load_transformer(settings.backbone, settings.max_tokens, folder)
        size = transformer.get_embedding_dimension()
        hidden = Dense(size, size, activation_function=nn.Tanh())
        head = heads.create(settings.head, size)
        pooling = Pooling(size, pooling_mode=settings.pooling)
        model = CrossEncoder(modules=[transformer, pooling, hidden, head], device=str(device()))
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = settings.dropout
    return model


def load(folder: Path) -> CrossEncoder:
    """A trained teacher from its folder."""
    with quiet():
        return CrossEncoder(str(folder), device=str(device()), local_files_only=True, model_kwargs=LOADING)
