"""Engagement: what is counted, what is not yet known at a pair's date, and what is believed of what was hardly seen."""

import itertools
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sides import assert_sides_agree

from limbeck import records
from limbeck.signals import engagement, exposures, rates, window
from limbeck.signals.engagement import END, Before, Engagement

PINS, QUERIES = ("a", "b", "c"), ("lamp", "sofa")
BEGIN = datetime(2026, 3, 1, 23, 59, tzinfo=UTC)
FIRST = (BEGIN.date() - datetime(1970, 1, 1).date()).days
LOOKS = (1.0, 0.5, 0.25, *[0.125] * 47)
POPULATION = rates.Population(LOOKS, (0.2, 0.1, 0.05), (10.0, 10.0, 10.0), (4.0, 4.0, 4.0), FIRST + 9)
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(PINS),
        st.sampled_from(QUERIES),
        st.integers(0, 9),
        st.integers(1, 4),
        st.booleans(),
        st.booleans(),
    ),
    min_size=1,
    max_size=40,
)


def impressions(events):
    rows = [
        {
            "search_id": str(i),
            "searched_at": BEGIN + timedelta(days=day),
            "user_id": "u",
            "query": query if i % 2 else f" {query.upper()} ",
            "pin_id": pin,
            "position": position,
            "clicked": clicked,
            "dwell_seconds": (9.9, 10.0)[i % 2] if clicked else None,
            "saved": saved,
        }
        for i, (pin, query, day, position, clicked, saved) in enumerate(events)
    ]
    return pa.Table.from_pylist(rows, schema=records.schema("impressions"))


def counted(events):
    """The exposures table, counted in plain Python."""
    found = {}
    for i, (pin, query, day, position, clicked, saved) in enumerate(events):
        row = found.setdefault((pin, query, FIRST + day, position), [0, 0, 0, 0])
        for j, count in enumerate((1, clicked, clicked and i % 2, saved)):
            row[j] += int(count)
    names = records.schema("exposures").names
    rows = [dict(zip(names, (*key, *row))) for key, row in sorted(found.items())]
    return pa.Table.from_pylist(rows, schema=records.schema("exposures"))


@pytest.fixture(scope="module")
def shard(tmp_path_factory):
    """Writes exposures as a shard."""
    numbers = itertools.count()
    folder = tmp_path_factory.mktemp("exposures")

    def write(table):
        path = folder / f"{next(numbers)}.parquet"
        pq.write_table(table, path)
        return path

    return write


def asked(*rows):
    """Pairs, each with its day."""
    names = ("query", "pin_id", "day")
    columns = [[row[i] for row in rows] for i in range(3)]
    return pa.table([columns[0], columns[1], pa.array(columns[2], pa.int32())], names=list(names))


def by_hand(events, pin, query, begin, end):
    """Looks and actions of a Pin, or of a pair, on the days from `begin` to before `end`."""
    mine = [
        (i, e) for i, e in enumerate(events) if e[0] == pin and query in (None, e[1]) and begin <= FIRST + e[2] < end
    ]
    looks = sum(LOOKS[e[3] - 1] for _, e in mine)
    return [looks, sum(e[4] for _, e in mine), sum(e[4] and i % 2 for i, e in mine), sum(e[5] for _, e in mine)]


# -- what is counted --


def test_the_log_is_counted_by_pin_query_day_and_position(tmp_path, monkeypatch):
    random = np.random.default_rng(0)
    events = [
        (PINS[a], QUERIES[b], int(c), int(d), bool(e), bool(f))
        for a, b, c, d, e, f in random.integers([3, 2, 2, 5, 2, 2], size=(200, 6))
    ]
    files = [tmp_path / "0.parquet", tmp_path / "1.parquet"]
    table = impressions([(*e[:3], e[3] + 1, *e[4:]) for e in events])
    pq.write_table(table.slice(0, 80), files[0])
    pq.write_table(table.slice(80), files[1])
    expected = counted([(*e[:3], e[3] + 1, *e[4:]) for e in events])
    (only,) = exposures.shards(files).values()
    assert only().equals(expected)
    monkeypatch.setattr(exposures, "ROWS_PER_BUCKET", 40)
    parts = [make() for make in exposures.shards(files).values()]
    assert len(parts) == 5
    pins = [p for part in parts for p in part.column("pin_id").unique().to_pylist()]
    assert sorted(pins) == list(PINS), "all of a Pin is in one shard"
    order = [(key, "ascending") for key in exposures.KEYS]
    assert pa.concat_tables(parts).sort_by(order).equals(expected)


