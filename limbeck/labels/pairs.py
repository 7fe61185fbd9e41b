"""Which pairs the teacher labels: a stratified sample of the search log, or, without one, what retrieval finds.

Which pairs are taken depends only on the seed and the pairs there are, never on the order of files, rows or queries.
"""

import itertools
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from limbeck.labels import log, strata
from limbeck.records import conform, empty, schema
from limbeck.settings import Labels

FREQUENCIES = ("head", "torso", "tail")
DEPTH = 200  # ranks of retrieval that pairs are mined from
Query = tuple[str, str | None, str | None]  # text, language, country
_ORDER = [("query", "ascending"), ("pin_id", "ascending")]


def frequency(files: Sequence[Path]) -> dict[str, str]:
    """Each query of the log as "head", "torso" or "tail".

    Head are the most frequent queries that together have a third of all searches, torso those that have the next third.
    """
    counts = log.searches(files).sort_by([("searches", "descending"), ("query", "ascending")])
    searches = counts.column("searches").to_numpy()
    before = np.cumsum(searches) - searches
    third = 3 * before // max(int(searches.sum()), 1)
    return {q: FREQUENCIES[i] for q, i in zip(counts.column("query").to_pylist(), third.tolist())}


def from_log(
    files: Sequence[Path], wanted: int, settings: Labels, seed: int, allowed: Callable[[str], bool]
) -> pa.Table:
    """`wanted` distinct pairs of the log, or all there are, stratified by language, country and query frequency.

    Only queries that are `allowed` count and are taken. `weight` is the pairs of the log per sampled pair of a stratum.
    A larger `wanted` only adds pairs.
    """
    kinds = {query: kind for query, kind in frequency(files).items() if allowed(query)}
    if not kinds:
        return empty("pairs")
    # One dictionary per column over all buckets: about 30 bytes a pair, however long the queries are.
    population = pa.concat_tables(_stratified(bucket, kinds) for bucket in log.pairs(files, seed))
    population = population.unify_dictionaries().combine_chunks()
    return strata.sample(population, wanted, settings.stratum_power).sort_by(_ORDER)


def from_catalogue(
    queries: Sequence[Query],
    search: Callable[[str, int], list[str]],
    pin_ids: Sequence[str],
    settings: Labels,
    seed: int,
) -> pa.Table:
    """`settings.per_query` pairs for each query, so that all levels appear.

    Six in ten are the first that `search` finds ("en/US/top"), three are spread over the ranks below, down to `DEPTH`
    ("…/deep"), one is any other Pin ("…/random"). `weight` is the query's pairs of that kind per pair taken.
    """
    catalogue = sorted(pin_ids)
    distinct = {query[0]: query for query in sorted(queries, key=lambda q: (q[0], q[1] or "", q[2] or ""))}
    rows: list[tuple[object, ...]] = []
    for query in distinct.values():
        chance = random.Random(f"{seed}\x1f{query[0]}")
        rows += _mined(query, search(query[0], DEPTH), catalogue, settings.per_query, chance)
    columns = zip(*rows) if rows else [()] * len(schema("pairs"))
    made = pa.table([pa.array(c, f.type) for c, f in zip(columns, schema("pairs"))], schema=schema("pairs"))
    return made.sort_by(_ORDER)


def with_judged(pairs: pa.Table, judged: pa.Table, allowed: Callable[[str], bool]) -> pa.Table:
    """`pairs` and, as stratum "judged", the pairs of `judged` with an allowed query that are not yet among them."""
    keys = ["query", "pin_id"]
    people = judged.group_by(keys).aggregate([("language", "min"), ("country", "min")])
    people = people.rename_columns({"language_min": "language", "country_min": "country"})
    people = people.join(pairs.select(keys), keys, join_type="left anti")
    people = people.filter(_each(people.column("query"), allowed, pa.bool_()))
    people = people.append_column("stratum", pa.repeat("judged", len(people)))
    people = people.append_column("weight", pa.repeat(1.0, len(people)))
    return pa.concat_tables([pairs, conform(people, "pairs")]).sort_by(_ORDER)


def _stratified(bucket: pa.Table, kinds: Mapping[str, str]) -> pa.Table:
    """The pairs of one bucket whose query has a kind, with their stratum ("en/US/head"); texts as dictionaries."""
    kind = _each(bucket.column("query"), kinds.get, pa.string())
    place = [pc.fill_null(bucket.column(name), "-") for name in ("language", "country")]
    rows = bucket.append_column("stratum", pc.binary_join_element_wise(*place, kind, "/")).filter(pc.is_valid(kind))
    for i, field in enumerate(rows.schema):
        if field.type == pa.string():
            rows = rows.set_column(i, field.name, rows.column(i).dictionary_encode())
    return rows


def _each(column: pa.ChunkedArray, function: Callable[[str], object], kind: pa.DataType) -> pa.Array:
    """`function` of each text of a column, called once for each distinct one."""
    encoded = column.combine_chunks().dictionary_encode()
    return pa.array(map(function, encoded.dictionary.to_pylist()), kind).take(encoded.indices)


def _mined(
    query: Query, found: list[str], catalogue: list[str], wanted: int, chance: random.Random
) -> Iterator[tuple[object, ...]]:
    """One query's pairs, kind by kind."""
    text, language, country = query
    deep, other = 3 * wanted // 10, wanted // 10
    top, below = found[: wanted - deep - other], found[wanted - deep - other :]
    kinds = {
        "top": (top, len(top)),
        "deep": (_spread(below, deep, chance), len(below)),
        "random": (_others(catalogue, set(found), other, chance), len(catalogue) - len(found)),
    }
    for kind, (pins, available) in kinds.items():
        stratum = f"{language or '-'}/{country or '-'}/{kind}"
        yield from ((text, pin, language, country, stratum, available / len(pins)) for pin in pins)


def _spread(ranked: list[str], wanted: int, chance: random.Random) -> list[str]:
    """One of each of `wanted` equal stretches of a ranking; all of it where it is shorter."""
    n = min(wanted, len(ranked))
    edges = [len(ranked) * i // n for i in range(n + 1)] if n else []
    return [ranked[chance.randrange(a, b)] for a, b in itertools.pairwise(edges)]


def _others(catalogue: list[str], found: set[str], wanted: int, chance: random.Random) -> list[str]:
    """`wanted` random Pins that were not found; fewer where there are no more."""
    drawn = chance.sample(catalogue, min(len(catalogue), wanted + len(found)))
    return [pin for pin in drawn if pin not in found][:wanted]
