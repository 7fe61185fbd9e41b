"""What a feature log says of pairs stands in for computing it, where it still holds, and nowhere else."""

import json
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from limbeck.errors import InputError
from limbeck.records import conform
from limbeck.signals import logged
from limbeck.signals.engagement import END
from limbeck.signals.joined import Joined
from limbeck.signals.logged import NAMES, ROW, VERSIONS, Layout, Logged
from limbeck.signals.signal import Group

PINS = ({"title": "red sofa"}, {"title": "blue lamp"}, {"title": "red lamp"})
VERSION = {"match": "1", "engagement": "1", "told": "a"}
DAY = 100  # of the judgments: days since 1970


class Counted:
    """A signal that says how it was asked; `name` is that of a part."""

    def __init__(self, name):
        self.groups = (Group(f"{name}.pin", "pin", ("row",)), Group(name, "pair", ("x",)))
        self.asked = []

    def columns(self, queries, asked, rows):
        self.asked += [(queries[number], row) for number, row in zip(asked.tolist(), rows.tolist())]
        return np.stack([rows, rows + 0.5], axis=1).astype(np.float32)


@pytest.fixture
def signals():
    return {name: Counted(name) for name in ("engagement", "told")}


@pytest.fixture
def joined(index, signals):
    return Joined(index(*PINS), list(signals.values()))


@pytest.fixture
def write(tmp_path, joined):
    """Writes a file of the log: rows of (query, pin_id, day, text, the number that all its features are)."""
    folder = tmp_path / "seen"
    folder.mkdir()

    def write(name, rows, names=None, **versions):
        names = list(names or joined.names)
        columns = list(zip(*rows))
        at = [datetime.fromtimestamp(day * 86_400, UTC) for day in columns[2]]
        features = [np.full(len(names), number, np.float32) for number in columns[4]]
        table = pa.table([*columns[:2], at, columns[3], features], schema=ROW)
        told = {NAMES: json.dumps(names), VERSIONS: json.dumps({**VERSION, **versions})}
        pq.write_table(table.replace_schema_metadata(told), folder / f"{name}.parquet")
        return folder

    return write


def chosen(folder, joined, *wanted):
    """The table `logged` for pairs (query, pin_id, text, day), by pair: the parts that hold, and the features."""
    columns = dict(zip(("query", "pin_id", "text"), zip(*wanted)))
    day = pa.array([row[3] for row in wanted], pa.int32())
    wanted = pa.table({**{k: list(v) for k, v in columns.items()}, "day": day})
    shards = logged.chosen(folder, Layout(joined.names, joined.parts, VERSION), wanted)
    rows = [shard() for shard in shards.values()]
    return (
        pa.concat_tables(rows)
        if rows
        else conform(pa.table([[]] * 4, names=["query", "pin_id", "parts", "features"]), "logged")
    )


def by_pair(table):
    return {(r["query"], r["pin_id"]): (r["parts"], r["features"]) for r in table.to_pylist()}


def test_parts_are_the_match_features_and_each_signal(joined):
    count = len(joined.match.names)
    assert joined.parts == {"match": (0, count), "engagement": (count, count + 2), "told": (count + 2, count + 4)}
    rows = np.array([2, 0])
    whole = joined.pairs(["red lamp", "sofa"], rows)
    for part, (begin, end) in joined.parts.items():
        np.testing.assert_array_equal(joined.of_part(part, ["red lamp", "sofa"], rows), whole[:, begin:end])


def test_what_was_logged_is_taken_and_only_the_rest_is_computed(write, joined, signals):
    folder = write("a", [("red lamp", "2", DAY, "t2", 7), ("sofa", "0", DAY, "t0", 8)])
    table = chosen(folder, joined, ("red lamp", "2", "t2", END), ("sofa", "0", "t0", END), ("sofa", "1", "t1", END))
    taken = Logged(joined, table)
    rows = taken.rows(["1", "2", "nobody", "0"])
    found = taken.pairs(["sofa", "red lamp", "sofa", "sofa"], rows)
    np.testing.assert_array_equal(found[1], np.full(len(joined.names), 7))
    np.testing.assert_array_equal(found[3], np.full(len(joined.names), 8))
    asked = [("sofa", 1), ("sofa", -1)]
    assert {name: signal.asked for name, signal in signals.items()} == {"engagement": asked, "told": asked}
    np.testing.assert_array_equal(found[[0, 2]], joined.pairs(["sofa", "sofa"], rows[[0, 2]]))
    assert (taken.names, taken.groups) == (joined.names, joined.groups)


