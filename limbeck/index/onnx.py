"""What reads texts in the service, as ONNX: the student and, where its backbone was tuned, also the untuned one."""

from pathlib import Path

from limbeck.signals import joined
from limbeck.workspace import Workspace

VERSION = 1  # raise it when the same student is to be written otherwise
MADE_OF = ("models/student", *joined.LEARNT)
STUDENT, UNTUNED = "student", "untuned"


def build(ws: Workspace, out: Path) -> None:
    """Write both into `out`. PyTorch is imported here alone: who opens the index needs none."""
    from limbeck.student import export
    from limbeck.student.model import TOWER

    export.export(ws.folder("models/student"), out / STUDENT)
    kept = [folder for folder in map(ws.folder, filter(ws.has, joined.LEARNT)) if (folder / TOWER).exists()]
    if kept:
        export.read(kept[0], out / UNTUNED)
