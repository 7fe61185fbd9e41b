"""A small workspace to serve: fifty Pins and a tiny student with random weights."""

import functools
import json
import shutil
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
from PIL import Image
from tiny_models import write_encoder
from tokenizers import Tokenizer

from limbeck import records
from limbeck.index import alignment, boards, catalogue, lexical, nearest, onnx, shares, understanding
from limbeck.index import texts as texts_index
from limbeck.serve.versions import PARTS
from limbeck.settings import Student, Text
from limbeck.signals import engagement, joined, match_index, searchsage
from limbeck.student import model
from limbeck.student.encode import Encoder
from limbeck.student.grade import Student as LoadedStudent
from limbeck.student.shape import Shape
from limbeck.text.compose import compose
from limbeck.workspace import Made, Workspace, digest_of

COLOURS = ("red", "blue", "green", "black", "white")
THINGS = ("sofa", "lamp", "kitchen table", "garden chair", "wedding dress", "oak shelf", "rain coat", "tea pot")
WORDS = ("comfortable", "warm", "and", "cosy", "for", "the", "living", "room", "handmade", "modern", "winter")
HOSTILE = "<script>alert(1)</script> & \"quotes\" 'and' {{ 7 * 7 }}"


def pin_rows():
    """Fifty Pins: the first has a hostile title and link, the second says nothing at all."""
    rows = []
    for i in range(50):
        colour, thing = COLOURS[i % 5], THINGS[i % 8]
        rows.append(
            {
                "pin_id": f"pin{i:02d}",
                "title": HOSTILE if i == 0 else None if i == 1 else f"{colour} {thing} {i}",
                "description": None if i % 3 == 1 else f"{' '.join(WORDS[j % len(WORDS)] for j in range(i, i + 6))}",
                "image": f"{i % 2:02d}/pin{i:02d}.png" if i % 4 else None,
                "link": "javascript:alert(1)" if i == 0 else f"https://shop.example/{i}",
                "language": (None, "en", "de")[i % 3],
                "country": ("US", "DE")[i % 2],
                "created_at": datetime(2026, 1, 1, tzinfo=UTC),
            }
        )
    return rows


def pin_texts(rows):
    columns = []
    for i, row in enumerate(rows):
        texts = {
            "pin_id": row["pin_id"],
            "title": row["title"],
            "description": row["description"],
            "caption": None if i == 1 else f"a photo of a {COLOURS[i % 5]} {THINGS[i % 8]}",
            "board_titles": [] if i % 2 else ["living room", f"{COLOURS[i % 5]} things"],
            "engaged_queries": [] if i % 3 else [THINGS[i % 8]],
            "link_title": None,
            "link_description": None,
        }
        columns.append({**texts, "digest": digest_of(json.dumps(texts))})
    return pa.Table.from_pylist(columns, schema=records.schema("pin_texts"))


def write_student(folder, backbone, signals, seed=0):
    """A student as training leaves it, its weights random."""
    settings = Student(backbone=str(backbone), vector_size=16, hidden=(16,), max_tokens=48)
    tower = model.create_tower(settings, seed)
    model.save(tower, model.Head(Shape.of(settings, signals.names, signals.groups)), folder)


def write_log(ws):
    """The last twenty Pins have been shown, some of them for the queries of the tests."""
    rows = [
        (f"pin{30 + i % 20}", ("red sofa", "wedding dress", "cup")[i % 3], 100 + i, 1 + i % 5, 1, i % 2, i % 2, 0)
        for i in range(60)
    ]
    names = records.schema("exposures").names
    table = pa.Table.from_pylist([dict(zip(names, row)) for row in sorted(rows)], schema=records.schema("exposures"))
    ws.write_table("exposures", Made(), {"00000": lambda: table})
    made = Made(settings={"window_days": 90})
    shards = ws.shards("exposures")
    ws.write_folder("signals/engagement", made, lambda out, _: engagement.build(shards, 90, out))


def write_searchsage(ws, composed, backbone):
    """Towers of no training, over the same backbone that the student has."""
    untuned = Encoder.untuned(Student(backbone=str(backbone), max_tokens=48))
    base, nobody = untuned.read(composed.column("text").to_pylist()), records.empty("exposures")
    pins = composed.column("pin_id").to_pylist()
    ws.write_folder(
        "signals/searchsage", Made(), lambda out, _: searchsage.build(nobody, pins, base, untuned.read, 0, out)
    )


def write_boards(ws):
    """A board of every Pin, an untitled one of all lamps, and one with a hostile title that shares some of both."""
    titles = {"b/1": "Everything", "lamps": None, "hostile": HOSTILE}
    held = {"b/1": range(50), "lamps": range(1, 50, 8), "hostile": range(1, 50, 16)}
    saves = [
        {
            "board_id": board,
            "pin_id": f"pin{i:02d}",
            "user_id": "u",
            "saved_at": datetime(2026, 1, 1 + i % 28, tzinfo=UTC),
        }
        for board, pins in held.items()
        for i in pins
    ]
    rows = [{"board_id": board, "title": title} for board, title in titles.items()]
    for name, some in (("boards", rows), ("saves", saves)):
        table = pa.Table.from_pylist(some, schema=records.schema(name))
        ws.write_table(name, Made(), {"00000": lambda table=table: table})
    build = lambda out, _: boards.build(ws.table("pins"), ws.table("boards"), ws.shards("saves"), out)  # noqa: E731
    ws.write_folder(boards.NAME, Made(), build)


