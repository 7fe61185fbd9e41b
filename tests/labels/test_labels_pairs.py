import math
from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from limbeck.labels import log, pairs, strata
from limbeck.records import empty, schema
from limbeck.relevance import Split
from limbeck.settings import Labels

UNIMPORTANT = (HealthCheck.too_slow, HealthCheck.function_scoped_fixture)
DAY = datetime(2025, 1, 1, tzinfo=UTC)
Shown = tuple[int, str, str, str | None, str | None]  # search, query, pin_id, language, country


def anything(query: str) -> bool:
    return True


def impressions(rows: list[Shown]) -> pa.Table:
    fixed = {"searched_at": DAY, "user_id": "u", "position": 1, "clicked": False, "dwell_seconds": None, "saved": False}
    names = ("search_id", "query", "pin_id", "language", "country")
    return pa.Table.from_pylist(
        [fixed | dict(zip(names, (f"s{search}", *rest))) for search, *rest in rows], schema=schema("impressions")
    )


def written(folder: Path, *shards: list[Shown]) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{i}.parquet" for i in range(len(shards))]
    for path, rows in zip(paths, shards):
        pq.write_table(impressions(rows), path)
    return paths


def busy_log(searches: int = 600) -> list[Shown]:
    """A log in which few queries are searched often, in three languages and four countries, some of them unknown."""
    places = [("en", "US"), ("en", "GB"), ("de", "DE"), (None, "US"), ("ja", None)]
    rows: list[Shown] = []
    for s in range(searches):
        number = int(40 / (1 + s % 23)) + s % 3
        rows += [(s, f"q{number} é猫", f"p{(7 * s + 3 * i) % 50}", *places[(s * s + number) % 5]) for i in range(5)]
    return rows


LOG = busy_log()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return written(tmp_path_factory.mktemp("log"), LOG[:700], LOG[700:2_000], LOG[2_000:])


def sampled(files: list[Path], wanted: int, seed: int = 0, allowed: Callable[[str], bool] = anything) -> pa.Table:
    return pairs.from_log(files, wanted, Labels(), seed, allowed)


def keys(table: pa.Table) -> set[tuple[str, str]]:
    return set(zip(table.column("query").to_pylist(), table.column("pin_id").to_pylist()))


def strata_by_hand(rows: list[Shown]) -> dict[tuple[str, str], str]:
    """Each pair's stratum, in plain Python and SQL."""
    shown = impressions(rows)  # noqa: F841 (DuckDB reads it by its name)
    counts = duckdb.sql("select query, count(distinct search_id) n from shown group by query").fetchall()
    total, before, kinds = sum(n for _, n in counts), 0, {}
    for query, n in sorted(counts, key=lambda c: (-c[1], c[0])):
        share = Fraction(before, total)
        kinds[query] = "head" if share < Fraction(1, 3) else "torso" if share < Fraction(2, 3) else "tail"
        before += n
    places: dict[tuple[str, str], Counter[tuple[str | None, str | None]]] = defaultdict(Counter)
    for _, query, pin_id, language, country in rows:
        places[query, pin_id][language, country] += 1
    chosen = {
        pair: min(found, key=lambda place: (-found[place], place[0] or "~", place[1] or "~"))
        for pair, found in places.items()
    }
    return {pair: f"{a or '-'}/{b or '-'}/{kinds[pair[0]]}" for pair, (a, b) in chosen.items()}


# -- frequency --


def test_a_third_of_all_searches_is_head_the_next_torso_the_rest_tail(tmp_path: Path) -> None:
    counts = {"a": 4, "b": 2, "c": 2, "d": 2, "e": 1, "f": 1}  # of 12: a has a third, b and c the next
    rows = [(f"{q}{i}", q, p, "en", "US") for q, n in counts.items() for i in range(n) for p in ("p1", "p2")]
    found = pairs.frequency(written(tmp_path, rows))  # type: ignore[arg-type]
    assert found == {"a": "head", "b": "torso", "c": "torso", "d": "tail", "e": "tail", "f": "tail"}


def test_frequency_counts_searches_not_pins_shown(tmp_path: Path) -> None:
    long_page: list[Shown] = [(0, "long", f"p{i}", "en", "US") for i in range(50)]
    short_pages: list[Shown] = [(1 + i, "short", "p1", "en", "US") for i in range(3)]
    assert pairs.frequency(written(tmp_path, long_page + short_pages)) == {"short": "head", "long": "tail"}


def test_frequency_and_strata_are_those_counted_by_hand(files: list[Path]) -> None:
    expected = strata_by_hand(LOG)
    everything = sampled(files, 10**9)
    assert (
        dict(
            zip(
                zip(*(everything.column(n).to_pylist() for n in ("query", "pin_id"))),
                everything.column("stratum").to_pylist(),
            )
        )
        == expected
    )
    assert pairs.frequency(files) == {query: stratum.split("/")[2] for (query, _), stratum in expected.items()}
    assert set(everything.column("weight").to_pylist()) == {1.0}


