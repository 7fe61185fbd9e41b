"""What was changed while the service ran is in the index after the next run, and live no longer."""

import pytest

from limbeck.index.store import Store
from limbeck.live import store as live_store
from limbeck.live.fold import INPUT
from limbeck.live.journal import Changes, Journal
from limbeck.records import Pin
from limbeck.workspace import Workspace

NEW = Pin("live-1", "zeppelin for the living room", "a toy", "../../../elsewhere.png", None, "en", None, None)


def opened(ws):
    return live_store.open(Store.open(ws), ws, Journal(ws.root))


@pytest.mark.long
def test_the_next_run_takes_live_pins_into_the_index(home, copy):
    ws, journal = Workspace(copy), Journal(copy)
    gone = ws.table("pins", ["pin_id"]).column("pin_id")[0].as_py()
    journal.append([Changes(put=(NEW,), delete=(gone,))])
    live = opened(ws)
    assert live.overlay.rows.keys() == {NEW.pin_id, gone}
    made = home.run(copy).made
    assert made["pins"] == f"{INPUT} is new"
    assert len(Store.open(ws)) == len(live)
    assert Store.open(ws).rows([NEW.pin_id, gone])[1] == -1
    assert Store.open(ws).ids(Store.open(ws).lexical.search("zeppelin", 3).rows) == [NEW.pin_id]
    assert opened(ws).overlay.rows == {}
    assert not list(copy.parent.rglob("elsewhere.png"))
    journal.append([Changes(delete=(NEW.pin_id,))])
    assert opened(ws).overlay.rows == {NEW.pin_id: -1}
    assert len(opened(ws)) == len(live) - 1
