"""Sums over windows of days, of many keys at once."""

import numpy as np


class Log:
    """Counts by key and day, laid out so that any window of any key is the difference of two running sums."""

    def __init__(self, key: np.ndarray, day: np.ndarray, counts: np.ndarray) -> None:
        """Row-aligned keys (n,) from 0, days (n,) and counts (n, c)."""
        self._first, self._span = (int(day.min()), int(day.max() - day.min()) + 2) if len(day) else (0, 2)
        place = key * self._span + (day - self._first)
        order = np.argsort(place, kind="stable")
        self._place = place[order]
        self._sums = np.concatenate([np.zeros((1, counts.shape[1])), counts[order].cumsum(axis=0, dtype=np.float64)])

    def between(self, key: np.ndarray, since: np.ndarray, until: np.ndarray) -> np.ndarray:
        """Sums (m, c) of each asked key's counts on the days from `since` on and before `until`."""
        return self._sums[self._begin(key, until)] - self._sums[self._begin(key, since)]

    def last_day(self, key: np.ndarray, otherwise: int) -> np.ndarray:
        """The last day of each asked key (m,); `otherwise` where it has none."""
        end = np.searchsorted(self._place, (key + 1) * self._span)
        last = np.append(self._place, -1)[end - 1]
        found = (end > 0) & (last >= key * self._span)
        return np.where(found, last - key * self._span + self._first, otherwise)

    def _begin(self, key: np.ndarray, day: np.ndarray) -> np.ndarray:
        """Where the rows of a key begin that are of that day or later."""
        return np.searchsorted(self._place, key * self._span + np.clip(day - self._first, 0, self._span - 1))
