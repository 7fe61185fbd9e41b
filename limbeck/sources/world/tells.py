"""Which text source tells which facet of a Pin, and how often: what each carries that the others lack."""

from dataclasses import dataclass

import numpy as np

from limbeck.sources.world.truth import Facets

# source: how many are there at all, then how many of those tell the thing, colour, material, style, occasion
TELLS: dict[str, tuple[float, tuple[float, float, float, float, float]]] = {
    "title": (0.74, (0.88, 0.30, 0.12, 0.18, 0.08)),
    "description": (0.68, (0.45, 0.10, 0.45, 0.40, 0.35)),
    "caption": (0.90, (0.85, 0.85, 0.30, 0.00, 0.00)),
    "link title": (0.72, (0.90, 0.08, 0.35, 0.05, 0.05)),
    "link description": (0.60, (0.30, 0.12, 0.60, 0.35, 0.40)),
}
# A board's title tells the interest, and the style or the occasion that its owner collects for (boards.py).
# An engaged query tells what its searcher asked for: thing and attributes, in words of the user's own (queries.py).


@dataclass(frozen=True, slots=True)
class Told:
    """What one source says about each Pin."""

    there: np.ndarray  # (n,) bool: says anything
    thing: np.ndarray  # (n,) bool: names the thing
    attributes: np.ndarray  # (n, 4) int16, −1 where untold


def told(source: str, facets: Facets, rng: np.random.Generator) -> Told:
    """Draw what a source tells of these Pins."""
    present, (thing, *kinds) = TELLS[source]
    n = len(facets)
    mentioned = rng.random((n, len(kinds))) < np.array(kinds)
    return Told(rng.random(n) < present, rng.random(n) < thing, np.where(mentioned, facets.attributes, -1))
