"""The saves table: Pins put on boards, some out of searches, most while browsing; mostly on a board that fits."""

import numpy as np
import pyarrow as pa

from limbeck import records
from limbeck.settings import World
from limbeck.sources.world.boards import BOARDS_PER_USER, Boards, boards
from limbeck.sources.world.catalogue import NOW, Catalogue, catalogue, timestamp
from limbeck.sources.world.logs import log
from limbeck.sources.world.people import users
from limbeck.sources.world.streams import stream, weighted
from limbeck.sources.world.vocabulary import ATTRIBUTES, INTERESTS, OCCASION, STYLE

FITTING, RIGHT_INTEREST = 0.75, 0.95  # put on a board of its style or occasion; on one of its interest; else anywhere
CANDIDATES = 3  # boards looked at for one in the Pin's language


def saves(settings: World, seed: int, shard: int, shards: int) -> pa.Table:
    """One shard of the saves table: those out of a shard of the log, and an equal part of those made while browsing."""
    rng = stream(seed, "saves", shard)
    world, all_boards = catalogue(settings, seed), boards(settings, seed)
    count = settings.pins * settings.saves_per_pin
    pin = weighted(rng, world.appeal, count * (shard + 1) // shards - count * shard // shards)
    board = _browsing(rng, world, all_boards, pin)
    age = rng.random(len(pin))
    time = world.created[pin] + (age * (timestamp(NOW) - world.created[pin])).astype(np.int64)

    rows = log(settings, seed, shard)
    kept = np.flatnonzero(rows.saved)
    searched = _own_board(rng, world, all_boards, rows.user[kept], rows.pin[kept])
    return _table(
        settings,
        seed,
        np.concatenate([board, searched]),
        np.concatenate([pin, rows.pin[kept]]),
        np.concatenate([time, rows.time[kept] + 5_000_000]),
    )


def _table(settings: World, seed: int, board: np.ndarray, pin: np.ndarray, time: np.ndarray) -> pa.Table:
    """The rows in the order of time, each Pin once per board."""
    order = np.argsort(time, kind="stable")
    _, first = np.unique(np.stack([board[order], pin[order]]), axis=1, return_index=True)
    rows = order[np.sort(first)]
    all_boards = boards(settings, seed)
    columns = {
        "board_id": all_boards.board_ids[board[rows]],
        "pin_id": catalogue(settings, seed).pin_ids[pin[rows]],
        "user_id": users(settings, seed).user_ids[all_boards.owner[board[rows]]],
        "saved_at": pa.array(time[rows], pa.timestamp("us", tz="UTC")),
    }
    return pa.table(columns).cast(records.schema("saves"))


def _browsing(rng: np.random.Generator, world: Catalogue, all_boards: Boards, pin: np.ndarray) -> np.ndarray:
    """For each Pin a board of somebody's, rather of the Pin's language."""
    chance = rng.random(len(pin))
    facet = np.where(chance < FITTING, _facet(rng, world, pin), -1)
    interest = np.where(chance < RIGHT_INTEREST, world.facets.interest[pin], len(INTERESTS))
    drawn = _from_shelves(rng, all_boards, interest, facet)
    speaks = all_boards.language[drawn] == world.language[pin][:, None]
    return np.take_along_axis(drawn, speaks.argmax(axis=1)[:, None], axis=1)[:, 0]


def _facet(rng: np.random.Generator, world: Catalogue, pin: np.ndarray) -> np.ndarray:
    """The style or the occasion for which a Pin is saved."""
    style, occasion = world.facets.attributes[pin, STYLE], world.facets.attributes[pin, OCCASION]
    rather_style = (rng.random(len(pin)) < 0.5) & (style >= 0)
    return np.where(rather_style | (occasion < 0), style, occasion)


def _from_shelves(rng: np.random.Generator, all_boards: Boards, interest: np.ndarray, facet: np.ndarray) -> np.ndarray:
    """(n, CANDIDATES) boards of an interest and facet; where there is none, of the interest; else any."""
    width, everything = len(ATTRIBUTES) + 1, len(INTERESTS) * (len(ATTRIBUTES) + 1)
    titled = all_boards.interest * width + all_boards.facet + 1
    plain = all_boards.interest * width  # the interest as a whole also holds all boards that have a facet
    where = np.concatenate([titled[all_boards.facet >= 0], plain, np.full(len(all_boards), everything)])
    board = np.concatenate([np.flatnonzero(all_boards.facet >= 0), np.tile(np.arange(len(all_boards)), 2)])
    order, size = np.argsort(where, kind="stable"), np.bincount(where, minlength=everything + 1)
    start = np.cumsum(size) - size
    shelf = np.where(interest < len(INTERESTS), interest * width + facet + 1, everything)
    shelf = np.where(size[shelf] == 0, np.minimum(interest * width, everything), shelf)
    shelf = np.where(size[shelf] == 0, everything, shelf)[:, None]
    offset = (rng.random((len(shelf), CANDIDATES)) * size[shelf]).astype(np.int64)
    return board[order[start[shelf] + offset]]


def _own_board(
    rng: np.random.Generator, world: Catalogue, all_boards: Boards, user: np.ndarray, pin: np.ndarray
) -> np.ndarray:
    """For each saver the one of their own boards that fits the Pin best, give or take."""
    own = user[:, None] * BOARDS_PER_USER + np.arange(BOARDS_PER_USER)
    facets = world.facets.take(pin)
    fits = (all_boards.interest[own] == facets.interest[:, None]) * 2.0
    for kind in (STYLE, OCCASION):
        value = facets.attributes[:, kind][:, None]
        fits += (all_boards.facet[own] == value) & (value >= 0)
    best = (fits + rng.normal(0, 0.3, fits.shape)).argmax(axis=1)
    return own[np.arange(len(own)), best]
