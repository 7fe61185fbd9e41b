"""A server that keeps to what OpenSearch documents of the few requests that Limbeck makes, and refuses all others."""

import json
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np


class Indexes:
    """What is held: mappings, documents, and which of them a refresh has made visible."""

    def __init__(self):
        self.mappings, self.documents, self.visible = {}, {}, {}
        self.broken = None  # a status that every request gets

    def answer(self, method, path, body):
        if self.broken:
            return self.broken, {"error": "broken", "status": self.broken}
        name, _, action = path.strip("/").partition("/")
        if method == "PUT" and not action:
            return self.create(name, json.loads(body))
        if name not in self.mappings:
            return 404, {
                "error": {"type": "index_not_found_exception", "reason": f"no such index [{name}]"},
                "status": 404,
            }
        return {
            ("GET", "_count"): lambda: (200, {"count": len(self.visible[name]), "_shards": {"failed": 0}}),
            ("POST", "_bulk"): lambda: self.bulk(name, body),
            ("POST", "_refresh"): lambda: self.refresh(name),
            ("POST", "_search"): lambda: self.search(name, json.loads(body)),
        }[method, action]()

    def create(self, name, asked):
        if name in self.mappings:
            return 400, {"error": {"type": "resource_already_exists_exception"}, "status": 400}
        assert asked["settings"] == {"index": {"knn": True}}
        self.mappings[name], self.documents[name], self.visible[name] = asked["mappings"]["properties"], {}, {}
        return 200, {"acknowledged": True, "shards_acknowledged": True, "index": name}

    def bulk(self, name, body):
        lines = [json.loads(line) for line in body.splitlines()]
        assert body.endswith(b"\n")
        items, dimension = [], self.mappings[name]["vector"]["dimension"]
        for action, document in zip(lines[::2], lines[1::2]):
            item = {"_index": name, "_id": action["index"]["_id"], "status": 201}
            if len(document["vector"]) == dimension:
                self.documents[name][item["_id"]] = document
            else:
                item |= {"status": 400, "error": {"type": "mapper_parsing_exception", "reason": "wrong dimension"}}
            items.append({"index": item})
        return 200, {"took": 1, "errors": any("error" in i["index"] for i in items), "items": items}

    def refresh(self, name):
        self.visible[name] = dict(self.documents[name])
        return 200, {"_shards": {"total": 2, "successful": 1, "failed": 0}}

    def search(self, name, asked):
        [(kind, query)] = asked["query"].items()
        score = {"multi_match": _matching, "knn": _nearness}[kind](query)
        found = sorted(((score(d), pin) for pin, d in self.visible[name].items()), reverse=True)
        size = min(asked["size"], query["vector"]["k"]) if kind == "knn" else asked["size"]
        hits = [{"_index": name, "_id": pin, "_score": s} for s, pin in found if s > 0][:size]
        total = {"value": len(hits), "relation": "eq"}
        return 200, {"took": 1, "timed_out": False, "hits": {"total": total, "hits": hits}}


def _matching(query):
    """How many of the words each field has, by its boost; OpenSearch would weigh them by BM25."""
    assert query["type"] == "most_fields"
    boosts = dict(re.fullmatch(r"(\w+)\^([\d.]+)", field).groups() for field in query["fields"])
    words = query["query"].split()
    return lambda d: sum(float(b) * sum(w in d.get(f, "").split() for w in words) for f, b in boosts.items())


def _nearness(query):
    """The documented score of an inner product."""

    def score(document):
        product = float(np.dot(query["vector"]["vector"], document["vector"]))
        return product + 1 if product >= 0 else 1 / (1 - product)

    return score


@contextmanager
def serving():
    """The server on a port of its own: what it holds, and its URL."""
    indexes = Indexes()

    class Handler(BaseHTTPRequestHandler):
        def handle_one(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, answer = indexes.answer(self.command, self.path, body)
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_PUT = do_POST = handle_one  # noqa: N815

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield indexes, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
