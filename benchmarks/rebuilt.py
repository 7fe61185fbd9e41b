"""Seconds of an index of many Pins, of the same after 1 % of them changed, and of a run that finds nothing to do.

    python benchmarks/rebuilt.py --pins 200000 --folder /tmp/rebuilt    # a small random encoder: all but embedding
    python benchmarks/rebuilt.py --pins 20000 --folder /tmp/rebuilt --encoder all-MiniLM-L6-v2

Pins are of a title and a description, of words of the encoder's vocabulary by Zipf's law, mapped from Parquet. What is
timed is what a run does: source, texts, lexical and match index, understanding, untuned vectors, the student's vectors,
shares, nearest neighbours and catalogue. The student has random weights, and stays: nothing is trained, and there is no
log.
"""

import argparse
import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import generated
import numpy as np
import pyarrow.parquet as pq

from limbeck import assembly, pipeline
from limbeck.inputs import input_tables
from limbeck.making import Run
from limbeck.settings import Recipe, Signals, Student, TableMapping, Teacher
from limbeck.signals import joined
from limbeck.student import model
from limbeck.student.shape import Shape
from limbeck.workspace import Made, Workspace

CHANGED = 0.01


def main() -> None:
    """Build, change, build again, and say how long each part took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pins", type=int, default=200_000)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--encoder", help="a backbone; a small random one if not given")
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    encoder = asked.encoder or str(generated.small_encoder(asked.folder / "encoder"))
    recipe = _recipe(encoder, asked.folder)
    ws, words = Workspace(asked.folder / "workspace"), generated.words()
    times: list[Times] = []
    for change in (0.0, CHANGED, 0.0):
        if not times or change:
            pq.write_table(generated.pins(asked.pins, words, change), asked.folder / "pins.parquet")
        times.append(_brought_up_to_date(recipe, ws))
    report(asked.pins, times)


def _recipe(encoder: str, folder: Path) -> Recipe:
    mapping = TableMapping(files=("pins.parquet",), columns={n: n for n in ("pin_id", "title", "description")})
    return Recipe(
        "rebuilt",
        tables={"pins": (mapping,)},
        teacher=Teacher(backbone=encoder),
        student=Student(backbone=encoder, max_tokens=48),
        signals=Signals(interests=False),
        folder=folder,
    )


@dataclass
class Times:
    """Seconds of the processor, and by the clock, of each thing that was made."""

    processor: dict[str, float] = field(default_factory=dict)
    clock: dict[str, float] = field(default_factory=dict)

    @contextlib.contextmanager
    def of(self, name: str) -> Iterator[None]:
        """Time what is done within."""
        used, begun = time.process_time(), time.perf_counter()
        yield
        self.processor[name], self.clock[name] = time.process_time() - used, time.perf_counter() - begun


@dataclass(frozen=True)
class Timed(Run):
    """A run that times what it makes."""

    times: Times = field(default_factory=Times)

    def table(self, name: str, made: Made, shards: Callable[[], assembly.Shards]) -> None:
        """As `Run.table`."""
        with self.times.of(name):
            super().table(name, made, shards)

    def folder(self, name: str, made: Made, build: Callable[[Path, Path], None]) -> None:
        """As `Run.folder`."""
        with self.times.of(name):
            super().folder(name, made, build)


def _brought_up_to_date(recipe: Recipe, ws: Workspace) -> Times:
    times = Times()
    with ws.writing(), times.of("everything"):
        run = Timed(recipe, ws, input_tables(recipe, ws.root), times=times)
        pipeline.source(run)
        pipeline.enrich(run)
        pipeline.signals(run, assembly.reader(recipe, ws))
        if not ws.has("models/student"):
            ws.write_folder("models/student", Made(), lambda out, _: _student(recipe, ws, out))
        pipeline.index(run)
    return times


def _student(recipe: Recipe, ws: Workspace, out: Path) -> None:
    settings, told = dataclasses.replace(assembly.located(recipe).student), joined.open(ws, lambda texts: np.zeros(0))
    shape = Shape.of(settings, told.names, told.groups)
    model.save(model.create_tower(settings, 0), model.Head(shape), out)


def report(pins: int, times: list[Times]) -> None:
    """Seconds of the processor by part, as a Markdown table."""
    first, again, nothing = times
    columns = (
        "part",
        "all, CPU s",
        f"{CHANGED:.0%} changed, CPU s",
        "ratio",
        "by the clock, s",
        "nothing to do, CPU s",
    )
    print(f"{pins:,} Pins\n\n| {' | '.join(columns)} |")
    print("|---|---|---|---|---|---|")
    for name, seconds in sorted(first.processor.items(), key=lambda part: -part[1]):
        after, clock = again.processor[name], f"{first.clock[name]:.1f} / {again.clock[name]:.1f}"
        cells = (
            f"{seconds:.2f} | {after:.2f} | {after / max(seconds, 1e-9):.0%} | {clock} | {nothing.processor[name]:.2f}"
        )
        print(f"| {name} | {cells} |")


if __name__ == "__main__":
    main()
