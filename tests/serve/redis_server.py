"""A real Redis for tests: on a port of its own, keeping nothing on disk, and to be mistreated."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import threading
import time

from redis import Redis

PATIENCE = 60  # seconds, for a busy machine


class RedisServer:
    """A `redis-server` process. It stays at its port when it is started again."""

    def __init__(self, folder, *options):
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url, self._folder, self._options = f"redis://127.0.0.1:{self.port}/0", folder, options
        self.client = Redis(port=self.port)  # as a visitor, to look and to do damage
        self.start()

    def start(self):
        found = shutil.which("redis-server")
        assert found, "the tests of caches need Redis: apt-get install redis-server"
        command = [found, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self._folder)]
        self._process = subprocess.Popen([*command, *self._options], stdout=subprocess.DEVNULL)
        until(self.answers)

    def answers(self):
        """Whether it is there, even if it wants a password."""
        with socket.socket() as connection:
            return connection.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self):
        self._process.kill()
        self._process.wait()

    def hang(self):
        os.kill(self._process.pid, signal.SIGSTOP)

    def go_on(self):
        os.kill(self._process.pid, signal.SIGCONT)

    def entries(self):
        """All keys and values; None for what is no text."""
        keys = self.client.keys()
        return dict(zip(keys, self.client.mget(keys))) if keys else {}


class Relay:
    """A port that leads to another: after a `lag` of seconds, or, while it is a `hole`, to nowhere."""

    def __init__(self, port):
        self._to, self.lag, self.hole = port, 0.0, False
        self._door = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._door.getsockname()[1]}/0"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self._door.shutdown(socket.SHUT_RDWR)  # wakes who accepts
        self._door.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                visitor, _ = self._door.accept()
                try:
                    inner = socket.create_connection(("127.0.0.1", self._to))
                except ConnectionRefusedError:
                    visitor.close()
                    continue
                for ends in ((visitor, inner), (inner, visitor)):
                    threading.Thread(target=self._carry, args=ends, daemon=True).start()

    def _carry(self, source, sink):
        with contextlib.suppress(OSError), source, sink:
            while data := source.recv(65_536):
                time.sleep(self.lag)
                if not self.hole:
                    sink.sendall(data)


def until(condition):
    """Wait for what other threads and processes bring about."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.002)
