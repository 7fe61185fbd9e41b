"""The written-down rule: the true relevance level of any (query, Pin). Nothing downstream but `measure` may see it.

A query asks for a thing or for a whole interest ("boho living room ideas"), with up to two attributes.

Asked for a thing:      5 that thing with every asked attribute; 4 that thing, one attribute missing or another;
                        3 that thing, two of them missing; 3 a sibling or a complement of it;
                        2 anything else of its interest; 1 otherwise.
Asked for an interest:  5 of that interest with every asked attribute; 3 of that interest, one or more missing;
                        2 of another interest, but with every asked attribute (if any was asked); 1 otherwise.

A narrower attribute meets a broader wish (navy is blue, oak is wood, vegan is vegetarian), not the other way round.
"""

from dataclasses import dataclass

import numpy as np

from limbeck.sources.world.vocabulary import RELATED, SATISFIES


@dataclass(frozen=True, slots=True)
class Facets:
    """What Pins are, or what queries ask for, as codes; −1 for no thing asked, no attribute asked or had."""

    interest: np.ndarray  # (n,) int16
    thing: np.ndarray  # (n,) int16
    attributes: np.ndarray  # (n, 4) int16: colour, material, style, occasion

    def __len__(self) -> int:
        return len(self.thing)

    def take(self, rows: np.ndarray | slice) -> "Facets":
        """Some of the rows, in the given order."""
        return Facets(self.interest[rows], self.thing[rows], self.attributes[rows])


def levels(asked: Facets, shown: Facets) -> np.ndarray:
    """The true levels (n,) int8 of n pairs; either side may be of length one."""
    missed = (~SATISFIES[asked.attributes, shown.attributes]).sum(axis=1)
    same_interest = asked.interest == shown.interest
    related = RELATED[asked.thing, shown.thing]
    elsewhere = np.where(same_interest, 2, 1)
    for_thing = np.where(asked.thing == shown.thing, 5 - np.minimum(missed, 2), np.where(related, 3, elsewhere))
    all_met = (missed == 0) & (asked.attributes >= 0).any(axis=1)
    for_interest = np.where(same_interest, np.where(missed == 0, 5, 3), np.where(all_met, 2, 1))
    return np.where(asked.thing < 0, for_interest, for_thing).astype(np.int8)
