"""Pooled states of many texts or pairs of texts by a frozen language model, as fast as the machine allows.

On CPU, BERT-shaped encoders are read without padding, one batch per core at a time (`packed.py`); on GPUs, most models
are (`unpadded.py`). Decoders whose prompt has a pair's second text first read it once for all pairs that have it
(`shared_prefix.py`). All else is read in padded batches of like length through sentence-transformers' own modules.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

from limbeck.backbone import bf16, keep_memory
from limbeck.batches import by_tokens, lengths_of
from limbeck.inference import norms, packing, shared_prefix, tokens, unpadded
from limbeck.inference.packed import PackedEncoder
from limbeck.inference.shared_prefix import SharedPrefix
from limbeck.inference.tokens import Layout, Ragged, Rows
from limbeck.inference.unpadded import Unpadded

TOKENS_PER_PACKED_BATCH = 1_024  # per core: what a layer holds of so many tokens stays in its cache
TOKENS_PER_BATCH = {"cpu": 4_096, "cuda": 65_536}  # of all other kinds
TOLERANCE = 0.1  # in a trial, of how far the states of two pairs are from each other: bfloat16 may round so much
Advance = Callable[[int], None]
Batches = Iterator[tuple[np.ndarray, torch.Tensor]]  # row numbers and their states


class Reader:
    """Reads with the first two modules (Transformer, Pooling) of a `CrossEncoder` or `SentenceTransformer`.

    The transformer's weights are turned to bfloat16 where that is fast, unless what is read has to be `exact`. What is
    read does not depend on the order of the rows; how it is rounded may depend, in the last digits, on the rows beside
    it.
    """

    def __init__(self, model: Any, exact: bool = False) -> None:
        keep_memory()
        self._model = model.eval()
        self._transformer, self._pooling = model[0], model[1]
        if bf16() and not exact:
            self._transformer.to(torch.bfloat16)
        inner, pooling = self._transformer.model, self._pooling.pooling_mode
        on_cpu = model.device.type == "cpu"
        if not on_cpu:
            norms.fuse(inner)
        self._packed = PackedEncoder(inner, pooling) if on_cpu and PackedEncoder.knows(inner, pooling) else None
        self._shared = SharedPrefix(inner) if SharedPrefix.knows(inner, pooling) else None
        self._unpadded = Unpadded(inner, pooling) if Unpadded.knows(inner, pooling) else None
        self._budget = TOKENS_PER_BATCH[model.device.type]
        self._tokenizer = _uncut(model.tokenizer)
        self._layouts: dict[bool, Layout | None] = {}
        self._together: SharedPrefix | None = None  # proven to read pairs rightly
        self._flat: dict[bool, Unpadded | None] = {}  # likewise texts and pairs

    def texts(self, texts: Sequence[str], advance: Advance = lambda n: None) -> np.ndarray:
        """The pooled state of each text, float32 (n, H). `advance` hears how many more are done."""
        return self._read((texts,), advance)

    def pairs(self, first: Sequence[str], second: Sequence[str], advance: Advance = lambda n: None) -> np.ndarray:
        """The pooled state of each pair of texts, float32 (n, H)."""
        return self._read((first, second), advance)

    def tokens(self, texts: Sequence[str]) -> list[bytes]:
        """The ids of each text, uncut: texts with the same ids are read alike."""
        ragged = tokens.tokenize(self._tokenizer, texts)
        return [ragged.ids[begin:end].tobytes() for begin, end in pairwise(ragged.ends)]

    def lengths(self, first: Sequence[str], second: Sequence[str]) -> np.ndarray:
        """Tokens of each pair of texts as it is read, special tokens included: int64 (n,)."""
        layout = self._layout(True)
        if layout is None:
            return lengths_of(self._model.tokenizer, first, second, limit=self._model.max_seq_length)
        return self._rows(layout, (first, second)).lengths

    @torch.inference_mode()
    def _read(self, texts: tuple[Sequence[str], ...], advance: Advance) -> np.ndarray:
        found = np.zeros((len(texts[0]), self._pooling.get_embedding_dimension()), dtype=np.float32)
        for rows, states in _one_behind(self._batches(texts)):
            found[rows] = states.float().cpu().numpy()
            advance(len(rows))
        return found

    def _batches(self, texts: tuple[Sequence[str], ...]) -> Batches:
        layout = self._layout(len(texts) > 1)
        if layout is None:
            return self._padded_batches(texts)
        rows = self._rows(layout, texts)
        if self._packed is not None:
            return self._packed_batches(self._packed, rows)
        return self._mixed_batches(rows, texts)

    def _packed_batches(self, packed: PackedEncoder, rows: Rows) -> Batches:
        def read(chosen: np.ndarray) -> torch.Tensor:
            return packed(packing.pack(rows, chosen, packed.has_types))

        batches = packing.batches(rows.lengths, TOKENS_PER_PACKED_BATCH)
        if len(batches) < 2:  # a query, perhaps: not worth a thread
            yield from ((chosen, read(chosen)) for chosen in batches)
            return
        with one_batch_per_core() as workers:
            yield from zip(batches, workers.map(torch.inference_mode()(read), batches))

    def _mixed_batches(self, rows: Rows, texts: tuple[Sequence[str], ...]) -> Batches:
        """Pairs that share their beginning together; all others without padding where the model can, else with it."""
        together, flat = self._together if len(texts) > 1 else None, self._flat[len(texts) > 1]
        alone = np.arange(len(texts[0]))
        if together is not None:
            groups = shared_prefix.groups(rows)
            alone = np.asarray([group[0] for group in groups if len(group) == 1], dtype=np.int64)
            yield from self._shared_batches(together, rows, [group for group in groups if len(group) > 1])
        if flat is not None:
            yield from self._flat_batches(flat, rows, alone)
            return
        for numbers, states in self._padded_batches(tuple([column[i] for i in alone.tolist()] for column in texts)):
            yield alone[numbers], states

    def _shared_batches(self, shared: SharedPrefix, rows: Rows, groups: Sequence[np.ndarray]) -> Batches:
        for chosen in by_tokens(shared_prefix.lengths(rows, groups), self._budget):
            batch = [groups[number] for number in chosen]
            yield np.concatenate(batch), shared(rows, batch)

    def _flat_batches(self, flat: Unpadded, rows: Rows, alone: np.ndarray) -> Batches:
        """The next batch is laid out while the model reads this one."""
        batches = [alone[numbers] for numbers in unpadded.batches(rows.lengths[alone], self._budget)]
        with ThreadPoolExecutor(1) as laying_out:
            for chosen, batch in _one_ahead(laying_out, lambda chosen: unpadded.flat(rows, chosen), batches):
                yield chosen, flat(batch)

    def _layout(self, pairs: bool) -> Layout | None:
        """How the model lays its rows out, learnt when it is first asked for; None where they are to be read padded."""
        if pairs not in self._layouts:
            self._layouts[pairs] = self._learn(pairs)
        return self._layouts[pairs]

    def _learn(self, pairs: bool) -> Layout | None:
        shared = self._shared if pairs else None
        if self._packed is None and shared is None and self._unpadded is None:
            return None
        layout = tokens.learn(self._tokenizer, self._model.preprocess, self._model.max_seq_length, pairs)
        if layout is None or self._packed is not None:
            return layout
        if shared is not None and self._reads_together(shared, layout):
            self._together = shared
        flat = self._unpadded
        self._flat[pairs] = flat if flat is not None and self._reads_flat(flat, layout, pairs) else None
        return layout if self._flat[pairs] or (pairs and self._together) else None

    def _reads_together(self, shared: SharedPrefix, layout: Layout) -> bool:
        """Whether a pair's second text comes first, and two pairs that share it can be read in one row."""
        texts = shared_prefix.trial(layout.limit)
        return layout.order != (0, 1) and self._agrees(layout, texts, lambda rows: shared(rows, [np.arange(2)]))

    def _reads_flat(self, model: Unpadded, layout: Layout, pairs: bool) -> bool:
        """Whether rows can be read one after the other without padding."""
        texts = unpadded.trial(layout.limit, pairs)
        return self._agrees(layout, texts, lambda rows: model(unpadded.flat(rows, np.arange(2))))

    @torch.inference_mode()
    def _agrees(self, layout: Layout, texts: tuple[list[str], ...], read: Callable[[Rows], torch.Tensor]) -> bool:
        """Whether two rows that are read in this way have the states that they have apart."""
        try:
            found = read(self._rows(layout, texts)).float().cpu().numpy()
        except (IndexError, RuntimeError, TypeError, ValueError):  # some kinds take no mask or attention but their own
            return False
        apart = np.zeros_like(found)
        for numbers, states in self._padded_batches(texts):
            apart[numbers] = states.float().cpu().numpy()
        return bool(np.linalg.norm(found - apart) < TOLERANCE * np.linalg.norm(apart[0] - apart[1]))

    def _rows(self, layout: Layout, texts: tuple[Sequence[str], ...]) -> Rows:
        """Each different text is tokenised once."""
        ragged: list[Ragged] = []
        chosen = []
        for column in texts:
            number = {text: i for i, text in enumerate(dict.fromkeys(column))}
            ragged.append(tokens.tokenize(self._tokenizer, list(number)))
            chosen.append(np.fromiter((number[text] for text in column), np.int64, len(column)))
        return Rows.of(layout, tuple(ragged), tuple(chosen))

    def _padded_batches(self, texts: tuple[Sequence[str], ...]) -> Batches:
        """The texts of the next batch are tokenised while the model reads this one: no accelerator waits for them."""

        def tokenised(rows: np.ndarray) -> Any:
            chosen = [[column[i] for i in rows] for column in texts]
            return self._model.preprocess(list(zip(*chosen)) if len(texts) > 1 else chosen[0])

        lengths = lengths_of(self._model.tokenizer, *texts, limit=self._model.max_seq_length)
        with ThreadPoolExecutor(1) as tokenising:
            for rows, features in _one_ahead(tokenising, tokenised, by_tokens(lengths, self._budget)):
                there = {k: v.to(self._model.device) if isinstance(v, torch.Tensor) else v for k, v in features.items()}
                yield rows, self._pooling(self._transformer(there))["sentence_embedding"]


