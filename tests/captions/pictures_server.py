"""A web server on this machine that serves pictures, and misbehaves in all the usual ways.

Names resolve to public addresses, and only the lowest layer, the dialling of a checked address, leads here: the check
itself is the production code's own.
"""

import gzip
import io
import socket
import ssl
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

import httpcore2
from PIL import Image

PEM = Path(__file__).with_name("pictures.example.pem")
ADDRESS = "93.184.216.34"


def png(colour="red"):
    data = io.BytesIO()
    Image.new("RGB", (32, 32), colour).save(data, "PNG")
    return data.getvalue()


class Handler(BaseHTTPRequestHandler):
    """What it does is the path's first part."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.seen.append((self.path, dict(self.headers)))
        name, _, rest = self.path[1:].partition("/")
        getattr(self, name.partition("?")[0].replace(".", "_"), self.missing)(rest)

    def log_message(self, *_):
        pass

    def head(self, status=200, **headers):
        self.send_response(status)
        for header, value in headers.items():
            self.send_header(header.replace("_", "-"), value)
        self.end_headers()

    def whole(self, data, status=200, **headers):
        self.head(status, Content_Length=str(len(data)), **headers)
        self.wfile.write(data)

    def missing(self, rest):
        self.whole(b"", 404)

    def red_png(self, rest):
        self.whole(png(), Content_Type="image/png")

    def untyped(self, rest):
        self.whole(png())

    def octets(self, rest):
        self.whole(png(), Content_Type="application/octet-stream")

    def page(self, rest):
        self.whole(png(), Content_Type="text/html; charset=utf-8")

    def to(self, rest):
        self.whole(b"", int(rest[:3]), Location=unquote(rest)[4:])

    def loop(self, rest):
        self.whole(b"", 302, Location=f"/loop/{len(rest)}{rest}")

    def nowhere(self, rest):
        self.whole(b"", 302)

    def status(self, rest):
        self.whole(b"", int(rest))

    def moody(self, rest):
        """Busy at first, well from the third time on."""
        times = sum(path == self.path for path, _ in self.server.seen)
        self.whole(png(), 200 if times > 2 else 503, Content_Type="image/png")

    def long(self, rest):
        """Says beforehand that it is too long."""
        self.head(Content_Length=str(10**9))

    def endless(self, rest):
        self.close_connection = True
        self.head(Content_Type="image/png")
        while True:
            self.wfile.write(bytes(10_000))

    def endless_head(self, rest):
        self.close_connection = True
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            self.wfile.write(b"X-Header: " + b"a" * 1_000 + b"\r\n")

    def slow(self, rest):
        self.head(Content_Length="1000")
        self.drip()

    def slow_head(self, rest):
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
        self.drip()

    def drip(self):
        """A byte now and then: no single wait is long."""
        self.close_connection = True
        for _ in range(600):
            self.wfile.write(b"a")
            time.sleep(0.1)

    def cut(self, rest):
        self.close_connection = True
        self.head(Content_Length="1000")
        self.wfile.write(png()[:50])

    def garbage(self, rest):
        self.close_connection = True
        self.wfile.write(b"\x16\x03\x01 what?\r\n\r\n")

    def chunked(self, rest):
        self.head(Transfer_Encoding="chunked", Content_Type="image/png")
        data = png()
        for at in range(0, len(data), 20):
            part = data[at : at + 20]
            self.wfile.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
        self.wfile.write(b"0\r\n\r\n")

    def gzipped(self, rest):
        self.whole(gzip.compress(png()), Content_Encoding="gzip", Content_Type="image/png")

    def bomb(self, rest):
        self.whole(gzip.compress(bytes(200_000_000), 9), Content_Encoding="gzip")

    def gzip_cut(self, rest):
        self.whole(gzip.compress(png())[:-12], Content_Encoding="gzip")

    def gzip_broken(self, rest):
        self.whole(png(), Content_Encoding="gzip")

    def brotli(self, rest):
        self.whole(png(), Content_Encoding="br")


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass  # clients that hang up are what is tested


class World:
    """The internet as the tests have it: names, addresses, and a server behind one of them."""

    def __init__(self, server, names):
        self.server, self.names, self.dialled = server, names, []
        self.asked = []

    def resolve(self, host, port):
        self.asked.append(host)
        found = self.names.get(host)
        if found is None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return found() if callable(found) else found

    def dial(self, address, port, seconds):
        self.dialled.append(address)
        if address != ADDRESS:
            raise httpcore2.ConnectError(f"nobody at {address}")
        return httpcore2.SyncBackend().connect_tcp("127.0.0.1", self.server.server_port, seconds)

    @property
    def paths(self):
        return [path for path, _ in self.server.seen]


@contextmanager
def serving(secure=False, **names):
    """A running server; `names` are hosts besides pictures.example, with _ for the dot."""
    server = Server(("127.0.0.1", 0), Handler)
    server.seen = []
    if secure:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(PEM)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    hosts = {"pictures.example": [ADDRESS], **{name.replace("_", "."): found for name, found in names.items()}}
    try:
        yield World(server, hosts)
    finally:
        server.shutdown()
        server.server_close()


def trust():
    return ssl.create_default_context(cafile=str(PEM))