@given(
    rows=st.lists(st.tuples(st.integers(0, 3), st.integers(-5, 9), st.integers(0, 3)), max_size=30),
    key=st.integers(0, 4),
    since=st.integers(-9, 12),
    days=st.integers(0, 12),
)
def test_any_window_of_any_key(rows, key, since, days):
    columns = np.asarray(rows, dtype=np.int64).reshape(-1, 3).T
    log = window.Log(columns[0], columns[1], columns[2][:, None])
    mine = [(d, n) for k, d, n in rows if k == key]
    (found,) = log.between(np.array([key]), np.array([since]), np.array([since + days]))
    assert found[0] == sum(n for d, n in mine if since <= d < since + days)
    assert log.last_day(np.array([key]), -99)[0] == max((d for d, _ in mine), default=-99)


# -- what is not known yet --


@given(events=EVENTS, day=st.integers(0, 10), days=st.integers(1, 12))
def test_only_what_was_before_a_pair_counts(shard, events, day, days):
    path = shard(counted(events))
    past = asked(*((q, p, FIRST + day) for q in QUERIES for p in (*PINS, "unknown")))
    pin, pair = engagement.before([path], POPULATION, past, days)
    for row, (query, name) in enumerate(itertools.product(QUERIES, (*PINS, "unknown"))):
        shown = [FIRST + e[2] for e in events if e[:2] == (name, query)]
        until = min([FIRST + day, *([max(shown)] if shown else [])])
        assert pin[row].tolist() == by_hand(events, name, None, until - days, until)
        assert pair[row].tolist() == by_hand(events, name, query, until - days, until)


@given(events=EVENTS, later=EVENTS, day=st.integers(1, 9))
def test_nothing_of_a_pairs_day_or_later_is_let_in(shard, events, later, day):
    earlier = [(*e[:2], min(e[2], day - 1), *e[3:]) for e in events]
    made = [
        (pin, query, day, 1, False, False) for pin in PINS for query in QUERIES
    ]  # what made them pairs to learn from
    later = [(*e[:2], max(e[2], day), *e[3:]) for e in later]
    past = asked(*((q, p, FIRST + day) for q in (*QUERIES, "never asked") for p in PINS))
    known, all_of_it = (shard(counted(rows)) for rows in (earlier + made, earlier + made + later))
    then, now = (engagement.before([path], POPULATION, past, 90) for path in (known, all_of_it))
    assert [part.tobytes() for part in then] == [part.tobytes() for part in now]


def test_a_click_of_the_day_before_counts_and_one_of_the_day_does_not(shard):
    def columns(day):
        shown = [("a", "lamp", 5, 1, False, False)]
        table = counted([*shown, *([("a", "sofa", day, 1, True, True)] if day is not None else [])])
        return engagement.before([shard(table)], POPULATION, asked(("lamp", "a", END)), 90)[0].tolist()

    assert columns(4) == [[1, 1, 1, 1]]
    assert columns(5) == columns(6) == columns(None) == [[0, 0, 0, 0]]


# -- what is believed --


def one(pin, pair):
    (row,) = rates.columns(np.asarray([pin], float), np.asarray([pair], float), POPULATION)
    return np.split(row, 2)


def test_rates_by_hand():
    pin, pair = one([30, 12, 3, 0], [1, 1, 0, 0])
    click = (12 + 10 * 0.2) / 40
    np.testing.assert_allclose(np.exp(pin[:3]), [click, (3 + 10 * 0.1) / 40, 0.5 / 40], rtol=1e-5)
    assert np.exp(pair[0]) == pytest.approx((1 + 4 * click) / 5, rel=1e-5)
    assert np.expm1([pin[3], pair[3]]).tolist() == pytest.approx([30, 1])


def test_what_was_never_seen_is_missing_as_a_whole():
    assert np.isnan(one([0, 0, 0, 0], [0, 0, 0, 0])).all()
    pin, pair = one([1, 0, 0, 0], [0, 0, 0, 0])
    assert np.isfinite(pin).all()
    assert np.isnan(pair).all()


def test_an_action_that_nobody_ever_took_has_a_finite_rate():
    nobody = rates.Population(LOOKS, (0.0, 0.0, 0.0), (1.0,) * 3, (1.0,) * 3, FIRST)
    assert np.isfinite(rates.columns(np.asarray([[1.0, 0, 0, 0]]), np.asarray([[1.0, 0, 0, 0]]), nobody)).all()