def test_a_log_without_rows_or_files_gives_no_pairs(tmp_path: Path) -> None:
    for nothing in ([], written(tmp_path, [])):
        assert pairs.frequency(nothing) == {}
        assert sampled(nothing, 10).equals(empty("pairs"))


# -- the sample --


@pytest.mark.parametrize("wanted", [0, 1, 5, 40, 333, 10**6])
def test_weights_times_samples_are_the_sizes_of_strata(files: list[Path], wanted: int) -> None:
    sizes = Counter(strata_by_hand(LOG).values())
    table = sampled(files, wanted)
    assert table.schema.equals(schema("pairs"))
    assert len(table) == len(keys(table)) == min(wanted, sizes.total())
    weights: dict[str, float] = defaultdict(float)
    for stratum, weight in zip(table.column("stratum").to_pylist(), table.column("weight").to_pylist()):
        weights[stratum] += weight
    for stratum, total in weights.items():
        assert total == pytest.approx(sizes[stratum], rel=1e-5)
    assert wanted < len(sizes) or weights.keys() == sizes.keys()


def test_a_larger_sample_holds_the_smaller_one(files: list[Path]) -> None:
    samples = [keys(sampled(files, wanted)) for wanted in (10, 11, 50, 200, 1_000)]
    assert all(small < large for small, large in pairwise(samples))


def test_another_seed_takes_other_pairs(files: list[Path]) -> None:
    assert keys(sampled(files, 50, seed=1)) != keys(sampled(files, 50, seed=2))


