"""A workspace: atomic commits, what is up to date, and what is said about damage."""

import contextlib
import dataclasses
import errno
import hashlib
import json
import os
import resource
import signal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import limbeck
from limbeck import workspace
from limbeck.errors import InputError, WorkspaceError
from limbeck.records import empty, schema
from limbeck.settings import Text
from limbeck.workspace import ABSENT, Made, Workspace, digest_of, digest_of_rows

FIRST, SECOND = Made(settings={"edition": 1}), Made(settings={"edition": 2})
REFUSED = 7  # an exit code


@pytest.fixture
def ws(tmp_path):
    return Workspace(tmp_path / "ws")


def boards(key, title="garden", count=3):
    ids = [f"{key}{number}" for number in range(count)]
    return pa.table({"board_id": ids, "title": pa.array([title] * count, pa.string())})


def shards(keys="ab", title="garden", computed=None):
    def make(key):
        if computed is not None:
            computed.append(key)
        return boards(key, title)

    return {key: lambda key=key: make(key) for key in keys}


def failing(error):
    def make():
        raise error

    return make


def model(text="weights"):
    def build(out, scratch):
        (out / "tower").mkdir()
        (out / "tower" / "weights").write_text(text)
        (out / "config").write_text("{}")

    return build


def files(ws):
    return sorted(str(p.relative_to(ws.root)) for p in ws.root.rglob("*") if p.is_file() and p.name != ".lock")


# -- tables --


def test_what_was_written_is_read_shard_after_shard(ws):
    ws.write_table("boards", FIRST, {"1": lambda: boards("z"), "0": lambda: boards("a", None)})
    assert ws.table("boards").to_pylist() == pa.concat_tables([boards("z"), boards("a", None)]).to_pylist()
    assert ws.table("boards").schema.equals(schema("boards"))
    assert ws.table("boards", ["title"]).column_names == ["title"]
    assert [p.name for p in ws.shards("boards")] == [f"{key}-{FIRST.digest}.parquet" for key in "10"]
    assert (ws.manifest("boards").rows, ws.manifest("boards").made) == (6, FIRST)
    ws.verify("boards")


def test_a_table_that_is_not_there(ws):
    assert not ws.has("boards")
    assert ws.digest("boards") == ABSENT
    assert ws.table("boards").equals(empty("boards"))
    assert ws.table("boards", ["title"]).column_names == ["title"]
    assert ws.previous("boards") is None
    assert ws.outdated("boards", FIRST) == "not made yet"
    with pytest.raises(InputError, match=r"no boards in .*ws\. `limbeck run RECIPE` makes it"):
        ws.shards("boards")


def test_a_table_may_have_no_shards_and_a_shard_no_rows(ws):
    ws.write_table("boards", FIRST, {})
    assert ws.outdated("boards", FIRST) is None
    assert ws.table("boards").equals(empty("boards"))
    assert ws.table("boards", ["title"]).column_names == ["title"]
    ws.write_table("boards", SECOND, {"0": lambda: empty("boards")})
    assert ws.table("boards").equals(empty("boards"))


def test_a_rerun_keeps_every_file(ws):
    computed = []
    ws.write_table("boards", FIRST, shards(computed=computed))
    before = {p: p.stat().st_ino for p in ws.shards("boards")}
    ws.write_table("boards", FIRST, shards(computed=computed))
    assert computed == ["a", "b"]
    assert {p: p.stat().st_ino for p in ws.shards("boards")} == before


def test_a_run_goes_on_after_the_last_shard_that_was_done(ws):
    computed = []
    with pytest.raises(KeyError):
        ws.write_table("boards", FIRST, shards("a", computed=computed) | {"b": failing(KeyError("b"))})
    assert not ws.has("boards")
    ws.write_table("boards", FIRST, shards("ab", computed=computed))
    assert computed == ["a", "b"]


