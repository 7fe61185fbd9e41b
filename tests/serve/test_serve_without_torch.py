"""The service imports nothing that only a run needs, nor clients that it does not use: not by answering, either."""

import json
import os
import subprocess
import sys

HEAVY = {"torch", "transformers", "sentence_transformers", "sklearn", "daft", "pandas"}
UNASKED = {"redis", "httpx", "pymilvus"}  # clients of servers that no setting names
# Starts the real command; once it listens, asks it over HTTP from a thread, and tells what this process has imported.
SERVE = """
import json, os, sys, threading, urllib.request
from limbeck import progress
from limbeck.cli import main

said = progress.say

def ask(url):
    try:
        asked(url)
    finally:
        os._exit(1)

def asked(url):
    found = json.load(urllib.request.urlopen(url + "/search?q=red+sofa&k=3&why=1"))
    body = {"query": "red sofa", "documents": ["a red sofa", {"id": "pin05"}]}
    request = urllib.request.Request(url + "/v1/rerank", json.dumps(body).encode())
    ranked = json.load(urllib.request.urlopen(request))
    loaded = sorted({name.split(".")[0] for name in sys.modules})
    print("\\n" + json.dumps([len(found["results"]), len(ranked["results"]), loaded]), flush=True)
    os._exit(0)

def say(event, *words, **facts):
    said(event, *words, **facts)
    if event == "ready":
        threading.Thread(target=ask, args=(facts["url"].rstrip("/"),), daemon=True).start()

progress.say = say
sys.argv = ["limbeck", "--quiet", "serve", "--workspace", sys.argv[1], "--port", "0"]
main()
"""


def test_a_search_over_http_imports_no_pytorch(workspace):
    command = [sys.executable, "-c", SERVE, str(workspace.root)]
    ran = subprocess.run(command, env=os.environ, capture_output=True, text=True, timeout=600)
    assert ran.returncode == 0, ran.stderr
    results, ranked, loaded = json.loads(ran.stdout.splitlines()[-1])
    assert (results, ranked) == (3, 2)
    assert "onnxruntime" in loaded
    assert not (HEAVY | UNASKED) & set(loaded)
