"""An application on a port of its own, for clients that want a real one."""

import socket
import threading
import time
from contextlib import contextmanager

import uvicorn


@contextmanager
def serving(application):
    """Its URL."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        server = uvicorn.Server(uvicorn.Config(application, log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, args=([door],), daemon=True)
        thread.start()
        deadline = time.monotonic() + 300
        while not server.started:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        yield f"http://127.0.0.1:{door.getsockname()[1]}"
        server.should_exit = True
        thread.join(300)
