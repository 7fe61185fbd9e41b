"""A generated catalogue for benchmarks: Pins of words that a real tokenizer knows, and a small encoder to read them."""

from pathlib import Path

import numpy as np
import pyarrow as pa
from transformers import AutoTokenizer, BertConfig, BertModel

from limbeck.backbone import find

BACKBONE = "all-MiniLM-L6-v2"
LAYERS = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
TITLE, DESCRIPTION = 5, 15  # words


def small_encoder(folder: Path) -> Path:
    """An encoder of one small random layer, with a real one's vocabulary, written to `folder` if it is not there."""
    if not folder.exists():
        tokenizer = AutoTokenizer.from_pretrained(find(BACKBONE))
        BertModel(BertConfig(vocab_size=len(tokenizer), **LAYERS)).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    return folder


def words() -> np.ndarray:
    """The plain words of the real encoder's vocabulary."""
    vocabulary = AutoTokenizer.from_pretrained(find(BACKBONE)).get_vocab()
    return np.array(sorted(word for word in vocabulary if word.isalpha() and word.isascii()))


def drawn(random: np.random.Generator, shape: tuple[int, ...], below: int) -> np.ndarray:
    """Numbers from 0 that follow Zipf's law."""
    return np.minimum(random.zipf(1.2, shape), below) - 1


def pins(count: int, known: np.ndarray, changed: float = 0.0) -> pa.Table:
    """So many Pins: pin_id, title, description; of a share of them, spread evenly, the title is another."""
    random = np.random.default_rng(0)
    said = known[drawn(random, (count, TITLE + DESCRIPTION), len(known))]
    some = np.arange(0, count, round(1 / changed)) if changed else np.zeros(0, np.int64)
    said[some, :TITLE] = known[random.integers(len(known), size=(len(some), TITLE))]
    title, description = (list(map(" ".join, part)) for part in (said[:, :TITLE], said[:, TITLE:]))
    return pa.table({"pin_id": [f"pin{n:08d}" for n in range(count)], "title": title, "description": description})
