"""SearchSAGE learns from the log what is engaged with, also for queries and Pins that are not in it."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from sides import assert_sides_agree

from limbeck import records
from limbeck.signals import sage, searchsage
from limbeck.signals.sage import SIZE, SearchSage, Towers

KINDS, DIMENSIONS = 4, 16
PIN_IDS = [f"pin{i}" for i in range(40)]


def texts(count, seed):
    """Untuned vectors of texts, each of a kind: the kinds of queries and of Pins point in other directions."""
    random = np.random.default_rng(seed)
    return (np.eye(DIMENSIONS)[np.arange(count) % KINDS] + random.normal(0, 0.2, (count, DIMENSIONS))).astype(
        np.float32
    )


def read(queries):
    return np.stack([np.roll(texts(KINDS, int(q[1:]))[int(q[1:]) % KINDS], 5) for q in queries])


def of(folder, pins, read=read):
    """The signal of these Pins, opened."""
    return SearchSage(folder, sage.aligned(folder, pa.array(pins)), read)


def log(queries):
    """Who asks for a kind acts on Pins of that kind."""
    rows = [
        (f"q{q}", pin, 1 + i % 3) for q in range(queries) for i, pin in enumerate(PIN_IDS) if i % KINDS == q % KINDS
    ]
    return pa.table(dict(zip(("query", "pin_id", "weight"), zip(*rows))))


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Learnt from twenty queries."""
    torch.set_num_threads(1)
    out = tmp_path_factory.mktemp("searchsage")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(searchsage, "BATCH", 64)
        patch.setattr(searchsage, "EPOCHS", 30)
        searchsage.build(log(20), PIN_IDS, texts(40, 1), read, 0, out)
    return out


def test_what_is_engaged_with_is_near_also_where_the_log_says_nothing(built):
    towers, queries = Towers.load(built), [f"q{i}" for i in range(100, 120)]
    cosines = towers.queries(read(queries)) @ towers.pins(texts(24, 77)).T
    alike = np.arange(20)[:, None] % KINDS == np.arange(24) % KINDS
    untuned = read(queries) @ texts(24, 77).T
    learnt, before = ((found[alike][:, None] > found[~alike]).mean() for found in (cosines, untuned))
    assert learnt > 0.85
    assert before < 0.6, "the untuned vectors would have told"


