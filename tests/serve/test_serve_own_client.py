"""Limbeck's own client against the real service."""

import pytest
from live_service import Following
from on_a_port import serving

from limbeck.client import Limbeck, LimbeckError
from limbeck.serve import app
from limbeck.settings import Serve


@pytest.fixture(scope="module")
def limbeck(url):
    with Limbeck(url) as it:
        yield it


def test_it_answers_as_the_ranker_does(limbeck, ranker):
    found = limbeck.search("red sofa", k=5, why=1)
    assert [pin["pin_id"] for pin in found["results"]] == [p.pin_id for p in ranker.search("red sofa", 5, 40)]
    assert "why" in found["results"][0]
    best = limbeck.rerank("red sofa", ["tea", {"id": "pin05"}], top_n=1, return_documents=True)["results"]
    assert len(best) == 1
    assert best[0]["document"] in ({"text": "tea"}, {"id": "pin05"})
    assert limbeck.embed(["red sofa"])[0] == pytest.approx(ranker.embed(["red sofa"])[0].tolist())
    assert len(limbeck.similar("pin05", k=3)["results"]) == 3
    assert limbeck.pin("pin05")["pin_id"] == "pin05"
    assert limbeck.ready()["pins"] == 50


def test_pins_are_changed(store, tmp_path):
    following = Following(store, tmp_path)
    kept = app.Kept(following.journal)
    with serving(app.create(following, Serve(candidates=40, results=10), kept=kept)) as url, Limbeck(url) as client:
        answer = client.change(put=[{"id": "new-1", "title": "crimson zeppelin lamp"}], delete=["pin05"])
        assert (answer["put"], answer["deleted"]) == (1, 1)
        assert client.search("crimson zeppelin", k=1)["results"][0]["pin_id"] == "new-1"
        with pytest.raises(LimbeckError, match="pin05"):
            client.pin("pin05")


def test_what_is_wrong_is_raised_with_its_remedy(limbeck):
    with pytest.raises(LimbeckError, match="unknown Pins: 'nobody'") as refused:
        limbeck.pin("nobody")
    assert refused.value.status == 404
    with pytest.raises(LimbeckError, match="the query is empty"):
        limbeck.search(" ")
