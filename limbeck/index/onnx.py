"""What reads texts in the service, as ONNX: the student and, where its backbone was tuned, also the untuned one."""

from pathlib import Path

from limbeck.workspace import Workspace

VERSION = 1  # raise it when the same student is to be written otherwise
MADE_OF = ("models/student", "signals/searchsage")
STUDENT, UNTUNED = "student", "untuned"


def build(ws: Workspace, out: Path) -> None:
    """Write both into `out`. PyTorch is imported here alone: who opens the index needs none."""
    from limbeck.student import export
    from limbeck.student.model import TOWER

    export.export(ws.folder("models/student"), out / STUDENT)
    if ws.has("signals/searchsage") and (ws.folder("signals/searchsage") / TOWER).exists():
        export.read(ws.folder("signals/searchsage"), out / UNTUNED)
