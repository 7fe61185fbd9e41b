"""What holds of any signal: its sides, asked for one by one, say what all of its columns say together."""

import numpy as np


def assert_sides_agree(signal, query, rows):
    """Of each side: the columns of its groups, in their order; what Pins are asked about may be none at all."""
    for some in (rows, rows[:0]):
        whole = signal.columns([query], np.zeros(len(some), np.int64), some)
        told = [group.of for group in signal.groups for _ in group.columns]
        for side in ("pin", "query", "pair"):
            found = signal.of_side(side, query, some)
            assert found.dtype == np.float32
            np.testing.assert_allclose(found, whole[:, np.asarray(told) == side], atol=1e-6)
        of_pairs = whole[:, np.asarray(told) == "pair"]
        within = np.full((len(some), of_pairs.shape[1] + 2), -1, np.float32)
        signal.pairs_into(query, some, within, 1)
        np.testing.assert_allclose(within[:, 1:-1], of_pairs, atol=1e-6)
        assert (within[:, [0, -1]] == -1).all()
