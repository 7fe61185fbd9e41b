"""What PinSAGE costs: seconds of processor time, and the most memory held, by the number of Pins and saves.

    python benchmarks/pinsage.py --scale 0.1

At --scale 1, a million Pins, two million boards, ten million saves, untuned vectors of 384 numbers as the default
backbone has. Vectors and saves are random (a few Pins get most of the saves); each part is timed in one process of one
thread, and the operating system tells the most memory that was resident in it. Of that, the part that is mapped from
the file of vectors at half precision can be taken back at any time, and is told apart.
"""

import argparse
import multiprocessing
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from limbeck.records import schema

PINS, BOARDS, SAVES, DIMENSIONS = 1_000_000, 2_000_000, 10_000_000, 384
ROWS_PER_SHARD = 16_384
SAVES_PER_SHARD = 262_144


def write(folder: Path, scale: float) -> tuple[list[Path], list[Path]]:
    """The shards of encoder_vectors and of saves."""
    random = np.random.default_rng(0)
    pins, boards, saves = (round(scale * n) for n in (PINS, BOARDS, SAVES))
    return (
        [_vectors(folder / f"v{b}.parquet", random, b, min(ROWS_PER_SHARD, pins - b)) for b in _begins(pins)],
        [
            _saves(folder / f"s{b}.parquet", random, (pins, boards, min(SAVES_PER_SHARD, saves - b)))
            for b in range(0, saves, SAVES_PER_SHARD)
        ],
    )


def _begins(pins: int) -> range:
    return range(0, pins, ROWS_PER_SHARD)


def _vectors(path: Path, random: np.random.Generator, begin: int, count: int) -> Path:
    flat = pa.array(random.standard_normal(count * DIMENSIONS, np.float32))
    offsets = pa.array(np.arange(count + 1, dtype=np.int32) * DIMENSIONS)
    ids = np.char.add("p", np.arange(begin, begin + count).astype(str))
    columns = {"pin_id": ids, "digest": ids, "vector": pa.ListArray.from_arrays(offsets, flat)}
    pq.write_table(pa.table(columns).cast(schema("encoder_vectors")), path)
    return path


def _saves(path: Path, random: np.random.Generator, sizes: tuple[int, int, int]) -> Path:
    pins, boards, count = sizes
    pin = np.minimum((pins * random.random(count) ** 2).astype(np.int64), pins - 1)
    columns = {
        "board_id": np.char.add("b", random.integers(0, boards, count).astype(str)),
        "pin_id": np.char.add("p", pin.astype(str)),
        "user_id": np.full(count, "u"),
        "saved_at": np.zeros(count, np.int64),
    }
    pq.write_table(pa.table(columns).cast(schema("saves")), path)
    return path


def measure(vectors: list[Path], saves: list[Path], folder: Path) -> None:
    """Print a row of the table for each part."""
    import torch

    from limbeck import progress
    from limbeck.signals import pin_content, pinsage_training

    progress.choose("quiet")
    torch.set_num_threads(1)
    print("| part | CPU s | peak GB so far | of it mapped |\n|---|---|---|---|")
    _row("libraries loaded", 0)
    begun = time.process_time()
    pin_ids, base = pin_content.halved(vectors, folder / "content.npy")
    begun = _row("untuned vectors at half precision", begun)
    content = pin_content.Content(base, pin_content.graph(saves, pin_ids))
    begun = _row("graph", begun)
    torch.manual_seed(0)
    convolution = pinsage_training.Network(base.shape[1])
    pinsage_training.train(convolution, content, 0)
    begun = _row("training (and compiling)", begun)
    pinsage_training.all_vectors(convolution.eval(), content, 0)
    _row("vectors of all Pins", begun)


def _row(part: str, begun: float) -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    status = Path("/proc/self/status").read_text().split("RssFile:")[1].split()[0]
    print(f"| {part} | {time.process_time() - begun:.1f} | {peak:.2f} | {int(status) / 1e6:.2f} |", flush=True)
    return time.process_time()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=0.1)
    parser.add_argument("--folder", type=Path, help="where there is room for the tables [a temporary folder]")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        vectors, saves = write(Path(folder), asked.scale)
        process = multiprocessing.get_context("spawn").Process(target=measure, args=(vectors, saves, Path(folder)))
        process.start()
        process.join()


if __name__ == "__main__":
    main()
