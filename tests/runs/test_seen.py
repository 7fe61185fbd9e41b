"""A whole run whose student is told what Pins look like."""

import json

import pytest
import tiny_run
from tiny_seers import write_clip

from limbeck.index.store import Store
from limbeck.workspace import Workspace


@pytest.mark.long
def test_a_run_with_pictures_through_clip(home, copy):
    write_clip(home.folder / "recipes" / "clip")
    recipe = home.folder / "recipes" / "seen.toml"
    recipe.write_text(tiny_run.toml({**tiny_run.RECIPE, "visual": {"model": "clip"}}), encoding="utf-8")
    made = home.run(copy, str(recipe)).made
    assert list(made)[:2] == ["image_vectors", "signals/visual"]
    assert "signals/visual is new" in made["models/student"]
    ws = Workspace(copy)
    head = json.loads((ws.folder("models/student") / "head.json").read_text(encoding="utf-8"))
    assert [group["name"] for group in head["groups"]][-2:] == ["visual.pin", "visual"]
    store = Store.open(ws)
    features = store.signals.features("sofa", store.match_rows[:5])
    assert features.shape == (5, len(head["features"]))
    assert home.run(copy, str(recipe)).made == {}
    assert "signals/visual is no longer used" in home.run(copy).made["models/student"]
    assert not ws.has("image_vectors")
