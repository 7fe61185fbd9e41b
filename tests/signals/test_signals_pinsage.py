"""PinSAGE learns from boards which Pins belong together, also for Pins that are on none."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from sides import assert_sides_agree

from limbeck import records
from limbeck.signals import pin_content, pin_graph, pinsage, pinsage_training, sage
from limbeck.signals.pin_content import Content
from limbeck.signals.pinsage import SIZE, Convolution, PinSage

KINDS, DIMENSIONS, PINS = 6, 48, 330
PIN_IDS = [f"pin{i}" for i in range(PINS)]


def said(count, seed):
    """Untuned vectors of texts: they tell the kind in one part of their numbers, and much else, louder, in the rest."""
    random = np.random.default_rng(seed)
    base = random.normal(0, 0.7, (count, DIMENSIONS))
    base[:, :KINDS] = np.eye(KINDS)[np.arange(count) % KINDS] + random.normal(0, 0.3, (count, KINDS))
    return base.astype(np.float32)


def halved(base):
    return (base / np.linalg.norm(base, axis=1, keepdims=True)).astype(np.float16)


def graph(pins=PINS, boards=180, seed=0):
    """Boards of one kind each, with five Pins; the last Pins are on none."""
    random = np.random.default_rng(seed)
    rows = [(pin, b) for b in range(boards) for pin in random.choice(np.arange(b % KINDS, pins - 30, KINDS), 5)]
    return pin_graph.of(*np.array(rows).T, pins, boards)


def alike(vectors):
    """How often a Pin of the same kind is nearer than one of another."""
    kind = np.arange(len(vectors)) % KINDS
    cosines, same = vectors @ vectors.T, kind[:, None] == kind
    np.fill_diagonal(same, False)
    others = np.sort(cosines[kind[:, None] != kind])
    return np.searchsorted(others, cosines[same]).mean() / len(others)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    torch.set_num_threads(1)
    out = tmp_path_factory.mktemp("pinsage")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pinsage_training, "BATCH", 64)
        patch.setattr(pinsage_training, "EPOCHS", 12)
        pinsage_training.build(Content(halved(said(PINS, 1)), graph()), PIN_IDS, 0, out)
    return out


def test_pins_that_belong_together_are_near_also_those_on_no_board(built):
    vectors, others = np.load(built / "pins.npy"), Convolution.load(built).alone(said(90, 77))
    untuned = halved(said(PINS, 1)).astype(np.float32)
    assert alike(untuned) < 0.65, "the untuned vectors would have told"
    assert alike(vectors[: PINS - 30]) > 0.9
    assert alike(vectors[PINS - 30 :]) > alike(untuned) + 0.1
    assert alike(others) > alike(untuned) + 0.1


def test_a_pin_on_no_board_is_known_by_what_it_says(built):
    np.testing.assert_allclose(
        np.load(built / "pins.npy")[PINS - 30 :], Convolution.load(built).alone(said(PINS, 1)[PINS - 30 :]), atol=2e-3
    )


def read(queries):
    return np.concatenate([said(1, int(query[1:])) for query in queries])


def of(folder, pins, read=read):
    """The signal of these Pins, opened."""
    return PinSage(folder, sage.aligned(folder, pa.array(pins)), read)


def test_the_signal_tells_vectors_and_their_cosine(built):
    signal = of(built, ["nobody", *PIN_IDS[::-1]])
    rows, asked = np.array([PINS, 1, 0, -1]), np.array([0, 1, 1, 0])
    found = signal.columns(["q3", "q8"], asked, rows)
    pin, cosine = found[:, :SIZE], found[:, SIZE]
    np.testing.assert_array_equal(pin[:2], np.load(built / "pins.npy")[[0, PINS - 1]])
    np.testing.assert_allclose(np.linalg.norm(pin[:2], axis=1), 1, atol=1e-5)
    query = Convolution.load(built).alone(read(["q3", "q8"]))[asked]
    np.testing.assert_allclose(cosine[:2], (query * pin).sum(axis=1)[:2], atol=1e-6)
    assert np.isnan(found[2:]).all()
    assert found.dtype == np.float32
    assert found.shape[1] == sum(len(group.columns) for group in signal.groups)
    assert signal.columns([], asked[:0], rows[:0]).shape == (0, SIZE + 1)


def test_one_side_is_a_part_of_all_and_the_pins_side_reads_nothing(built):
    assert_sides_agree(of(built, ["nobody", *PIN_IDS]), "q3", np.array([5, 0, -1, 7]))
    assert of(built, PIN_IDS, None).of_side("pin", "", np.array([5, -1])).shape == (2, SIZE)


def test_it_is_used_as_it_was_trained():
    torch.manual_seed(0)
    network = pinsage_training.Network(DIMENSIONS)
    torch.nn.init.normal_(network.out.weight)
    used = Convolution({name: weight.numpy() for name, weight in network.state_dict().items()})
    own = torch.nn.functional.normalize(torch.from_numpy(said(9, 3)))
    np.testing.assert_allclose(used.alone(said(9, 3)), network(own, own).detach().numpy(), atol=1e-5)


def test_an_unknown_pin_is_known_by_its_untuned_vector(built):
    signal = of(built, PIN_IDS)
    base = np.concatenate([said(PINS, 1)[-2:], np.full((1, DIMENSIONS), np.nan, np.float32)])
    others = signal.over(base, np.full(3, -1))
    found = others.columns(["q3"], np.zeros(3, int), np.arange(3))
    known = signal.columns(["q3"], np.zeros(2, int), np.array([PINS - 2, PINS - 1]))
    np.testing.assert_allclose(found[:2], known, atol=2e-3)
    assert np.isnan(found[2]).all()
    assert_sides_agree(others, "q3", np.array([1, 2, -1]))


def test_the_loss_is_a_softmax_over_partners_and_strangers_that_never_sees_the_board_of_the_pair(monkeypatch):
    torch.manual_seed(0)
    monkeypatch.setattr(pinsage_training, "ALONE", 0)
    convolution, content, asked = pinsage_training.Network(DIMENSIONS), Content(halved(said(PINS, 1)), graph()), []
    reading = content.read
    monkeypatch.setattr(content, "read", lambda *given: asked.append(given) or reading(*given))
    pairs = pinsage_training.Pairs(np.array([0, 1, 0]), np.array([0, 1, 6]), np.array([12, 7, 18]))
    hard, share = np.array([7, 31]), np.linspace(0.01, 0.2, PINS)
    correction = torch.from_numpy(np.log(share).astype(np.float32))
    found = pinsage_training._loss(convolution, content, pairs, hard, correction, np.random.default_rng(0)).item()

    ((pins, avoided, *seeds),) = asked
    assert (pins.tolist(), avoided.tolist()) == ([0, 1, 6, 12, 7, 18, 7, 31], [0, 1, 0, 0, 1, 0, -1, -1])
    made = convolution(*reading(pins, avoided, *seeds)).detach().numpy().astype(np.float64)
    scores = made[:3] @ made[3:].T / pinsage_training.TEMPERATURE - np.log(share[pins[3:]])
    # Pairs 0 and 2 are of one board, and the first stranger is the partner of pair 1: no negatives of theirs.
    allowed = np.array([[1, 1, 0, 1, 1], [1, 1, 1, 0, 1], [0, 1, 1, 1, 1]], dtype=bool)
    powers = np.where(allowed, np.exp(scores), 0)
    assert found == pytest.approx(-np.log(np.diag(powers) / powers.sum(axis=1)).mean(), rel=1e-4)


def test_pairs_are_two_pins_of_one_board_each_board_by_its_size():
    rows = [(0, 0), (1, 0), (2, 0), (3, 0), (4, 1), (5, 1), (6, 2)]
    small = pin_graph.of(*np.array(rows).T, 7, 3)
    (pairs,) = pinsage_training.drawn(small, np.random.default_rng(0), 1)
    on = {(int(board), int(pin)) for pin, board in rows}
    assert {(b, p) for b, p in zip(pairs.board.tolist(), pairs.pin.tolist())} == on - {(2, 6)}
    assert {(b, p) for b, p in zip(pairs.board.tolist(), pairs.other.tolist())} == on - {(2, 6)}
    assert (pairs.pin != pairs.other).all()
    assert (pairs.board == 0).mean() == pytest.approx(4 / 6, abs=0.08)


def test_the_seed_decides(tmp_path):
    for name, seed in (("first", 3), ("again", 3), ("other", 4)):
        (tmp_path / name).mkdir()
        pinsage_training.build(Content(halved(said(PINS, 1)), graph(boards=12)), PIN_IDS, seed, tmp_path / name)
    first, again, other = (
        {p.name: p.read_bytes() for p in (tmp_path / name).iterdir()} for name in ("first", "again", "other")
    )
    assert first == again
    assert first[pinsage.WEIGHTS] != other[pinsage.WEIGHTS]


def write(table, rows, path):
    names = records.schema(table).names
    pq.write_table(pa.Table.from_pylist([dict(zip(names, r)) for r in rows], schema=records.schema(table)), path)
    return path


def test_content_is_read_shard_by_shard_and_saves_of_pins_that_are_gone_count_for_nothing(tmp_path):
    shards = [
        write("encoder_vectors", [("a", "", [3.0, 4.0]), ("b", "", [0.0, 0.0])], tmp_path / "0.parquet"),
        write("encoder_vectors", [], tmp_path / "1.parquet"),
        write("encoder_vectors", [("c", "", [0.0, -2.0])], tmp_path / "2.parquet"),
    ]
    pin_ids, base = pin_content.halved(shards, tmp_path / "content.npy")
    assert pin_ids.to_pylist() == ["a", "b", "c"]
    assert base.dtype == np.float16
    np.testing.assert_allclose(base, [[0.6, 0.8], [0, 0], [0, -1]], atol=1e-3)

    saves = [("x", "a", "u", 0), ("y", "gone", "u", 0), ("z", "c", "u", 0), ("x", "c", "u", 1)]
    shards = [write("saves", saves[:2], tmp_path / "3.parquet"), write("saves", saves[2:], tmp_path / "4.parquet")]
    engaged = pa.table({"query": ["q", "q", "r"], "pin_id": ["b", "c", "gone"]})
    for more, of_pins in ((None, [[0], [], [0, 2]]), (engaged, [[0], [3], [0, 2, 3]])):
        found = pin_content.graph(shards, pin_ids, more)
        assert [found.boards[a:b].tolist() for a, b in zip(found.of_pin, found.of_pin[1:])] == of_pins


def test_without_pins_or_saves_there_is_still_an_answer(tmp_path):
    nothing = pin_graph.of(np.zeros(0, np.int32), np.zeros(0, np.int32), PINS, 0)
    pinsage_training.build(Content(halved(said(PINS, 1)), nothing), PIN_IDS, 0, tmp_path)
    np.testing.assert_allclose(
        np.load(tmp_path / "pins.npy"), Convolution.load(tmp_path).alone(said(PINS, 1)), atol=2e-3
    )
