"""What a service needs not is not imported when it starts, and is there for whoever wants it later."""

import json
import subprocess
import sys

CODE = """
import json, sys
from pathlib import Path
from limbeck.index.store import Store
from limbeck.serve import app, lean, running
from limbeck.serve.ranker import Ranker
from limbeck.workspace import Workspace

lean.start()
ranker = Ranker(Store.open(Workspace(Path(sys.argv[1]))))
found = ranker.search("red sofa", 5, 20)
there = [name for name in sys.argv[2].split(",") if name in sys.modules]
import scipy.linalg
print(json.dumps([len(found), there, float(scipy.linalg.norm([3.0, 4.0]))]))
"""
LEFT_OUT = ("pandas", "scipy.linalg", "scipy.sparse", "torch", "limbeck.captions", "limbeck.signals.interests_training")


def test_a_search_is_answered_without_what_libraries_only_look_for(workspace):
    command = [sys.executable, "-c", CODE, str(workspace.root), ",".join(LEFT_OUT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [5, [], 5.0]