def test_another_recipe_never_uses_old_shards_and_the_old_table_is_readable_until_the_end(ws):
    ws.write_table("boards", FIRST, shards("abc"))
    seen = []

    def last():
        seen.extend(ws.table("boards").column("title").to_pylist())
        return boards("b", "new")

    ws.write_table("boards", SECOND, shards("a", "new") | {"b": last})
    assert seen == ["garden"] * 9
    assert ws.table("boards").column("title").to_pylist() == ["new"] * 6
    assert files(ws) == ["tables/boards.json", *(f"tables/boards/{k}-{SECOND.digest}.parquet" for k in "ab")]


def test_shards_of_a_recipe_given_up_are_swept_with_the_next_commit(ws):
    with pytest.raises(KeyError):
        ws.write_table("boards", FIRST, shards("a") | {"b": failing(KeyError("b"))})
    ws.write_table("boards", SECOND, shards("a"))
    assert files(ws) == ["tables/boards.json", f"tables/boards/a-{SECOND.digest}.parquet"]


def test_fewer_shards_from_the_same_things_leave_none_behind(ws):
    ws.write_table("boards", FIRST, shards("abc"))
    ws.write_table("boards", FIRST, shards("ab"))
    assert ws.table("boards").num_rows == 6
    assert len(files(ws)) == 3


def test_what_is_not_the_declared_table_is_refused_before_anything_is_written(ws):
    with pytest.raises(InputError, match="column 'title': no such column in the boards table"):
        ws.write_table("boards", FIRST, {"a": lambda: boards("a").drop(["title"])})
    assert files(ws) == []


def test_an_input_without_shards_is_removed(ws):
    ws.write_input("boards", FIRST, {})
    ws.write_input("boards", FIRST, shards())
    assert ws.table("boards").num_rows == 6
    ws.write_input("boards", SECOND, {})
    assert not ws.has("boards")
    assert files(ws) == []


def test_the_content_digest_is_of_the_content_alone(ws, tmp_path):
    other = Workspace(tmp_path / "other")
    ws.write_table("boards", FIRST, {"a": lambda: boards("a")})
    halves = pa.concat_tables([boards("a").slice(0, 1), boards("a").slice(1)]).replace_schema_metadata(
        {"made": "later"}
    )
    other.write_table("boards", SECOND, {"b": lambda: halves})
    assert ws.digest("boards") == other.digest("boards")
    other.write_table("boards", FIRST, {"a": lambda: boards("a", "gardens")})
    assert ws.digest("boards") != other.digest("boards")


# -- what is up to date --


def test_why_something_is_outdated_is_said_in_words(ws):
    ws.write_table("boards", FIRST, shards())
    made = ws.made_from(["boards", "links"], text=Text(), seed=1)
    assert made.inputs == {"boards": ws.digest("boards"), "links": ABSENT}
    ws.write_folder("models/teacher", made, model())
    assert ws.outdated("models/teacher", ws.made_from(["boards", "links"], text=Text(), seed=1)) is None

    def why(made):
        return ws.outdated("models/teacher", made)

    assert why(ws.made_from(["boards", "links"], text=Text(min_users=3), seed=1)) == "text.min_users was 2, is 3"
    assert why(ws.made_from(["boards"], text=Text(), seed=1)) == "links is no longer used"
    assert why(ws.made_from(["boards", "links", "pins"], text=Text(), seed=1)) == "pins is new"
    assert why(ws.made_from(["boards", "links"], text=Text())) == "seed was 1, is not set"
    assert why(ws.made_from(["boards", "links"], 2, text=Text(), seed=1)).startswith("made by version ")
    ws.write_table("boards", SECOND, shards(title="new"))
    assert why(ws.made_from(["boards", "links"], text=Text(), seed=1)) == "boards changed"
    several = ws.made_from(["boards"], text=Text(min_users=3, buckets=9), seed=2)
    assert why(several) == "boards changed, links is no longer used, seed was 1, is 2 and 2 more"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-1, 1) | st.text(max_size=2),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text("ab", max_size=2), inner, max_size=2),
    max_leaves=6,
)
MADE = st.builds(
    Made,
    st.dictionaries(st.sampled_from("ab"), st.sampled_from("xy")),
    st.dictionaries(st.sampled_from("cd"), JSON),
    st.sampled_from(["1", "2"]),
)


