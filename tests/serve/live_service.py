"""A service whose Pins may change: the small workspace's store, and a journal of its own."""

from starlette.testclient import TestClient

from limbeck.live.journal import Journal
from limbeck.live.overlay import Overlay
from limbeck.live.store import LiveStore
from limbeck.serve import app, pins
from limbeck.serve.ranker import Ranker
from limbeck.settings import Serve


class Following:
    """One version that knows what its journal says."""

    refused = damaged = None

    def __init__(self, store, root):
        self.journal = Journal(root)
        self.ranker = Ranker(LiveStore.over(store, Overlay(), ""))
        self.catch_up()

    def catch_up(self):
        self.ranker = pins.caught_up(self.ranker, self.journal)


def client_of(following, **settings):
    serve = Serve(candidates=40, results=10, seconds=0, **settings)
    return TestClient(app.create(following, serve, kept=app.Kept(following.journal)))


def waiting_to_be_written(client):
    """Changes that wait for the one being written to the journal, behind what observes and finds hot routes."""
    [route] = [route for route in client.app._app._app.routes if route.path == "/search"]
    return len(route.endpoint.__self__._writer._waiting)
