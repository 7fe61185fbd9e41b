"""Who labels which pair, and in which order: dealt anew whenever a desk opens, from what was said before."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from limbeck.rate.store import ADMIN, Answer, Event, Pair
from limbeck.workspace import digest_of


def deal(
    pairs: Sequence[Pair], raters: Sequence[str], each: int, seed: int, answers: Iterable[Answer]
) -> dict[str, list[str]]:
    """Each rater's pairs in the rater's own order; `each` raters for every pair, and all of them for gold pairs.

    Who answered a pair keeps it. The rest goes to whoever has least so far, so that new raters take their share; an
    order depends on nothing but seed, rater and pair.
    """
    spoken: dict[str, set[str]] = {pair.pair: set() for pair in pairs}
    for answer in answers:
        spoken[answer.pair].add(answer.person)
    load = Counter({rater: sum(rater in people for people in spoken.values()) for rater in raters})
    turns: dict[str, list[str]] = {rater: [] for rater in raters}
    for pair in sorted(pairs, key=lambda p: digest_of(str(seed), p.pair)):
        for rater in _chosen(pair, spoken[pair.pair], load, each):
            turns[rater].append(pair.pair)
    return {rater: sorted(mine, key=lambda p: digest_of(str(seed), rater, p)) for rater, mine in turns.items()}


def _chosen(pair: Pair, spoken: set[str], load: Counter[str], each: int) -> list[str]:
    """The raters of one pair; those that are added to the ones who spoke count as their load."""
    kept = [rater for rater in load if rater in spoken]
    free = sorted(load.keys() - spoken, key=lambda rater: (load[rater], digest_of(rater, pair.pair)))
    added = free if pair.gold is not None else free[: max(each - len(spoken - {ADMIN}), 0)]
    load.update(added)
    return kept + added


class Progress:
    """Where a rater stands, in memory: the rater's pairs in order, and which of them are answered."""

    def __init__(self, turns: Sequence[str], answered: Sequence[str]) -> None:
        self._turns, self._answered = turns, dict.fromkeys(answered)  # the one answered last stands last

    def apply(self, events: Iterable[Event]) -> None:
        """What the rater just did."""
        for event in events:
            self._answered.pop(event.pair, None)
            if event.action != "undo":
                self._answered[event.pair] = None

    def ahead(self, holding: Collection[str], most: int) -> list[str]:
        """The next unanswered pairs, but for those that the browser holds already."""
        passed = self._answered.keys() | set(holding)
        waiting = (pair for pair in self._turns if pair not in passed)
        return [pair for pair, _ in zip(waiting, range(most))]

    def past(self, most: int) -> list[str]:
        """The pairs answered last, the latest one last."""
        return list(self._answered)[-most:]

    def counts(self) -> tuple[int, int]:
        """How many of the rater's pairs are answered, and how many there are."""
        return sum(pair in self._answered for pair in self._turns), len(self._turns)


def progress(turns: Mapping[str, Sequence[str]], answers: Iterable[Answer]) -> dict[str, Progress]:
    """Where every rater stands when a desk opens."""
    said: dict[str, list[str]] = {rater: [] for rater in turns}
    for answer in sorted(answers, key=lambda a: a.at):
        if answer.person in said:
            said[answer.person].append(answer.pair)
    return {rater: Progress(turns[rater], said[rater]) for rater in turns}