@given(MADE, MADE)
def test_a_reason_is_given_exactly_when_there_is_one(one, other):
    assert (one.digest == other.digest) == (one.difference(other) == "")


@given(MADE, st.permutations("abcd"))
def test_the_order_of_inputs_and_settings_does_not_matter(made, order):
    inputs = {name: made.inputs[name] for name in order if name in made.inputs}
    settings = {name: made.settings[name] for name in order if name in made.settings}
    assert dataclasses.replace(made, inputs=inputs, settings=settings).digest == made.digest


def test_a_missing_shard_is_made_again_and_the_others_are_kept(ws):
    computed = []
    ws.write_table("boards", FIRST, shards("abc", computed=computed))
    complete, digest = ws.table("boards"), ws.digest("boards")
    ws.shards("boards")[1].unlink()
    assert ws.outdated("boards", FIRST) == f"b-{FIRST.digest}.parquet is gone"
    assert ws.previous("boards") is None
    ws.write_table("boards", FIRST, shards("abc", computed=computed))
    assert computed == ["a", "b", "c", "b"]
    assert (ws.table("boards").equals(complete), ws.digest("boards")) == (True, digest)
    assert ws.previous("boards").equals(complete)


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"\x00" * 50, b"[]", b"null", b'{"made": {}}', b'{"made": {"x": 1}}', b"\xff"]
)
def test_a_damaged_manifest_is_said_to_be_and_is_made_again(ws, damage):
    computed = []
    ws.write_table("boards", FIRST, shards(computed=computed))
    whole = (ws.root / "tables/boards.json").read_bytes()
    (ws.root / "tables/boards.json").write_bytes(damage)
    with pytest.raises(WorkspaceError, match=r"tables/boards\.json: damaged .* Delete it and run again"):
        ws.table("boards")
    assert ws.outdated("boards", FIRST) == "its manifest is damaged"
    assert ws.previous("boards") is None
    ws.write_table("boards", FIRST, shards(computed=computed))
    assert (ws.root / "tables/boards.json").read_bytes() == whole
    assert computed == ["a", "b"]


# -- damage --


def test_a_truncated_shard_is_named(ws):
    ws.write_table("boards", FIRST, shards())
    path = ws.shards("boards")[1]
    whole = path.read_bytes()
    for length in range(0, len(whole), 5):
        path.write_bytes(whole[:length])
        with pytest.raises(WorkspaceError, match=rf"{path.name}: cannot be read .*\. Delete it and run again"):
            ws.table("boards")


def test_a_flipped_byte_is_found_wherever_it_is(ws):
    ws.write_table("boards", FIRST, shards())
    path, expected = ws.shards("boards")[0], ws.table("boards")
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        with pytest.raises(WorkspaceError, match=f"{path.name}: damaged or missing"):
            ws.verify("boards")
        with contextlib.suppress(WorkspaceError):  # reading may not notice, but never ends in any other error
            ws.table("boards")
    path.write_bytes(whole)
    ws.verify("boards")
    assert ws.table("boards").equals(expected)


@pytest.mark.parametrize(
    "other",
    [
        boards("a").drop(["title"]),
        boards("a").append_column("size", [[1, 2, 3]]),
        boards("a").select(["title", "board_id"]),
        boards("a").set_column(1, "title", [[1, 2, 3]]),
    ],
)
def test_a_shard_with_other_columns_is_refused(ws, other):
    ws.write_table("boards", FIRST, shards())
    path = ws.shards("boards")[0]
    pq.write_table(other, path)
    with pytest.raises(WorkspaceError, match=rf"{path.name}: columns are not those of boards\. Delete the file"):
        ws.table("boards")


