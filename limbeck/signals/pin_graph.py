"""Pins and the boards they are on, as a graph with two sides, and random walks over it, compiled.

A board here is anything that holds Pins together; `pinsage.py` says what. Every walk draws its own numbers from the
seed and the Pin it starts at, so that neither the order nor the number of Pins asked at once changes what it finds.
"""

from typing import NamedTuple

import numpy as np

from limbeck import compiled

WALKS, STEPS = 32, 2  # from each Pin; a step leads by a board to another Pin
NEIGHBOURS = 20  # that are kept: those visited most often
FAR, TRIES = 3, 4  # steps of a walk to a stranger, and walks tried until one ends at none of the Pin's own boards


class Graph(NamedTuple):
    """Compressed sparse rows of both sides: the boards of Pin p are `boards[of_pin[p]:of_pin[p + 1]]`, ascending."""

    of_pin: np.ndarray  # int64 (pins + 1,)
    boards: np.ndarray  # int32 (saves,)
    of_board: np.ndarray  # int64 (boards + 1,)
    pins: np.ndarray  # int32 (saves,)


def of(pin: np.ndarray, board: np.ndarray, pins: int, boards: int) -> Graph:
    """The graph of row-aligned numbers of Pins and boards (saves,); a Pin saved twice on a board is on it once."""
    pairs = np.unique(pin.astype(np.int64) * max(boards, 1) + board)
    pin, board = (part.astype(np.int32) for part in np.divmod(pairs, max(boards, 1)))
    del pairs
    by_board = np.argsort(board, kind="stable")
    return Graph(_ends(pin, pins), board, _ends(board, boards), pin[by_board])


def _ends(number: np.ndarray, count: int) -> np.ndarray:
    return np.concatenate([[0], np.bincount(number, minlength=count).cumsum()]).astype(np.int64)


@compiled.making
def neighbours(graph, starts, avoided, seed):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Pins that walks from the `starts` (n,) visit most: rows int32 (n, NEIGHBOURS), and shares of the visits float32.

    A walk never takes the board `avoided` (n,) of its start; −1 avoids none. Who visits nobody is its own neighbour.
    """
    found = np.zeros((len(starts), NEIGHBOURS), np.int32)
    share = np.zeros((len(starts), NEIGHBOURS), np.float32)
    visits = np.empty(WALKS * STEPS, np.int32), np.zeros(WALKS * STEPS, np.int32)
    _visit(graph, starts, avoided, seed, np.empty(1, np.uint64), visits, found, share)
    return found, share


@compiled.within
def _visit(graph, starts, avoided, seed, state, visits, found, share):  # type: ignore[no-untyped-def]  # pragma: no cover
    pins, times = visits
    for i in range(len(starts)):
        kinds, state[0] = 0, _begin(seed, starts[i])
        for _ in range(WALKS):
            here = starts[i]
            for _ in range(STEPS):
                here = _step(graph, here, avoided[i], state)
                if here < 0:
                    break
                if here != starts[i]:
                    kinds = _count(pins, times, kinds, here)
        if kinds:
            _most_visited(pins, times, kinds, found[i], share[i])
        else:
            found[i, 0], share[i, 0] = starts[i], 1


@compiled.making
def strangers(graph, starts, seed):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """For each start a Pin at the end of a longer walk that is on none of its boards; −1 where none is met."""
    found = np.full(len(starts), -1, np.int32)
    _estrange(graph, starts, seed, np.empty(1, np.uint64), found)
    return found


@compiled.within
def _estrange(graph, starts, seed, state, found):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    for i in range(len(starts)):
        state[0] = _begin(seed, starts[i])
        for _ in range(TRIES):
            here = starts[i]
            for _ in range(FAR):
                here = _step(graph, here, -1, state)
                if here < 0:
                    break
            if here >= 0 and not _share_a_board(graph, starts[i], here):
                found[i] = here
                break


@compiled.within
def _step(graph, pin, avoided, state):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Any Pin of any board of a Pin but one; −1 where it has no other board."""
    begin, count = graph.of_pin[pin], graph.of_pin[pin + 1] - graph.of_pin[pin]
    if count == 0:
        return -1
    place = _draw(state, count)
    if graph.boards[begin + place] == avoided:
        if count == 1:
            return -1
        place = (place + 1 + _draw(state, count - 1)) % count
    board = graph.boards[begin + place]
    begin = graph.of_board[board]
    return np.int64(graph.pins[begin + _draw(state, graph.of_board[board + 1] - begin)])


@compiled.within
def _most_visited(pins, times, kinds, found, share):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Fill in the Pins visited most often, equal ones by row, and their shares of these visits; empties `times`."""
    total = 0
    for place in range(min(kinds, len(found))):
        best = 0
        for kind in range(1, kinds):
            if times[kind] > times[best] or (times[kind] == times[best] and pins[kind] < pins[best]):
                best = kind
        found[place], share[place] = pins[best], times[best]
        total += times[best]
        times[best] = 0
    share /= total


@compiled.within
def _count(pins, times, kinds, pin):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """One more visit of a Pin: how many kinds there are now. They are few: looking through them beats sorting."""
    for kind in range(kinds):
        if pins[kind] == pin:
            times[kind] += 1
            return kinds
    pins[kinds], times[kinds] = pin, 1
    return kinds + 1


@compiled.within
def _share_a_board(graph, one, other):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    a, b = graph.of_pin[one], graph.of_pin[other]
    while a < graph.of_pin[one + 1] and b < graph.of_pin[other + 1]:
        if graph.boards[a] == graph.boards[b]:
            return True
        if graph.boards[a] < graph.boards[b]:
            a += 1
        else:
            b += 1
    return one == other


@compiled.within
def _begin(seed, pin):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Where the numbers of a start begin."""
    return _mixed(_mixed(np.uint64(seed)) ^ np.uint64(pin))


@compiled.within
def _draw(state, below):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """The next number from 0 to before `below`, which is less than 2³²: splitmix64."""
    state[0] += np.uint64(0x9E3779B97F4A7C15)
    return np.int64(((_mixed(state[0]) >> np.uint64(32)) * np.uint64(below)) >> np.uint64(32))


@compiled.within
def _mixed(bits):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))
