"""The teacher's labels of all pairs of a run: what they are made of, and what they will cost, said before they are."""

from limbeck import assembly
from limbeck.labels import soften
from limbeck.labels.estimate import Begun, estimate
from limbeck.labels.known import Known
from limbeck.settings import Labels
from limbeck.teacher.grade import TeacherGrader
from limbeck.workspace import Workspace


def soft_labels(settings: Labels, ws: Workspace) -> assembly.Shards:
    """The shards of `soft_labels`. The estimate is said, and the first few pairs are graded for it."""
    digest, rows = ws.digest("models/teacher"), settings.rows_per_shard
    pairs = ws.table("pairs", soften.ASKED)
    texts = soften.telling(assembly.batches(ws, "composed"), pairs)
    teacher = TeacherGrader(ws.folder("models/teacher"), texts)
    work = soften.Work.of(pairs, texts, Known(ws, digest))
    begun = Begun(teacher, soften.first(work, rows))
    estimate(work, begun, teacher.tokens, settings.dollars_per_hour).say()
    return soften.shards(work, begun, digest, rows)