def test_a_damaged_shard_that_is_not_committed_yet_is_named_too(ws):
    ws.write_table("boards", FIRST, shards())
    ws.shards("boards")[0].write_bytes(b"PAR1")
    (ws.root / "tables/boards.json").unlink()
    with pytest.raises(WorkspaceError, match=rf"a-{FIRST.digest}\.parquet: cannot be read"):
        ws.write_table("boards", FIRST, shards())


# -- folders --


def test_a_folder_is_built_once_and_replaced_by_its_next_version(ws):
    built = []

    def build(out, scratch):
        built.append(out)
        model(f"{len(built)}")(out, scratch)

    first = ws.write_folder("models/teacher", FIRST, build)
    assert ws.folder("models/teacher") == first
    assert (first / "tower/weights").read_text() == "1"
    digest = ws.digest("models/teacher")
    ws.write_folder("models/teacher", FIRST, build)
    assert (len(built), ws.digest("models/teacher")) == (1, digest)
    second = ws.write_folder("models/teacher", SECOND, build)
    assert (second / "tower/weights").read_text() == "2"
    assert not first.exists()
    assert ws.digest("models/teacher") != digest
    assert [p.name for p in sorted((ws.root / "models").iterdir())] == [second.name, "teacher.json"]


def test_siblings_with_longer_or_dotted_names_are_let_alone(ws):
    names = ["models/student", "models/student-human", "models/student-10", "models/student-0.5", "models/student-0.25"]
    for made in (FIRST, SECOND):
        for name in names:
            ws.write_folder(name, made, model(name))
    for name in names:
        ws.verify(name)
        assert (ws.folder(name) / "tower/weights").read_text() == name
    ws.remove("models/student")
    assert [ws.has(name) for name in names] == [False, True, True, True, True]
    assert not list((ws.root / "models").glob(f"student-{SECOND.digest}*"))


def test_many_files_are_committed_as_few_are(ws):
    def build(out, scratch):
        for number in range(workspace.FEW_FILES + 10):
            (out / f"{number}.txt").write_text(str(number))

    ws.write_folder("images/pins", FIRST, build)
    assert len(ws.manifest("images/pins").files) == workspace.FEW_FILES + 10
    ws.verify("images/pins")


def test_scratch_survives_what_interrupts_a_build_and_goes_with_the_commit(ws):
    def interrupted(out, scratch):
        (out / "half").touch()
        (scratch / "checkpoint").write_text("step 3")
        raise KeyboardInterrupt

    def resumed(out, scratch):
        assert not list(out.iterdir())
        (out / "weights").write_text((scratch / "checkpoint").read_text())

    with ws.writing(), pytest.raises(KeyboardInterrupt):
        ws.write_folder("models/teacher", FIRST, interrupted)
    with ws.writing():
        final = ws.write_folder("models/teacher", FIRST, resumed)
    assert (final / "weights").read_text() == "step 3"
    assert sorted(p.name for p in final.parent.iterdir()) == sorted([final.name, "teacher.json"])


def test_scratch_of_a_recipe_given_up_is_swept_with_the_next_commit(ws):
    with pytest.raises(KeyError):
        ws.write_folder("models/teacher", FIRST, lambda out, scratch: {}["not there"])
    assert (ws.root / f"models/teacher-{FIRST.digest}.scratch").exists()
    with ws.writing():
        ws.write_folder("models/teacher", SECOND, model())
    assert sorted(p.name for p in (ws.root / "models").iterdir()) == [f"teacher-{SECOND.digest}", "teacher.json"]


