"""Batches of equal token budget: nothing lost, nothing doubled, nothing over the budget."""

import itertools

import numpy as np
import pytest
from accelerate.data_loader import BatchSamplerShard
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from limbeck.batches import TokenBudgetSampler, by_tokens, lengths_of

LENGTHS = st.lists(st.integers(1, 60), max_size=80).map(lambda lengths: np.asarray(lengths, dtype=np.int64))
BUDGETS = st.integers(1, 200)
SEEDS = st.integers(0, 2**32)


def padded(lengths, rows):
    return len(rows) * max(int(lengths[row]) for row in rows)


def check(lengths, batches, budget):
    assert sorted(itertools.chain(*batches)) == list(range(len(lengths)))
    assert all(len(rows) == 1 or padded(lengths, rows) <= budget for rows in batches)


@given(LENGTHS, BUDGETS)
def test_every_row_is_in_one_batch_within_the_budget(lengths, budget):
    batches = [rows.tolist() for rows in by_tokens(lengths, budget)]
    check(lengths, batches, budget)
    longest_first = [int(lengths[row]) for row in itertools.chain(*batches)]
    assert longest_first == sorted(longest_first, reverse=True)


@given(LENGTHS, BUDGETS)
def test_batches_are_as_full_as_the_budget_allows(lengths, budget):
    batches = by_tokens(lengths, budget)
    assert all((len(rows) + 1) * lengths[rows[0]] > budget for rows in batches[:-1])


def test_rows_without_tokens_still_count():
    assert [rows.tolist() for rows in by_tokens(np.zeros(5, dtype=np.int64), 2)] == [[0, 1], [2, 3], [4]]


@given(LENGTHS, BUDGETS, SEEDS, st.integers(0, 5))
def test_an_epoch_has_every_row_once_within_the_budget(lengths, budget, seed, epoch):
    sampler = TokenBudgetSampler(lengths, budget, seed)
    sampler.set_epoch(epoch)
    batches = list(sampler)
    check(lengths, batches, budget)
    assert len(batches) == len(sampler) == len(by_tokens(lengths, budget))
    assert all(type(row) is int for row in itertools.chain(*batches))


@given(LENGTHS, BUDGETS, SEEDS, st.integers(0, 5))
def test_an_epoch_is_the_same_for_the_same_seed_whatever_came_before(lengths, budget, seed, epoch):
    one, other = (TokenBudgetSampler(lengths, budget, seed) for _ in range(2))
    list(one)
    one.set_epoch(epoch)
    other.set_epoch(epoch)
    assert list(one) == list(one) == list(other)


def test_epochs_and_seeds_differ_in_the_order_and_in_who_meets_whom():
    lengths = np.repeat(np.arange(10, 30), 20)

    def epoch(seed, number):
        sampler = TokenBudgetSampler(lengths, 300, seed)
        sampler.set_epoch(number)
        return list(sampler)

    first = epoch(0, 0)
    for other in (epoch(0, 1), epoch(1, 0)):
        assert [padded(lengths, rows) for rows in other] != [padded(lengths, rows) for rows in first]
        assert {frozenset(rows) for rows in other} != {frozenset(rows) for rows in first}


@given(st.lists(st.integers(1, 60), min_size=1, max_size=80), st.integers(40, 200), st.integers(2, 5))
def test_several_processes_share_the_rows_in_turns_of_like_batches(lengths, budget, processes):
    lengths = np.asarray(lengths)
    alone, shared = TokenBudgetSampler(lengths, budget, 0), TokenBudgetSampler(lengths, budget, 0, processes)
    batches = list(shared)
    assert len(batches) == len(shared)
    assert len(batches) % processes == 0  # none waits in vain for another
    rows = sorted(row for batch in batches for row in batch)
    if len(lengths) >= len(batches):
        assert rows == list(range(len(lengths)))
    else:
        assert set(rows) == set(range(len(lengths)))
    assert all(padded(lengths, batch) <= max(budget, lengths.max()) for batch in batches)
    assert len(alone) <= len(shared) < len(alone) + 2 * processes


def test_the_share_of_a_process_is_what_accelerate_gives_it():
    lengths = np.random.default_rng(0).integers(5, 60, 101)
    sampler = TokenBudgetSampler(lengths, 200, 0, processes=2)
    shares = [BatchSamplerShard(sampler, 2, process, even_batches=False) for process in (0, 1)]
    assert len(list(shares[0])) == len(list(shares[1])) == len(sampler) / 2
    assert sorted(row for share in shares for batch in share for row in batch) == list(range(101))


@pytest.fixture(scope="module")
def tokenizer():
    """Splits at spaces; one text is [CLS] … [SEP], a pair [CLS] … [SEP] … [SEP]."""
    words = Tokenizer(models.WordLevel({"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "[PAD]": 3}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    words.post_processor = processors.BertProcessing(("[SEP]", 2), ("[CLS]", 1))
    return PreTrainedTokenizerFast(tokenizer_object=words, unk_token="[UNK]", pad_token="[PAD]")


def test_lengths_count_special_tokens_and_stop_at_the_limit(tokenizer):
    texts, others = ["", "red", "a b c d e"], ["one two", "", "x y z"]
    assert lengths_of(tokenizer, texts, limit=None).tolist() == [2, 3, 7]
    assert lengths_of(tokenizer, texts, limit=4).tolist() == [2, 3, 4]
    assert lengths_of(tokenizer, texts, others, limit=None).tolist() == [5, 4, 11]
    assert lengths_of(tokenizer, texts, others, limit=6).tolist() == [5, 4, 6]
    assert lengths_of(tokenizer, [], limit=4).tolist() == []


def test_lengths_of_many_texts_are_in_their_order(tokenizer):
    words = [i % 7 for i in range(10_003)]
    texts = [" ".join(["w"] * count) for count in words]
    assert lengths_of(tokenizer, texts, limit=None).tolist() == [count + 2 for count in words]
