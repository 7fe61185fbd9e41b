"""The journal: what was acknowledged is read again, what was half written is not, what is damaged is never believed."""

import errno
import os
import signal
import subprocess
import sys
import textwrap
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limbeck.errors import WorkspaceError
from limbeck.live.journal import BEGINNING, Changes, Journal, Position, net
from limbeck.records import Pin

TEXT = st.none() | st.text(max_size=20)
TIMES = st.none() | st.datetimes(min_value=datetime(1970, 1, 1), timezones=st.just(UTC))
PINS = st.builds(Pin, st.text(min_size=1, max_size=4), TEXT, TEXT, TEXT, TEXT, TEXT, TEXT, TIMES)
CHANGES = st.builds(
    Changes,
    st.lists(PINS, max_size=3, unique_by=lambda pin: pin.pin_id).map(tuple),
    st.lists(st.text(min_size=1, max_size=4), max_size=3).map(tuple),
)


def deleting(*pin_ids):
    return Changes(delete=pin_ids)


def read(root):
    return Journal(root).after(BEGINNING)[0]


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "live" / "journal"


@given(st.lists(st.lists(CHANGES, max_size=3), max_size=4))
def test_what_was_appended_is_read_in_order_by_whoever_reads(tmp_path_factory, groups):
    root = tmp_path_factory.mktemp("journal")
    journal = Journal(root)
    for group in groups:
        journal.append(group)
    everything = [changes for group in groups for changes in group]
    assert read(root) == everything
    found, position = [], BEGINNING
    while journal.grown(position):
        some, position = journal.after(position)
        found += some
    assert found == everything


def test_without_a_journal_there_is_nothing_to_read_and_reading_makes_none(journal, tmp_path):
    assert journal.after(BEGINNING) == ([], BEGINNING)
    assert not journal.grown(BEGINNING)
    assert list(tmp_path.iterdir()) == []


@given(st.data())
def test_cut_off_anywhere_it_gives_the_whole_lines_and_is_written_on_after_them(tmp_path_factory, data):
    root = tmp_path_factory.mktemp("journal")
    requests = [deleting(f"pin{i}") for i in range(4)]
    Journal(root).append(requests)
    file = root / "live" / "journal"
    whole = file.read_bytes()
    cut = data.draw(st.integers(0, len(whole)))
    file.write_bytes(whole[:cut])
    kept = whole[:cut].count(b"\n")
    assert read(root) == requests[:kept]
    Journal(root).append([deleting("later")])
    assert read(root) == [*requests[:kept], deleting("later")]


@given(st.integers(0, 10_000), st.integers(0, 7))
def test_a_flipped_bit_is_never_taken_for_what_was_written(tmp_path_factory, place, bit):
    root = tmp_path_factory.mktemp("journal")
    requests = [deleting("a"), deleting("b", "c"), deleting("d")]
    Journal(root).append(requests)
    file = root / "live" / "journal"
    data = bytearray(file.read_bytes())
    place %= len(data)
    data[place] ^= 1 << bit
    file.write_bytes(data)
    if place == len(data) - 1:  # the last line has lost its end: it is as one half written
        assert read(root) == requests[:-1]
    else:
        with pytest.raises(WorkspaceError, match=r"damaged from byte \d+ on"):
            read(root)


def test_a_line_that_is_gone_is_noticed(journal, file):
    journal.append([deleting("a"), deleting("b"), deleting("c")])
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(lines[0] + lines[2])
    with pytest.raises(WorkspaceError, match="damaged"):
        journal.after(BEGINNING)


def test_two_writers_take_turns(journal, tmp_path):
    other = Journal(tmp_path)
    for number in range(3):
        journal.append([deleting(f"a{number}")])
        other.append([deleting(f"b{number}")])
    assert [c.delete for c in read(tmp_path)] == [(f"{who}{n}",) for n in range(3) for who in "ab"]


def test_the_place_of_a_line_is_found_by_its_digest(journal):
    journal.append([deleting("a")])
    end = journal.after(BEGINNING)[1]
    journal.append([deleting("b")])
    assert journal.position_of(end.digest) == end
    assert journal.after(end)[0] == [deleting("b")]
    assert journal.position_of("0123456789abcdef") == BEGINNING


@pytest.mark.parametrize("call", ["pwrite", "fsync"])
def test_what_could_not_be_written_is_not_read_again(journal, tmp_path, monkeypatch, call):
    journal.append([deleting("a")])
    original = getattr(os, call)

    def fails(handle, *given):
        if call == "pwrite":
            original(handle, given[0][:10], given[1])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, call, fails)
        with pytest.raises(OSError, match="No space"):
            journal.append([deleting("b")])
    assert read(tmp_path) == [deleting("a")]
    journal.append([deleting("c")])
    assert read(tmp_path) == [deleting("a"), deleting("c")]


def test_what_was_taken_back_by_another_does_not_stop_a_writer(journal, tmp_path, file):
    journal.append([deleting("a"), deleting("b")])
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(lines[0])
    with pytest.raises(WorkspaceError, match="shorter"):
        journal.after(Position(10_000, "x"))
    journal.append([deleting("c")])
    assert read(tmp_path) == [deleting("a"), deleting("c")]


def test_the_last_request_counts():
    one, other = (Pin("p", title, None, None, None, None, None, None) for title in ("one", "other"))
    assert net([Changes(put=(one,)), deleting("p", "q"), Changes(put=(other,))]) == {"p": other, "q": None}


WRITER = """
    import sys
    from pathlib import Path
    from limbeck.live.journal import Changes, Journal
    journal = Journal(Path(sys.argv[1]))
    for number in range(10**9):
        journal.append([Changes(delete=(f"{number}",)), Changes(delete=(f"{number}+" * 500,))])
        print(number, flush=True)
"""


@pytest.mark.parametrize("heard", [0, 3, 40])
def test_a_killed_writer_loses_nothing_that_it_told(tmp_path, heard):
    command = [sys.executable, "-c", textwrap.dedent(WRITER), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        told = [int(process.stdout.readline()) for _ in range(heard + 1)]
        process.send_signal(signal.SIGKILL)
        told += map(int, process.stdout.read().split())
    found = [c.delete[0] for c in read(tmp_path)]
    assert [number for number in found if "+" not in number][: len(told)] == [str(number) for number in told]
    Journal(tmp_path).append([deleting("later")])
    assert read(tmp_path)[-1] == deleting("later")