@pytest.mark.parametrize("lost", ["config", "tower/weights"])
def test_a_folder_that_lost_a_file_is_built_again(ws, lost):
    final = ws.write_folder("models/teacher", FIRST, model())
    digest = ws.digest("models/teacher")
    (final / lost).unlink()
    assert ws.outdated("models/teacher", FIRST) == f"{final.name}/{lost} is gone"
    with pytest.raises(WorkspaceError, match="damaged or missing"):
        ws.verify("models/teacher")
    ws.write_folder("models/teacher", FIRST, model())
    ws.verify("models/teacher")
    assert ws.digest("models/teacher") == digest


def test_a_removed_folder_is_built_again(ws):
    ws.write_folder("models/teacher", FIRST, model())
    ws.remove("models/teacher")
    assert files(ws) == []
    ws.write_folder("models/teacher", FIRST, model("again"))
    assert (ws.folder("models/teacher") / "tower/weights").read_text() == "again"


# -- writing --


def test_leftovers_are_cleared_away_and_the_rest_is_kept(ws):
    ws.write_table("boards", FIRST, shards())
    ws.write_folder("models/teacher", FIRST, model())
    kept = files(ws)
    (ws.root / f"tables/boards/b-{SECOND.digest}.parquet.partial").write_bytes(b"PAR1")
    (ws.root / "tables/boards.json.partial").write_bytes(b"{")
    half = ws.root / f"models/teacher-{SECOND.digest}.partial/deep"
    half.mkdir(parents=True)
    (half / "x.partial").touch()
    with ws.writing():
        assert files(ws) == kept
    assert ws.outdated("boards", FIRST) is None


def test_a_half_written_file_is_never_taken_for_a_shard(ws):
    partial = ws.root / f"tables/boards/a-{FIRST.digest}.parquet.partial"
    partial.parent.mkdir(parents=True)
    partial.write_bytes(b"PAR1 and no more")
    computed = []
    ws.write_table("boards", FIRST, shards("a", computed=computed))
    assert computed == ["a"]
    ws.verify("boards")


def test_the_second_writer_is_refused_and_readers_are_not(ws):
    ws.write_table("boards", FIRST, shards())
    with ws.writing():
        with pytest.raises(InputError, match=r"another run is using this workspace.*--workspace"), ws.writing():
            pass
        assert Workspace(ws.root).table("boards").num_rows == 6
    with pytest.raises(KeyError), ws.writing():
        raise KeyError
    with ws.writing():
        pass


def killed_while_it_writes(root):
    """The exit code of a process of its own that is killed while it holds the workspace; `REFUSED` where it may not."""
    child = os.fork()
    if child == 0:
        try:
            with Workspace(root).writing():
                os.kill(os.getpid(), signal.SIGKILL)
        except InputError as error:
            os._exit(REFUSED if "another run is using this workspace" in str(error) else 1)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_another_process_is_kept_out_and_a_killed_one_holds_nothing(ws):
    with ws.writing():
        assert killed_while_it_writes(ws.root) == REFUSED
    assert killed_while_it_writes(ws.root) == -signal.SIGKILL
    with ws.writing():
        pass


