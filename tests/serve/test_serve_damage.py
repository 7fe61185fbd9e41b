"""No file of an index or a model that has lost a bit or its end is ever taken for a newer version."""

import random
import shutil

import pytest
from longer import longer

from limbeck.index.store import Store
from limbeck.serve.ranker import Ranker
from limbeck.serve.versions import PARTS, Versions
from limbeck.workspace import Workspace

PINS = [f"pin{i:02d}" for i in range(20)]


@pytest.fixture
def copy(workspace, tmp_path):
    shutil.copytree(workspace.root, tmp_path / "copy")
    return Workspace(tmp_path / "copy")


def files(ws):
    """All that a version is made of."""
    found = [ws._folder(name) / file for name in PARTS if ws.has(name) for file in ws.manifest(name).files]
    return [path for path in found if path.stat().st_size]


def damaged(data, chance):
    """The bytes with one bit flipped, or without their end."""
    if chance.random() < 0.5:
        return data[: chance.randrange(len(data))]
    flipped, place = bytearray(data), chance.randrange(len(data))
    flipped[place] ^= 1 << chance.randrange(8)
    return bytes(flipped)


@pytest.mark.timeout(14_400)
@pytest.mark.parametrize("cases", [20, longer(5_000)])
def test_a_damaged_file_is_refused_and_the_old_version_answers_as_before(copy, cases):
    versions, chance = Versions(copy, lambda ws: Ranker(Store.open(ws))), random.Random(cases)
    before, everything = versions.ranker.grade("red sofa", PINS).tolist(), files(copy)
    for case in range(cases):
        path = chance.choice(everything)
        kept = path.with_name(path.name + ".kept")
        path.rename(kept)  # what is memory-mapped stays as it was
        path.write_bytes(damaged(kept.read_bytes(), chance))
        versions._seen = ()  # as if a run had left it
        assert versions.look() == "refused", path
        assert f"{path}: damaged" in versions.refused
        kept.rename(path)
        assert case % 100 or versions.ranker.grade("red sofa", PINS).tolist() == before
    assert versions.ranker.grade("red sofa", PINS).tolist() == before
    versions._seen = ()
    assert versions.look() == "taken"
