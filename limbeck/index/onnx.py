"""What reads texts in the service, as ONNX: the student and, where its backbone was tuned, also the untuned one."""

from pathlib import Path

from limbeck.signals import joined
from limbeck.workspace import Workspace

VERSION = 1  # raise it when the same student is to be written otherwise
STUDENT, UNTUNED, TOWER = "student", "untuned", "tower"


def made_of(ws: Workspace) -> tuple[str, ...]:
    """The student, and the signals that brought the untuned backbone, which is the same in all of them."""
    kept = (name for name in joined.LEARNT if ws.has(name) and (ws.folder(name) / TOWER).exists())
    return ("models/student", *kept)


def build(ws: Workspace, out: Path, bits: int = 32) -> None:
    """Write both into `out`, in 32 or 8 bits. PyTorch is imported here alone: who opens the index needs none."""
    from limbeck.student import export

    export.export(ws.folder("models/student"), out / STUDENT)
    for name in made_of(ws)[1:2]:
        export.read(ws.folder(name), out / UNTUNED)
    if bits == 8:
        from limbeck.student import quantization

        for tower in out.iterdir():
            quantization.quantize(tower)