def test_files_rows_and_buckets_in_any_order_give_the_same_table(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, frequency = sampled(files, 100), pairs.frequency(files)
    others = written(tmp_path / "odd [name]*", LOG[::-1][1_000:], LOG[::-1][:1_000])
    monkeypatch.setattr(log, "ROWS_PER_BUCKET", 400)
    assert sampled(others, 100).equals(expected)
    assert pairs.frequency(others) == frequency


def test_test_queries_are_never_taken_nor_counted(files: list[Path]) -> None:
    split = Split()
    allowed = lambda query: split.of(query) != "test"  # noqa: E731
    everything, table = sampled(files, 10**9), sampled(files, 100, allowed=allowed)
    usable = [p for p in keys(everything) if allowed(p[0])]
    assert 0 < len(usable) < len(everything)
    assert keys(table) <= set(usable)
    assert sum(table.column("weight").to_pylist()) == pytest.approx(len(usable), rel=1e-5)


@settings(suppress_health_check=UNIMPORTANT)
@given(data=st.data())
def test_any_log_is_sampled_as_stated(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    text = st.text(st.characters(codec="utf-8", exclude_characters="\x00\x1f"), max_size=4)
    place = st.sampled_from([("en", "US"), ("en", "GB"), ("fr", "FR"), (None, "US"), (None, None)])
    row = st.tuples(st.integers(0, 9), text, st.sampled_from("abc"), place)
    rows: list[Shown] = [(s, q, p, *where) for s, q, p, where in data.draw(st.lists(row, max_size=40))]
    wanted = data.draw(st.integers(0, 50))
    expected = strata_by_hand(rows)
    table = sampled(written(tmp_path_factory.mktemp("any"), rows), wanted)
    assert len(table) == min(wanted, len(expected))
    for pair in table.to_pylist():
        assert expected[pair["query"], pair["pin_id"]] == pair["stratum"]


# -- allocation --

SIZES = st.dictionaries(st.text("abc", min_size=1, max_size=3), st.integers(0, 60), max_size=8)


@given(sizes=SIZES, wanted=st.integers(0, 200), power=st.sampled_from([0.0, 0.5, 1.0]))
def test_allocation_is_exact_capped_and_only_ever_grows(sizes: dict[str, int], wanted: int, power: float) -> None:
    taken, more = strata.allocate(sizes, wanted, power), strata.allocate(sizes, wanted + 1, power)
    assert sum(taken.values()) == min(wanted, sum(sizes.values()))
    assert all(0 <= taken[s] <= sizes[s] for s in sizes)
    assert all(taken[s] <= more[s] for s in sizes)


@given(sizes=SIZES, wanted=st.integers(0, 200))
def test_allocation_goes_with_the_square_root_of_size(sizes: dict[str, int], wanted: int) -> None:
    """No stratum that is not full is more than one pair below the share per root of any other."""
    taken = strata.allocate(sizes, wanted, 0.5)
    open_strata = [s for s in sizes if taken[s] < sizes[s]]
    for s in open_strata:
        assert all((taken[t] - 1) / math.sqrt(n) <= taken[s] / math.sqrt(sizes[s]) for t, n in sizes.items() if n)


def test_full_strata_leave_their_places_to_others() -> None:
    assert strata.allocate({"tiny": 2, "small": 100, "large": 10_000}, 112, 0.5) == {
        "tiny": 2,
        "small": 10,
        "large": 100,
    }


# -- with people's pairs --


def judgments(*rows: tuple[str, str]) -> pa.Table:
    common = {"rater_id": None, "level": 3, "judged_at": None, "language": "en", "country": "US"}
    return pa.Table.from_pylist([common | {"query": q, "pin_id": p} for q, p in rows], schema=schema("judgments"))


def test_judged_pairs_are_always_in_unless_their_query_is_for_testing(files: list[Path]) -> None:
    sample = sampled(files, 20)
    known = sample.slice(3, 1).to_pylist()[0]
    judged = judgments((known["query"], known["pin_id"]), ("new", "p1"), ("new", "p1"), ("secret", "p1"))
    table = pairs.with_judged(sample, judged, lambda query: query != "secret")
    assert keys(table) == keys(sample) | {("new", "p1")}
    assert len(table) == len(sample) + 1
    rows = {(r["query"], r["pin_id"]): r for r in table.to_pylist()}
    assert rows["new", "p1"] == {
        "query": "new", "pin_id": "p1", "language": "en", "country": "US", "stratum": "judged", "weight": 1.0
    }  # fmt: skip
    assert rows[known["query"], known["pin_id"]] == known  # so the weights of its stratum still add up


def test_without_judgments_nothing_is_added(files: list[Path]) -> None:
    sample = sampled(files, 20)
    assert pairs.with_judged(sample, empty("judgments"), anything).equals(sample)


# -- without a log --

CATALOGUE = [f"p{i:04d}" for i in range(1_000)]


def search(query: str, k: int) -> list[str]:
    """500 of the Pins, in an order of the query's own."""
    start = len(query) * 37
    return [CATALOGUE[(start + 7 * i) % 1_000] for i in range(500)][:k]


def mined(queries: list[pairs.Query], pin_ids: list[str] = CATALOGUE, per_query: int = 30, seed: int = 0) -> pa.Table:
    return pairs.from_catalogue(queries, search, pin_ids, Labels(per_query=per_query), seed)


QUERIES: list[pairs.Query] = [("red shoe", "en", "US"), ("rote Schuhe", "de", None), ("猫", None, None)]


def test_mined_pairs_cover_the_whole_ranking() -> None:
    table = mined(QUERIES)
    assert table.schema.equals(schema("pairs"))
    assert len(table) == len(keys(table)) == 90
    for query, language, country in QUERIES:
        rows = [r for r in table.to_pylist() if r["query"] == query]
        ranks: dict[str, list[int]] = defaultdict(list)
        for row in rows:
            place, kind = row["stratum"].rsplit("/", 1)
            assert place == f"{language or '-'}/{country or '-'}"
            found = search(query, 500)[: pairs.DEPTH]
            ranks[kind].append(found.index(row["pin_id"]) if row["pin_id"] in found else 999)
        assert sorted(ranks["top"]) == list(range(18))
        assert ranks["random"] == [999] * 3
        edges = [18 + 182 * i // 9 for i in range(10)]
        assert all(a <= rank < b for rank, a, b in zip(sorted(ranks["deep"]), edges, edges[1:]))


def test_mined_weights_add_up_to_the_catalogue() -> None:
    table = mined(QUERIES)
    assert sum(table.column("weight").to_pylist()) == pytest.approx(len(QUERIES) * len(CATALOGUE), rel=1e-5)


def test_mined_pairs_depend_on_no_order() -> None:
    assert mined(QUERIES[::-1] + QUERIES, CATALOGUE[::-1]).equals(mined(QUERIES))
    assert mined(QUERIES[:1]).equals(mined(QUERIES).filter(pa.compute.equal(mined(QUERIES)["query"], "red shoe")))
    assert not mined(QUERIES, seed=1).equals(mined(QUERIES))


@given(size=st.integers(0, 60), per_query=st.integers(1, 40))
def test_small_catalogues_give_what_there_is(size: int, per_query: int) -> None:
    few = CATALOGUE[:size]
    table = pairs.from_catalogue(
        [("q", None, None)], lambda _, k: few[: size // 2][:k], few, Labels(per_query=per_query), 0
    )
    assert len(table) == len(keys(table)) <= min(per_query, size)
    assert set(table.column("pin_id").to_pylist()) <= set(few)


def test_no_queries_give_no_pairs() -> None:
    assert mined([]).equals(empty("pairs"))
