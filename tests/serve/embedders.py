"""Embedders whose vectors a test can tell, and which remember what they were asked."""

import numpy as np


class Lengths:
    """The vector of a text is its length, so many times over, and its letters are its tokens."""

    def __init__(self, size=1):
        self.size, self.asked = size, []

    def vectors(self, texts):
        self.asked += texts
        return np.asarray([[len(t)] * self.size for t in texts], dtype=np.float32).reshape(len(texts), self.size)

    def tokens(self, texts):
        return [text.encode() for text in texts]
