"""Batches of equal token budget: what training and bulk inference have to pay for is padded tokens, not rows."""

from collections.abc import Iterator, Sequence

import numpy as np
from sentence_transformers.base.sampler import DefaultBatchSampler
from torch.utils.data import SequentialSampler
from transformers import PreTrainedTokenizerBase


def by_tokens(lengths: np.ndarray, budget: int) -> list[np.ndarray]:
    """Cut the rows, longest first, into batches whose padded size (rows × longest) is at most `budget` tokens.

    A row longer than the budget is a batch of its own. Longest first, so that memory runs out at once or never.
    """
    order = np.argsort(-lengths, kind="stable")
    batches, begin = [], 0
    while begin < len(order):
        size = max(1, budget // max(1, int(lengths[order[begin]])))
        batches.append(order[begin : begin + size])
        begin += size
    return batches


def lengths_of(tokenizer: PreTrainedTokenizerBase, *texts: Sequence[str], limit: int | None) -> np.ndarray:
    """Token counts of texts or of pairs of texts, special tokens included, cut at `limit`: int64 (n,)."""
    counts: list[int] = []
    for begin in range(0, len(texts[0]), 10_000):
        part = [list(t[begin : begin + 10_000]) for t in texts]
        counts += [len(ids) for ids in tokenizer(*part, truncation=True, max_length=limit)["input_ids"]]
    return np.asarray(counts, dtype=np.int64)


class TokenBudgetSampler(DefaultBatchSampler):
    """Batches of rows of like length, each of at most `budget` padded tokens, in a new order every epoch.

    Which rows of one length meet in a batch changes with the epoch; the number of batches does not. Where several
    `processes` take batches in turn, each gets as many as the others, and those of one turn are of like size.
    """

    def __init__(self, lengths: np.ndarray, budget: int, seed: int, processes: int = 1) -> None:
        super().__init__(SequentialSampler(range(len(lengths))), batch_size=1, drop_last=False, seed=seed)
        if processes > 1:
            self.batch_size = None  # else batches of another size are taken for incomplete ones, and dropped
        self._lengths, self._budget, self._seed, self._processes = lengths, budget, seed, processes
        self._count = len(self._batches(lengths))

    def __iter__(self) -> Iterator[list[int]]:
        random = np.random.default_rng((self._seed, self.epoch))
        shuffled = random.permutation(len(self._lengths))
        batches = self._batches(self._lengths[shuffled])
        for turn in random.permutation(len(batches) // self._processes):
            for rows in batches[turn * self._processes : (turn + 1) * self._processes]:
                yield shuffled[rows].tolist()

    def _batches(self, lengths: np.ndarray) -> list[np.ndarray]:
        """Batches, longest rows first, as many as the processes can share; too few rows come twice."""
        batches = by_tokens(lengths, self._budget)
        while len(batches) % self._processes:
            largest = max(range(len(batches)), key=lambda number: len(batches[number]))
            rows = batches[largest]
            half = len(rows) // 2
            batches[largest : largest + 1] = [rows[:half], rows[half:]] if half else [rows, rows]
        return batches

    def __len__(self) -> int:
        return self._count
