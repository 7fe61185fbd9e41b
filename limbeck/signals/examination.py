"""How likely users are to look at a position of the page, estimated from the log without changing what is shown.

The examination hypothesis: a click needs a look and a liking, and only the look depends on the position (Richardson et
al. 2007; Craswell et al. 2008). Relevant Pins stand above others, so positions cannot be compared by click rates alone.
But rankers change their minds: the same Pin is shown for the same query now here, now there, and its clicks in the two
places differ by the look alone (intervention harvesting: Agarwal et al. 2019, arXiv 1806.03555). Every two positions
are compared over all pairs shown in both by the Mantel–Haenszel rate ratio (Greenland and Robins 1985), and the
comparisons are reconciled as wins and losses by the Bradley–Terry model, fitted by minorisation (Hunter 2004).
"""

import numpy as np

POSITIONS = 50  # those further down count as the last of them
# Clicks that every two neighbours are believed to have won from each other before anything was seen: where the log
# cannot compare positions, their bias is taken to change slowly.
PRIOR = 1.0
GRID = 1024  # examinations are multiples of one in so many: their sums in double precision are exact
_STEPS = 500


def comparisons(pair: np.ndarray, position: np.ndarray, shown: np.ndarray, clicks: np.ndarray) -> np.ndarray:
    """For every two positions k and j the clicks at k, weighted as Mantel and Haenszel do: float64 (POSITIONS,) * 2.

    Rows are the counts of a (query, Pin), numbered by `pair`, in a position from 1. Sums over parts of the log add up.
    """
    place = np.clip(position, 1, POSITIONS) - 1
    cell = np.sort(pair * POSITIONS + place)
    several = np.bincount(cell[np.diff(cell, prepend=-1) > 0] // POSITIONS, minlength=1) > 1
    telling = several[pair] & (np.bincount(pair, clicks, len(several)) > 0)[pair]
    _, unit = np.unique(pair[telling], return_inverse=True)
    cell, cells = unit * POSITIONS + place[telling], POSITIONS * (int(unit.max()) + 1 if len(unit) else 0)
    seen, won = (np.bincount(cell, n[telling], cells).reshape(-1, POSITIONS) for n in (shown, clicks))
    found = np.zeros((POSITIONS, POSITIONS))
    for k in range(POSITIONS):
        here = seen[:, k] > 0
        both, mine = seen[here], seen[here, k][:, None]
        found[k] = (won[here, k][:, None] * both / (mine + both)).sum(axis=0)
    np.fill_diagonal(found, 0)
    return found


def examination(compared: np.ndarray) -> np.ndarray:
    """Probability of a look at each position, relative to the first, float64 (POSITIONS,), at most one."""
    wins = compared + PRIOR * (np.eye(POSITIONS, k=1) + np.eye(POSITIONS, k=-1))
    met, looks = wins + wins.T, np.ones(POSITIONS)
    for _ in range(_STEPS):
        looks = wins.sum(axis=1) / (met / (looks[:, None] + looks)).sum(axis=1)
        looks /= looks[0]
    return np.clip(np.rint(looks * GRID), 1, GRID) / GRID
