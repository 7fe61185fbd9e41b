"""LoRA: small matrices learn beside frozen ones (arXiv 2106.09685). QLoRA: the frozen ones take 4 bits (2305.14314).

A checkpoint holds what is trained, the adapters and the head. The finished teacher is whole and needs neither peft nor
bitsandbytes: the adapters are merged into the very weights they were trained beside, those of 4 bits unpacked first.
Merging into the original weights instead would save another model than the one that was validated.
"""

import importlib.util
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import CrossEncoder
from sentence_transformers.base.modules import Transformer
from sentence_transformers.cross_encoder import CrossEncoderTrainer
from torch import nn
from transformers import BitsAndBytesConfig

from limbeck.backbone import bf16, device
from limbeck.errors import InputError
from limbeck.progress import say
from limbeck.settings import Lora

INSTALL = 'Install them: pip install "limbeck[qlora]"'
TRAINED = "trained.safetensors"


def require(settings: Lora | None) -> None:
    """`InputError` where this machine lacks what the settings ask for."""
    if settings is None:
        return
    needed = {"peft": "teacher.lora"} | ({"bitsandbytes": "teacher.lora.four_bit"} if settings.four_bit else {})
    for package, setting in needed.items():
        if importlib.util.find_spec(package) is None:
            raise InputError(f"{setting} needs the package {package}, which is not there", remedy=INSTALL)
    if settings.four_bit:
        _try_four_bits()


def _try_four_bits() -> None:
    """Pack a few numbers on the device that will train."""
    from bitsandbytes import functional

    where = device()
    try:
        packed, state = functional.quantize_4bit(torch.ones(64, 64, device=where), quant_type="nf4")
        functional.dequantize_4bit(packed, state)
    except (RuntimeError, NotImplementedError, AttributeError, OSError) as error:
        problem = f"teacher.lora.four_bit does not work on this {where.type} ({str(error).splitlines()[0]})"
        remedy = "Train on a machine with an NVIDIA GPU, or set four_bit = false: that takes four times the memory"
        raise InputError(problem, remedy=remedy) from None
    if where.type == "cpu":
        slow = "no GPU: the CPU unpacks 4-bit weights at every step. For models of billions of weights, use a GPU"
        say("slow", f"  [yellow]{slow}[/]")


def loading(settings: Lora) -> dict[str, Any]:
    """How the frozen weights are loaded: in bfloat16 where that is fast, packed to NF4 if asked for."""
    dtype = torch.bfloat16 if bf16() else torch.float32
    if not settings.four_bit:
        return {"dtype": dtype}
    packed = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
    )
    return {"dtype": dtype, "quantization_config": packed}


def add(transformer: Transformer, settings: Lora) -> None:
    """Freeze the backbone and put adapters, in single precision, beside its linear layers."""
    from peft import LoraConfig

    backbone = transformer.model
    targets = settings.targets if isinstance(settings.targets, str) else list(settings.targets)
    chosen = {"r": settings.rank, "lora_alpha": settings.alpha, "lora_dropout": settings.dropout}
    try:
        backbone.add_adapter(LoraConfig(target_modules=targets, **chosen))
    except ValueError as error:
        raise InputError(f"teacher.lora.targets: {error}", remedy='"all-linear" suits every backbone') from None
    for weight in backbone.parameters():
        if weight.requires_grad:
            weight.data = weight.data.float()
    for layer in backbone.modules():  # on CPUs that could, evaluation would repack the weights for training, too
        if hasattr(layer, "support_avx512bf16_for_cpu"):
            layer.support_avx512bf16_for_cpu = False


def merge(model: CrossEncoder) -> None:
    """Make the backbone whole again: its own class, plain weights, no adapters."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    backbone = model[0].model
    if getattr(backbone, "hf_quantizer", None) is not None:
        backbone.dequantize()
    adapted = [(name, layer) for name, layer in backbone.named_modules() if isinstance(layer, BaseTunerLayer)]
    for name, layer in adapted:
        whole = layer.get_base_layer()
        change = layer.get_delta_weight(layer.active_adapters[0])
        whole.weight.data = (whole.weight.data.float() + change.float()).to(whole.weight.dtype)
        backbone.set_submodule(name, whole)
    del backbone.peft_config
    backbone._hf_peft_config_loaded = False


class SavesTrainedAlone(CrossEncoderTrainer):
    """A trainer whose checkpoints hold what is trained, not the gigabytes beside it."""

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        folder = Path(output_dir or self.args.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        save_file({name: w.detach().cpu().contiguous() for name, w in _trained(self.model)}, folder / TRAINED)

    @torch.no_grad()
    def _load_from_checkpoint(self, checkpoint_path: str) -> None:
        weights = load_file(Path(checkpoint_path) / TRAINED)
        for name, weight in _trained(self.model):
            weight.copy_(weights[name])

    def _load_best_model(self) -> None:
        self._load_from_checkpoint(self.state.best_model_checkpoint)


def _trained(model: nn.Module) -> list[tuple[str, nn.Parameter]]:
    return [(name, weight) for name, weight in model.named_parameters() if weight.requires_grad]