def test_the_signal_tells_vectors_and_their_cosine(built):
    signal = of(built, ["nobody", *PIN_IDS[::-1]])
    rows, asked = np.array([40, 1, 0, -1]), np.array([0, 1, 1, 0])
    found = signal.columns(["q3", "q8"], asked, rows)
    towers = Towers.load(built)
    query, pin, cosine = np.split(found, [SIZE, 2 * SIZE], axis=1)
    np.testing.assert_allclose(query, towers.queries(read(["q3", "q8"]))[asked], atol=1e-6)
    np.testing.assert_allclose(pin[:2], towers.pins(texts(40, 1))[[0, 39]], atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(np.concatenate([query, pin[:2]]), axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(cosine[:2, 0], (query * pin).sum(axis=1)[:2], atol=1e-6)
    assert np.isnan(pin[2:]).all()
    assert np.isnan(cosine[2:]).all()
    assert found.dtype == np.float32
    assert signal.columns([], asked[:0], rows[:0]).shape == (0, 2 * SIZE + 1)


def test_one_side_is_a_part_of_all_and_the_pins_side_reads_nothing(built):
    assert_sides_agree(of(built, ["nobody", *PIN_IDS]), "q3", np.array([5, 0, -1, 7]))
    assert of(built, PIN_IDS, None).of_side("pin", "", np.array([5, -1])).shape == (2, SIZE)


def test_an_unknown_pin_is_known_by_what_it_says(built):
    signal = of(built, PIN_IDS)
    base = np.concatenate([texts(40, 1)[:2], np.full((1, DIMENSIONS), np.nan, np.float32)])
    others = signal.over(base, np.full(3, -1))
    found = others.columns(["q3"], np.zeros(3, int), np.arange(3))
    np.testing.assert_allclose(found[:2], signal.columns(["q3"], np.zeros(2, int), np.array([0, 1])), atol=1e-5)
    assert np.isnan(found[2, SIZE:]).all()
    assert_sides_agree(others, "q3", np.array([1, 2, -1]))


def test_the_loss_is_a_softmax_over_the_batch_less_how_often_each_pin_is_in_it():
    torch.manual_seed(0)
    towers, share = searchsage._Towers(DIMENSIONS), np.array([0.5, 0.3, 0.1, 0.1])
    queries, pins = (texts(3, 5), np.array([0, 1, 1, 2])), (texts(4, 6), np.array([0, 1, 2, 0]))
    found = searchsage._loss(towers, queries, pins, torch.from_numpy(np.log(share).astype(np.float32))).item()
    used = Towers({name: weight.numpy() for name, weight in towers.state_dict().items()})
    asked, shown = used.queries(queries[0])[queries[1]], used.pins(pins[0])[pins[1]]
    scores = asked.astype(np.float64) @ shown.T / searchsage.TEMPERATURE - np.log(share[pins[1]])
    # Queries 1 and 2 of the batch are the same, and so are Pins 0 and 3: neither is the other's negative.
    allowed = np.array([[1, 1, 1, 0], [1, 1, 0, 1], [1, 0, 1, 1], [0, 1, 1, 1]], dtype=bool)
    powers = np.where(allowed, np.exp(scores), 0)
    assert found == pytest.approx(-np.log(np.diag(powers) / powers.sum(axis=1)).mean(), rel=1e-4)


def test_the_seed_decides(built, tmp_path):
    for name, seed in (("first", 3), ("again", 3), ("other", 4)):
        (tmp_path / name).mkdir()
        searchsage.build(log(4), PIN_IDS, texts(40, 1), read, seed, tmp_path / name)
    first, again, other = (
        {p.name: p.read_bytes() for p in (tmp_path / name).iterdir()} for name in ("first", "again", "other")
    )
    assert first == again
    assert first[searchsage.WEIGHTS] != other[searchsage.WEIGHTS]


def test_a_log_in_which_nobody_acted_leaves_the_towers_as_they_begin(tmp_path):
    searchsage.build(log(4).slice(0, 0), PIN_IDS, texts(40, 1), read, 0, tmp_path)
    towers = Towers.load(tmp_path)
    np.testing.assert_allclose(towers.queries(texts(5, 9)), towers.pins(texts(5, 9)), atol=1e-6)


def test_only_allowed_queries_are_learnt_from_by_what_was_done(tmp_path):
    names = records.schema("exposures").names
    rows = [
        ("a", "lamp", 1, 1, 5, 2, 1, 0),
        ("a", "lamp", 2, 3, 5, 1, 0, 1),
        ("a", "of the test", 1, 1, 9, 9, 9, 9),
        ("b", "lamp", 1, 1, 9, 0, 0, 0),
        ("b", "sofa", 1, 1, 9, 0, 0, 1),
    ]
    paths = [tmp_path / "0.parquet", tmp_path / "1.parquet"]
    for path, part in zip(paths, (rows[:3], rows[3:])):
        table = pa.Table.from_pylist([dict(zip(names, row)) for row in part], schema=records.schema("exposures"))
        pq.write_table(table, path)
    found = searchsage.engaged(paths, lambda query: query != "of the test")
    assert found.to_pylist() == [
        {"query": "lamp", "pin_id": "a", "weight": 5},
        {"query": "sofa", "pin_id": "b", "weight": 1},
    ]


@pytest.mark.parametrize(("size", "outputs"), [(384, 32), (384, 250), (32, 16), (1, 1)])
def test_a_row_is_multiplied_the_same_whatever_rows_are_beside_it(size, outputs):
    random = np.random.default_rng(size)
    rows, weight = (random.normal(size=(n, size)).astype(np.float32) for n in (101, outputs))
    together = sage.product(rows, weight)
    np.testing.assert_allclose(together, rows @ weight.T, rtol=1e-4, atol=1e-4)
    for some in (slice(0), slice(1), slice(40, 41), slice(3, 70), slice(None, None, -1)):
        assert (sage.product(rows[some], weight) == together[some]).all()