def write_vectors(ws, composed, student):
    vectors = student.vectors(composed.column("text").to_pylist())
    columns = {
        "pin_id": composed.column("pin_id"),
        "digest": composed.column("digest"),
        "vector": pa.array(list(vectors), pa.list_(pa.float32())),
    }
    made = ws.made_from(["models/student", "composed"])
    ws.write_table("pin_vectors", made, {"00000": lambda: pa.table(columns)})
    ws.write_folder(
        "index/nearest", ws.made_from(["pin_vectors"]), lambda out, _: nearest.build(pa.table(columns), out)
    )
    ws.write_folder("index/onnx", ws.made_from(onnx.made_of(ws)), lambda out, _: onnx.build(ws, out))
    write_shares(ws)
    write_catalogue(ws)


def retrain(ws, seed):
    """Another student on the same backbone, and the Pins' vectors by it."""
    backbone = shutil.copytree(ws.folder("models/student") / "tower", ws.root / "backbone")
    signals = joined.open(ws, lambda texts: np.zeros((len(texts), 32), np.float32))
    made = Made(settings={"seed": seed})
    student = ws.write_folder("models/student", made, lambda out, _: write_student(out, backbone, signals, seed))
    write_vectors(ws, ws.table("composed"), LoadedStudent(student))


def live_pin(pin_id, title):
    columns = ("description", "image", "link", "language", "country", "created_at")
    return records.Pin(pin_id=pin_id, title=title, **dict.fromkeys(columns))


def named(store, hits):
    """What was found by pin_id, with scores."""
    return list(zip(store.ids(hits.rows), hits.scores.tolist()))


def lay(ws, lender, parts=PARTS):
    """Leave the lender's version in place of the one that is there, whose files go, as a run does."""
    for name in filter(lender.has, parts):
        made = lender.manifest(name).made
        if ws.outdated(name, made):
            assert Workspace(ws.root, lender).borrow(name, made)


def write_shares(ws, bits=16):
    """What the present student makes of the Pins' present vectors."""
    made = ws.made_from(shares.MADE_OF, bits=bits)
    ws.write_folder("index/shares", made, lambda out, _: shares.build(ws, lambda texts: None, bits, out))


def write_catalogue(ws):
    """The catalogue of the Pins' present vectors and the present pins table, and whose rows its rows are."""
    vectors, pins = ws.table("pin_vectors"), ws.table("pins")
    made = ws.made_from(["pin_vectors", "pins"])
    ws.write_folder("index/catalogue", made, lambda out, _: catalogue.build(vectors, pins, out))
    write_alignment(ws)


def write_alignment(ws):
    made = ws.made_from(alignment.MADE_OF)
    ws.write_folder(alignment.NAME, made, lambda out, _: alignment.build(ws, out))


def write_pictures(folder, rows):
    for row in rows:
        if row["image"]:
            path = folder / row["image"]
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (8, 6), COLOURS[int(row["pin_id"][3:]) % 5]).save(path)


def make_workspace(root):
    """What a run leaves behind, as far as the service reads it."""
    ws, rows = Workspace(root / "workspace"), pin_rows()
    texts = pin_texts(rows)
    backbone = root / "backbone"
    write_encoder(backbone, [" ".join([*COLOURS, *THINGS, *WORDS]), *texts.column("caption").to_pylist()[2:]])
    tokenizer = Tokenizer.from_file(str(backbone / "tokenizer.json"))
    composed = compose(texts, Text(), tokenizer)
    ws.write_table("pins", Made(), {"00000": lambda: pa.Table.from_pylist(rows, schema=records.schema("pins"))})
    ws.write_table("pin_texts", Made(), {"00000": lambda: texts})
    ws.write_table("composed", Made(), {"00000": lambda: composed})
    ws.write_folder("index/lexical", Made(), lambda out, _: lexical.build([texts], out))
    ws.write_folder("index/texts", Made(), lambda out, _: texts_index.build([texts], out))
    ws.write_folder("signals/match", Made(), lambda out, _: match_index.build([texts], out))
    words = functools.partial(understanding.build, lambda name: [ws.table(name)], [])
    ws.write_folder(understanding.NAME, Made(), lambda out, _: words(out))
    write_boards(ws)
    write_log(ws)
    write_searchsage(ws, composed, backbone)
    signals = joined.open(ws, lambda texts: np.zeros((len(texts), 32), np.float32))
    student = ws.write_folder("models/student", Made(), lambda out, _: write_student(out, backbone, signals))
    write_vectors(ws, composed, LoadedStudent(student))
    ws.write_folder("images/pins", Made(), lambda out, _: write_pictures(out, rows))
    return ws
