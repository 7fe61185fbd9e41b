"""Terms of Pins and of queries, as numbers, laid out as the kernel of the match features reads them."""

from typing import NamedTuple

import numpy as np


class Terms(NamedTuple):
    """Terms of many Pins: `tokens[offsets[p, f]:offsets[p, f + 1]]` are those of Pin p's field f.

    The first term of a text, and of each entry of a list, has the bit APART set: no phrase spans two entries.
    """

    tokens: np.ndarray  # int32
    offsets: np.ndarray  # int64 (pins, fields + 1)
    gram_hashes: np.ndarray  # which terms have a trigram, as in `grams.Spellings`
    gram_begins: np.ndarray
    gram_terms: np.ndarray
    gram_sizes: np.ndarray


WORD = np.dtype(
    [
        ("term", np.int32),
        ("glued", np.int32),  # the word and the next one, written as one
        ("first", np.int32),  # the two words that this one is made of
        ("second", np.int32),
        ("rarity", np.float32),  # inverse document frequency
        ("known", np.bool_),  # whether any Pin of the index has the term
        ("number", np.bool_),
        ("grams", np.int64),  # where its trigrams begin and end
        ("grams_end", np.int64),
    ]
)


class Queries(NamedTuple):
    """Terms of queries, one after another, in the Pins' numbering; −1 for what no Pin has."""

    begins: np.ndarray  # int64 (queries + 1,)
    words: np.ndarray  # WORD (m,)
    grams: np.ndarray
