"""A tower that reads in 8 bits: in about half the time, for vectors that are not quite the same.

Weights of the matrix products are kept in 8 bits, by column, and what they are multiplied with is brought to 8 bits as
it comes, by ONNX Runtime's dynamic quantisation. What that costs is measured in docs/student.md.
"""

import json
import logging
import shutil
import tempfile
from pathlib import Path

import numpy as np
from onnxruntime.quantization import QuantType, quantize_dynamic

from limbeck.errors import InputError
from limbeck.student.export import PROBES
from limbeck.student.served import READING, TOWER, ServedTower

MOST_APART = 0.3  # of the length of what is read; a cosine of about .955


def quantize(folder: Path) -> None:
    """Quantise the tower that `export` wrote into this folder; `InputError` where it would read too differently."""
    exact = ServedTower(folder).read(PROBES)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        _write(folder / TOWER, Path(scratch, TOWER))
        for file in folder.glob(f"{TOWER}*"):
            file.unlink()
        for file in Path(scratch).iterdir():
            shutil.move(file, folder)
    reading = json.loads((folder / READING).read_text(encoding="utf-8"))
    (folder / READING).write_text(json.dumps({**reading, "bits": 8}, indent=1), encoding="utf-8")
    _check(exact, ServedTower(folder).read(PROBES))


def _write(tower: Path, out: Path) -> None:
    logging.disable(logging.WARNING)  # it advises the root logger of preprocessing, which here changes nothing
    try:
        quantize_dynamic(
            tower,
            out,
            op_types_to_quantize=["MatMul", "Gemm"],
            per_channel=True,
            reduce_range=True,  # on processors without VNNI, the sum of two products of full range does not fit
            weight_type=QuantType.QInt8,
            use_external_data_format=True,
        )
    finally:
        logging.disable(logging.NOTSET)


def _check(exact: np.ndarray, quantized: np.ndarray) -> None:
    apart = np.linalg.norm(quantized - exact, axis=1) / np.linalg.norm(exact, axis=1)
    if not (apart < MOST_APART).all():
        worst = f"{PROBES[int(np.nanargmax(apart))][:40]!r}, by {np.nanmax(apart):.0%}"
        remedy = "Leave index.tower_bits out, or take another backbone for the student"
        raise InputError(f"in 8 bits this backbone reads too differently: {worst}", remedy=remedy)
