"""What a student learns of each pair, beyond the teacher's answer: people's, and how much of the log it stands for."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from limbeck.relevance import from_columns, to_columns


def mixed(soft: pa.Table, human: pa.Table, share: float) -> pa.Table:
    """The labels `soft`, those of pairs that people judged with this share of what they said; both with p1…p5."""
    place = _places(soft, human)
    judged, answers = place >= 0, from_columns(soft)
    answers[judged] = (1 - share) * answers[judged] + share * from_columns(human)[place[judged]]
    for name, column in to_columns(answers).items():
        soft = soft.set_column(soft.column_names.index(name), name, column)
    return soft


def judged(soft: pa.Table, human: pa.Table) -> np.ndarray:
    """Which rows of `soft` are of pairs that people judged, bool (n,)."""
    return _places(soft, human) >= 0


def weighed(soft: pa.Table, pairs: pa.Table) -> pa.Table:
    """The labels with a column `weight`: how many pairs of the log each stands for, by `pairs`; one where not said."""
    place = _places(soft, pairs)
    weight = np.append(pairs.column("weight").to_numpy(), 1.0).astype(np.float32)[place]
    return soft.append_column("weight", pa.array(weight))


def emphasised(soft: pa.Table, judged: np.ndarray, share: float) -> pa.Table:
    """The labels with a column `weight` by which at least this share of all is of the rows that are `judged` (n,).

    Without it the more pairs the teacher labels, the less what people said would count.
    """
    weight = soft.column("weight").to_numpy() if "weight" in soft.column_names else np.ones(soft.num_rows, np.float32)
    said, others = float(weight[judged].sum()), float(weight[~judged].sum())
    if not said or not others or said >= share * (said + others):
        return soft
    weight = np.where(judged, weight * np.float32(share / (1 - share) * others / said), weight).astype(np.float32)
    kept = soft.drop_columns(["weight"]) if "weight" in soft.column_names else soft
    return kept.append_column("weight", pa.array(weight))


def _places(rows: pa.Table, known: pa.Table) -> np.ndarray:
    """Which row of `known` has the query and pin_id of each of `rows`; −1 where none does."""
    keys = [pc.binary_join_element_wise(t.column("query"), t.column("pin_id"), "\x00") for t in (rows, known)]
    return pc.fill_null(pc.index_in(keys[0], keys[1].combine_chunks()), -1).to_numpy()