def test_a_pin_that_says_something_else_or_was_live_is_computed(write, joined):
    folder = write("a", [("sofa", "0", DAY, "before", 7), ("sofa", "1", DAY, None, 8), ("sofa", "2", DAY, "t2", 9)])
    pairs = [("sofa", pin, f"t{pin}", END) for pin in "012"]
    assert set(by_pair(chosen(folder, joined, *pairs))) == {("sofa", "2")}


def test_a_part_of_another_version_is_computed(write, joined, signals):
    folder = write("a", [("sofa", "0", DAY, "t0", 7)], told="another")
    table = chosen(folder, joined, ("sofa", "0", "t0", END))
    assert by_pair(table)["sofa", "0"][0] == ["match", "engagement"]
    found = Logged(joined, table).pairs(["sofa"], np.array([0]))[0]
    np.testing.assert_array_equal(found[:-2], np.full(len(found) - 2, 7))
    np.testing.assert_array_equal(found[-2:], [0, 0.5])
    assert (signals["told"].asked, signals["engagement"].asked) == ([("sofa", 0)], [])


@pytest.mark.parametrize(("day", "counts"), [(DAY - 1, True), (DAY, False), (DAY + 1, False)])
def test_what_users_did_is_never_of_the_day_of_the_first_judgment_or_after(write, joined, day, counts):
    folder = write("a", [("sofa", "0", day, "t0", 7)])
    parts, features = by_pair(chosen(folder, joined, ("sofa", "0", "t0", DAY)))["sofa", "0"]
    assert ("engagement" in parts) == counts
    begin, end = joined.parts["engagement"]
    assert np.isnan(features[begin:end]).all() != counts
    assert {"match", "told"} <= set(parts)


def test_of_several_rows_the_one_that_holds_most_is_taken_and_of_those_the_first(write, joined):
    write("b", [("sofa", "0", DAY, "t0", 1)], told="old")
    write("c", [("sofa", "0", DAY + 2, "t0", 2), ("sofa", "0", DAY + 1, "t0", 3)])
    folder = write("a", [("sofa", "0", DAY + 3, "t0", 4), ("other", "0", DAY, "t0", 5)])
    table = chosen(folder, joined, ("sofa", "0", "t0", END))
    assert by_pair(table)["sofa", "0"][1][0] == 3


def test_features_in_another_order_and_new_ones_are_laid_out_as_they_are_now(write, joined):
    moved = [*joined.names[-2:], *joined.names[:-4]]
    folder = write("a", [("sofa", "0", DAY, "t0", 7)], names=moved)
    parts, features = by_pair(chosen(folder, joined, ("sofa", "0", "t0", END)))["sofa", "0"]
    assert parts == ["match", "told"]
    assert np.isnan(features[-4:-2]).all()
    assert set(features[:-4]) | set(features[-2:]) == {7}


def test_more_of_the_log_changes_only_what_it_says_of_new_pairs(write, joined):
    pairs = [("sofa", "0", "t0", END), ("lamp", "1", "t1", END)]
    folder = write("a", [("sofa", "0", DAY, "t0", 7)])
    before, print_before = chosen(folder, joined, *pairs), logged.fingerprint(folder)
    write("b", [("sofa", "0", DAY + 1, "t0", 8), ("nobody asked", "0", DAY, "t0", 9)])
    assert chosen(folder, joined, *reversed(pairs)).equals(before)
    assert logged.fingerprint(folder) != print_before
    write("c", [("lamp", "1", DAY, "t1", 1)])
    assert set(by_pair(chosen(folder, joined, *pairs))) == {("sofa", "0"), ("lamp", "1")}


def test_an_empty_log_says_nothing(tmp_path, joined):
    assert logged.files(tmp_path / "nowhere") == []
    table = chosen(tmp_path / "nowhere", joined, ("sofa", "0", "t0", END))
    rows = np.array([0, -1])
    np.testing.assert_array_equal(Logged(joined, table).pairs(["a", "b"], rows), joined.pairs(["a", "b"], rows))


def test_a_file_that_is_no_feature_log_is_named(tmp_path, joined):
    (tmp_path / "x.parquet").write_bytes(b"no")
    with pytest.raises(InputError, match=r"x\.parquet.*not a file of a feature log"):
        chosen(tmp_path, joined, ("sofa", "0", "t0", END))
    pq.write_table(pa.table({"query": ["a"]}), tmp_path / "x.parquet")
    with pytest.raises(InputError, match=r"its columns are others"):
        chosen(tmp_path, joined, ("sofa", "0", "t0", END))
