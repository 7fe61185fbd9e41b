"""The service as a process of its own that can be killed, and started again on the same port."""

import os
import socket
import time

import forking
import httpx

from limbeck.settings import Serve
from limbeck.workspace import Workspace

PATIENCE = 900  # seconds


def serve(root, settings):
    """What the forked process does."""
    os.setsid()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    from limbeck.serve import running

    running.run(Workspace(root), Serve(**settings))


class Server:
    """The service over a workspace, as a process that can be killed and started again."""

    def __init__(self, root, **settings):
        self._root, self._settings = root, settings
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]

    def start(self):
        self.process = forking.context().Process(target=serve, args=(self._root, {**self._settings, "port": self.port}))
        self.process.start()
        until = time.monotonic() + PATIENCE
        while not self._answers():
            assert self.process.is_alive()
            assert time.monotonic() < until
            time.sleep(0.05)

    def kill(self):
        self.process.kill()
        self.process.join()

    def client(self):
        return httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=PATIENCE)

    def _answers(self):
        try:
            with self.client() as client:
                return client.get("/healthz").status_code == 200
        except httpx.HTTPError:
            return False