def test_the_more_pairs_differ_the_less_their_pins_rate_is_believed(shard):
    def strength(spread):
        random, rows = np.random.default_rng(0), []
        for pin, query in itertools.product(range(60), range(3)):
            rate = np.clip(random.normal(0.4, spread), 0, 1)
            clicks = int(random.binomial(12, rate))
            rows.append((f"{pin:02d}", f"{query}", FIRST, 1, 12, clicks, 0, 0))
        names = records.schema("exposures").names
        table = pa.Table.from_pylist([dict(zip(names, r)) for r in rows], schema=records.schema("exposures"))
        return rates.measure([shard(table)])

    alike, unlike = strength(0.02), strength(0.3)
    assert unlike.pair_strength[0] == pytest.approx(0.4 / 0.3**2, rel=0.4)
    assert alike.pair_strength[0] > 10 * unlike.pair_strength[0]
    assert unlike.rates[0] == pytest.approx(0.4, abs=0.05)


# -- as a signal --


@pytest.fixture(scope="module")
def built(shard, tmp_path_factory):
    """Events, the shard, and what was built of its last five days."""
    random = np.random.default_rng(1)
    events = [
        (PINS[a], QUERIES[b], int(c), int(d) + 1, bool(e), bool(f))
        for a, b, c, d, e, f in random.integers([2, 2, 10, 4, 2, 2], size=(80, 6))
    ]
    path, out = shard(counted(events)), tmp_path_factory.mktemp("engagement")
    engagement.build([path], 5, out)
    return events, path, out


def test_what_is_graded_now_is_known_by_the_last_days(built):
    events, _, out = built
    population, pins = rates.Population.load(out / "population.json"), ("c", "nobody", "b", "a")
    signal = Engagement(out, engagement.aligned(out, pa.array(pins)))
    queries, queried, rows = ["nothing", " LAMP"], np.array([1, 1, 1, 1, 0, 1]), np.array([3, 2, 0, 1, 3, -1])
    found = signal.columns(queries, queried, rows)
    end = population.last_day + 1
    looks = np.asarray(population.examination)
    for i, (query, row) in enumerate(zip(queried, rows)):
        pin = pins[row] if row >= 0 else None
        mine = [e for e in events if e[0] == pin and end - 5 <= FIRST + e[2]]
        pairs = [e for e in mine if e[1] == "lamp" and query == 1]
        for part, seen in zip(np.split(found[i], 2), (mine, pairs)):
            assert np.isnan(part).all() == (not seen)
            if seen:
                assert np.expm1(part[3]) == pytest.approx(sum(looks[e[3] - 1] for e in seen), rel=1e-4)
    assert np.isfinite(found[:2]).all()
    assert signal.columns(queries, queried[:0], rows[:0]).shape == (0, 8)
    for query in queries:
        assert_sides_agree(signal, query, rows)


def test_what_is_expected_is_the_rate_of_the_pair_else_of_the_pin_else_of_all(built):
    out, rows = built[2], np.array([0, 1, 2, -1])
    signal = Engagement(out, engagement.aligned(out, pa.array([*PINS[:2], "nobody"])))
    for query in ("lamp", " LAMP", "nothing", *QUERIES):
        columns = signal.columns([query], np.zeros(4, int), rows).astype(float)
        pin, pair = np.exp(columns[:, :3]), np.exp(columns[:, 4:7])
        known = np.where(np.isnan(pair), np.where(np.isnan(pin), signal.population.rates, pin), pair)
        np.testing.assert_allclose(signal.expected(query, rows), known, rtol=1e-5)
        assert signal.expected(query, rows[:0]).shape == (0, 3)


def test_before_the_end_of_days_is_now(built):
    _, path, out = built
    past = asked(("Never asked", "a", END), ("never asked", "b", END), ("never asked", "gone", END))
    then = Before(out, [path], past, PINS, 5)
    now = Engagement(out, engagement.aligned(out, pa.array(PINS)))
    rows = np.array([0, 1, 2, -1])
    for queries in (["never asked"], [" NEVER asked"]):
        np.testing.assert_allclose(*(s.columns(queries, np.zeros(4, int), rows) for s in (then, now)), rtol=1e-5)
    assert np.isnan(then.columns(["lamp"], np.zeros(4, int), rows)).all(), "it is no pair that was to be learnt from"
