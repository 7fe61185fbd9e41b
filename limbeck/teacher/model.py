"""The teacher's shape: a sentence-transformers `CrossEncoder` of Transformer, Pooling and Dense modules to five logits.

`[CLS] query [SEP] Pin text` goes through a pretrained language model; the [CLS] state (the last token's for decoders,
the mean where there is no [CLS], and whatever else a backbone was trained to be read by) goes through a small network
to five logits (arXiv 2410.17152, section 3.1), or through an ordinal head (heads.py). The network runs in single
precision, whatever the backbone runs in. The folder it is saved in loads with
`sentence_transformers.CrossEncoder(folder)`, without Limbeck.
"""

from pathlib import Path

from safetensors.torch import load_file
from sentence_transformers import CrossEncoder
from sentence_transformers.base.modules import Dense, Transformer
from sentence_transformers.sentence_transformer.modules import Pooling
from torch import nn

from limbeck import pooling
from limbeck.backbone import LOADING, device, find, is_decoder, seed_everything
from limbeck.errors import InputError
from limbeck.settings import Teacher
from limbeck.teacher import adapters, heads
from limbeck.teacher.prompt import DEFAULT, with_prompt
from limbeck.training import load_transformer, quiet


def create(settings: Teacher, seed: int, folder: Path = Path(".")) -> CrossEncoder:
    """A new teacher on its pretrained backbone, the head freshly initialised from `seed`."""
    seed_everything(seed)
    with quiet():
        transformer = _backbone(settings, folder)
        size = transformer.get_embedding_dimension()
        hidden = Dense(size, size, activation_function=nn.Tanh())
        head = heads.create(settings.head, size)
        read = Pooling(size, pooling_mode=_pooling(settings, transformer, folder))
        return keep_head_exact(heads.assembled([transformer, read, hidden, head]))


def keep_head_exact(model: CrossEncoder) -> CrossEncoder:
    """Have the modules after pooling run in single precision wherever the model is loaded, too."""
    model.set_keep_in_fp32_modules([f"{n}.linear" for n, module in enumerate(model) if isinstance(module, Dense)])
    return model


def _backbone(settings: Teacher, folder: Path) -> Transformer:
    """The pretrained model and its tokenizer, with the prompt, the dropout and the adapters of the settings."""
    loading = adapters.loading(settings.lora) if settings.lora else {}
    transformer = load_transformer(settings.backbone, settings.max_tokens, folder, **loading)
    prompt = settings.prompt or (DEFAULT if is_decoder(transformer.config) else "")
    if prompt:
        transformer.processor = with_prompt(transformer.tokenizer, prompt)
    words = transformer.tokenizer.num_special_tokens_to_add(pair=True)
    if settings.max_tokens < words + 2:
        remedy = f"Set it to {words + 2} at the very least, or shorten teacher.prompt"
        raise InputError(f"teacher.max_tokens is {settings.max_tokens}, the prompt alone has {words}", remedy=remedy)
    for module in transformer.modules():
        if isinstance(module, nn.Dropout):
            module.p = settings.dropout
    if settings.lora:
        adapters.add(transformer, settings.lora)
    return transformer


def _pooling(settings: Teacher, transformer: Transformer, folder: Path) -> str:
    """Of which token the state is read: the one that was trained to stand for the whole text, if there is one."""
    if settings.pooling != "auto":
        return settings.pooling
    if mode := pooling.trained(find(settings.backbone, folder)):
        return mode
    if is_decoder(transformer.config):
        return "lasttoken"
    return "cls" if transformer.tokenizer.cls_token else "mean"


def save(model: CrossEncoder, folder: Path) -> None:
    """Write a teacher so that `CrossEncoder(folder)` loads it, whichever head it has."""
    keep_head_exact(heads.plain(model)).save_pretrained(str(folder), create_model_card=False)


def load(folder: Path) -> CrossEncoder:
    """A trained teacher from its folder, its head in single precision whatever the backbone is saved in."""
    with quiet():
        model = CrossEncoder(str(folder), device=str(device()), local_files_only=True, model_kwargs=LOADING)
    for number, module in enumerate(model):
        if isinstance(module, Dense):  # sentence-transformers rounds it to the backbone's precision: read it again
            module.float().load_state_dict(load_file(folder / f"{number}_Dense" / "model.safetensors"))
    return model
