"""The baseline that every search engine has: one BM25 score over all that a Pin says, calibrated to five levels."""

from pathlib import Path

import numpy as np
import pyarrow as pa

from limbeck import calibration
from limbeck.calibration import Calibration
from limbeck.relevance import from_columns
from limbeck.signals.match_index import MatchIndex

FEATURE = "all.bm25"


class TextMatch:
    """BM25 as a Grader, as a share of the best that the query could reach."""

    name = "text match"

    def __init__(self, match: MatchIndex, calibrated: Calibration) -> None:
        self._match, self._calibrated = match, calibrated

    def grade(self, pairs: pa.Table) -> np.ndarray:
        """Five probabilities per pair, float32 (n, 5)."""
        return self._calibrated(scores(self._match, pairs))

    def over(self, match: MatchIndex) -> "TextMatch":
        """The same calibration for the Pins of another index."""
        return TextMatch(match, self._calibrated)

    def save(self, folder: Path) -> None:
        """Write the calibration into a folder; the match index is kept apart."""
        self._calibrated.save(folder / "text_match.json")


def fit(match: MatchIndex, judged: pa.Table) -> TextMatch:
    """Calibrate on training judgments (query, pin_id, p1…p5)."""
    return TextMatch(match, calibration.fit(scores(match, judged), from_columns(judged)))


def load(folder: Path, match: MatchIndex) -> TextMatch:
    """What `save` wrote."""
    return TextMatch(match, Calibration.load(folder / "text_match.json"))


def scores(match: MatchIndex, pairs: pa.Table) -> np.ndarray:
    """BM25 over all fields, divided by the query's ideal: (n,), about 0 to 2.2; 0 for an unknown Pin."""
    queries = pairs.column("query").to_pylist()
    features = match.pairs(queries, match.rows(pairs.column("pin_id").to_pylist()))
    ideal = {q: max(match.ideal(q), 1e-6) for q in set(queries)}
    return features[:, match.names.index(FEATURE)] / np.asarray([ideal[q] for q in queries])
