"""Composed texts of Pins that did not change, or too little to matter: they are not composed, or not read, again."""

from collections import Counter

import pyarrow as pa
import pyarrow.compute as pc
from tokenizers import Tokenizer

from limbeck import records
from limbeck.settings import Text
from limbeck.text.compose import compose


def composed(pin_texts: pa.Table, settings: Text, tokenizer: Tokenizer | None, before: pa.Table | None) -> pa.Table:
    """As `compose`, but what `before`, an earlier such table by the same settings, has of Pins stays where it may.

    A Pin that says what it said then keeps its text. So does one of whose text less than `settings.meaningful_change`
    has changed since it was composed for the models: its text in `before` is the one that they read, however often
    the Pin has changed a little since, so that little by little never becomes much.
    """
    known = before if before is not None else records.empty("composed")
    place = pc.index_in(pin_texts.column("pin_id"), known.column("pin_id"))
    old = known.take(place).combine_chunks()
    same = pc.fill_null(pc.equal(old.column("said"), pin_texts.column("digest")), False)
    anew = pc.invert(same)
    made = compose(pin_texts.filter(anew), settings, tokenizer)
    if settings.meaningful_change:
        made = _unless_changed(made, old.filter(anew), settings.meaningful_change, tokenizer)
    return _laid(same, old.filter(same), made)


def changed(old: str, new: str, tokenizer: Tokenizer | None = None) -> float:
    """The share of the longer text's tokens that the other lacks, 0 to 1; their order counts for nothing.

    Without a tokenizer, words are counted.
    """
    a, b = (Counter(tokenizer.encode(t).ids if tokenizer else t.split()) for t in (old, new))
    return 1 - (a & b).total() / max(a.total(), b.total(), 1) if old != new else 0.0


def _unless_changed(made: pa.Table, old: pa.Table, least: float, tokenizer: Tokenizer | None) -> pa.Table:
    """`made` with the row that each Pin has in `old`, where less than `least` of its text changed.

    The row still tells what was said when its text was composed: the next time, and by another `least`, the two are
    compared again.
    """
    both = zip(*(rows.column("text").to_pylist() for rows in (old, made)))
    little = pa.array([b is not None and changed(b, now, tokenizer) < least for b, now in both], pa.bool_())
    return _laid(little, old.filter(little), made.filter(pc.invert(little)))


def _laid(first: pa.BooleanArray | pa.ChunkedArray, those: pa.Table, others: pa.Table) -> pa.Table:
    """Rows of `those` where `first` holds and of `others` where it does not, each in their order."""
    place = pc.cumulative_sum(pc.cast(first, pa.int64()))
    number = pa.array(range(len(first)), pa.int64())
    here, there = pc.subtract(place, 1), pc.add(pc.subtract(number, place), those.num_rows)
    return pa.concat_tables([those, others]).take(pc.if_else(first, here, there)).combine_chunks()
