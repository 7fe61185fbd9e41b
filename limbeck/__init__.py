"""Limbeck: search relevance with language models, from tables to a served, measured student."""

import logging
import os

__version__ = "0.1.0"

# Read by the libraries when they are first imported. Threads that spin while they wait take the cores from whatever
# else runs: on two busy cores, grading was 3.6 times slower with them.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# Daft reports its use to its makers unless told not to, and draws bars of its own.
os.environ.setdefault("DAFT_ANALYTICS_ENABLED", "0")
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("DAFT_PROGRESS_BAR", "0")
# bitsandbytes, loaded with sentence-transformers wherever it is installed, warns of a kernel that we never ask it for.
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