def _one_ahead(
    pool: ThreadPoolExecutor, work: Callable[[np.ndarray], Any], items: Iterable[np.ndarray]
) -> Iterator[tuple[np.ndarray, Any]]:
    """Each item and what `work` makes of it, that of the next one being under way."""
    waiting: deque[tuple[np.ndarray, Future[Any]]] = deque()
    for item in items:
        waiting.append((item, pool.submit(work, item)))
        if len(waiting) > 1:
            before, made = waiting.popleft()
            yield before, made.result()
    for item, made in waiting:
        yield item, made.result()


def _one_behind(batches: Batches) -> Batches:
    """Each batch once the next one is under way: an accelerator does that while this one's states are fetched."""
    before = None
    for batch in batches:
        if before is not None:
            yield before
        before = batch
    if before is not None:
        yield before


def _uncut(tokenizer: PreTrainedTokenizerFast) -> Tokenizer:
    """A copy that neither cuts nor pads, whatever the model's own was last asked to do."""
    copy = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    copy.encode_special_tokens = tokenizer.split_special_tokens  # not part of what a tokenizer writes down
    copy.no_truncation()
    copy.no_padding()
    return copy


@contextmanager
def one_batch_per_core() -> Iterator[ThreadPoolExecutor]:
    """Threads that each compute alone: a batch for each core beats one on all, where the cores wait for each other."""
    cores = torch.get_num_threads()
    workers = ThreadPoolExecutor(cores, initializer=torch.set_num_threads, initargs=(1,))
    try:
        yield workers
    finally:
        workers.shutdown(cancel_futures=True)
        torch.set_num_threads(cores)