@contextlib.contextmanager
def no_file_above(size):
    """The system takes no larger files from this process, and says so."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def write_many_boards(root):
    def boards(count):
        names = [digest_of(str(number)) for number in range(count)]
        return pa.table({"board_id": names, "title": names})

    ws = Workspace(root)
    with ws.writing():
        ws.write_table("boards", SECOND, {"a": lambda: boards(3), "b": lambda: boards(20_000)})


def test_a_file_the_system_will_not_take_leaves_nothing_half_written(ws):
    ws.write_table("boards", FIRST, shards())
    before = ws.table("boards")
    with no_file_above(50_000), pytest.raises(OSError, match="File too large") as refused:
        write_many_boards(ws.root)
    assert refused.value.errno == errno.EFBIG
    assert ws.table("boards").equals(before)
    done = ws.root / f"tables/boards/a-{SECOND.digest}.parquet"
    inode = done.stat().st_ino
    assert not (ws.root / f"tables/boards/b-{SECOND.digest}.parquet").exists()
    write_many_boards(ws.root)
    assert ws.outdated("boards", SECOND) is None
    assert ws.table("boards").num_rows == 20_003
    assert done.stat().st_ino == inode
    ws.verify("boards")


def full_disk(monkeypatch, after):
    """Syncing fails as on a full disk, but for the first few times."""
    left, sync = iter(range(after)), os.fsync

    def fsync(handle):
        if next(left, None) is None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(handle)

    monkeypatch.setattr(workspace.os, "fsync", fsync)


@pytest.mark.parametrize("after", range(6))
def test_a_full_disk_keeps_what_was_there_and_the_next_run_completes(ws, monkeypatch, after):
    ws.write_table("boards", FIRST, shards())
    ws.write_folder("models/teacher", FIRST, model())
    before, digest = ws.table("boards"), ws.digest("models/teacher")
    with monkeypatch.context() as patch:
        full_disk(patch, after)
        with ws.writing(), pytest.raises(OSError, match="No space left"):
            ws.write_table("boards", SECOND, shards(title="new"))
    with monkeypatch.context() as patch:
        full_disk(patch, after)
        with ws.writing(), pytest.raises(OSError, match="No space left"):
            ws.write_folder("models/teacher", SECOND, model("new"))
    assert ws.table("boards").equals(before) or ws.table("boards").column("title").to_pylist() == ["new"] * 6
    ws.verify("models/teacher")
    assert ws.digest("models/teacher") == digest or ws.outdated("models/teacher", SECOND) is None
    with ws.writing():
        ws.write_table("boards", SECOND, shards(title="new"))
        ws.write_folder("models/teacher", SECOND, model("new"))
    assert ws.table("boards").column("title").to_pylist() == ["new"] * 6
    ws.verify("boards")
    ws.verify("models/teacher")
    assert len(files(ws)) == 6


# -- digests --


@given(st.lists(st.text()), st.lists(st.text()))
def test_different_texts_have_different_digests(one, other):
    assert (digest_of(*one) == digest_of(*other)) == (one == other)
    assert len(digest_of(*one)) == 16


@given(st.lists(st.text("ab:1\x00", max_size=4), min_size=1, max_size=4), st.integers(1, 3))
def test_where_a_text_ends_cannot_be_mistaken(parts, at):
    joined = [*parts[: at - 1], "".join(parts[at - 1 : at + 1]), *parts[at + 1 :]]
    assert (digest_of(*parts) == digest_of(*joined)) == (parts == joined)


ROWS = st.lists(st.fixed_dictionaries({"board_id": st.text(max_size=3), "title": st.none() | st.text(max_size=3)}))


@given(ROWS, ROWS, st.integers(0, 10))
def test_rows_have_one_digest_whatever_files_they_came_from(rows, others, cut):
    table = pa.Table.from_pylist(rows, schema=schema("boards"))
    parts = pa.concat_tables([table.slice(0, cut), table.slice(cut)]).replace_schema_metadata({"from": "elsewhere"})
    sink = pa.BufferOutputStream()
    pq.write_table(parts, sink)
    through_parquet = pq.read_table(pa.BufferReader(sink.getvalue()))
    around = pa.Table.from_pylist([*others, *rows, *others], schema=schema("boards")).slice(len(others), len(rows))
    assert digest_of_rows(table) == digest_of_rows(parts) == digest_of_rows(through_parquet) == digest_of_rows(around)
    different = pa.Table.from_pylist(others, schema=schema("boards"))
    assert (digest_of_rows(table) == digest_of_rows(different)) == (rows == others)


def test_the_manifest_says_what_is_in_each_file(ws):
    ws.write_table("boards", FIRST, shards())
    data = json.loads((ws.root / "tables/boards.json").read_text())
    assert data["made"] == {"inputs": {}, "settings": {"edition": 1}, "version": limbeck.__version__}
    for path in ws.shards("boards"):
        assert data["files"][path.name] == hashlib.sha256(path.read_bytes()).hexdigest()
