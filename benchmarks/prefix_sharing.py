"""Several queries behind one Pin, by decoders: how much faster than apart, and what asking Pin first does to quality.

    pip install -e ".[backbone]"
    python benchmarks/prefix_sharing.py speed
    python benchmarks/prefix_sharing.py quality --out build/prefix

`speed` grades the same pairs in one call, and apart: every Pin's first query in one call, every Pin's second in the
next, so that no two pairs of a call share a Pin. The decoder has Qwen-3's shape and random weights: speed does not
depend on them. Medians of rounds in which both take turns, tokenising included, and how far their probabilities are
from each other, in the precision that this machine grades in. Beside them what arithmetic promises: tokens apart over
tokens together. Seconds are the processor's, so that other work on the machine matters little: set OMP_NUM_THREADS=1,
else threads that wait for each other count, too.

`quality` trains a small decoder of that shape on the generated world's judged pairs, asked Pin first and query first,
and measures both on the held-out pairs in English. Its word vectors are MiniLM's; all else begins random. A figure is
the mean over seeds, its interval that of a bootstrap over queries. What is there already under --out is not made again.
"""

import argparse
import dataclasses
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from transformers import AutoModel, AutoTokenizer, PreTrainedTokenizerFast, Qwen3Config, Qwen3Model

from limbeck import assembly, pipeline, relevance
from limbeck.backbone import find, seed_everything
from limbeck.batches import lengths_of
from limbeck.measure.compare import Comparer, estimate
from limbeck.measure.evaluation import Estimate
from limbeck.measure.sample import canonical_order, from_truth, ordered_grades
from limbeck.measure.scores import METRICS
from limbeck.progress import console
from limbeck.recipe_file import read
from limbeck.settings import Recipe, Teacher
from limbeck.teacher import model, train
from limbeck.teacher.grade import TeacherGrader
from limbeck.training import quiet
from limbeck.workspace import Workspace

PROMPTS = {
    "query first": "Query:\n{query}\nPin:\n{text}\nRelevance:",
    "Pin first": "Pin:\n{text}\nQuery:\n{query}\nRelevance:",
}
QUERIES_PER_PIN = (1, 2, 4, 8)
MEASURED = ("spearman", "accuracy", "log_loss")
MINILM = "all-MiniLM-L6-v2"  # its tokenizer, and for quality its word vectors
RECIPE = Path(__file__).parent.parent / "recipes" / "world.toml"
NO_TEXTS = pa.table({"pin_id": [], "text": []})
Pairs = tuple[list[str], list[str]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    whats = parser.add_subparsers(dest="what", required=True)
    for_speed, for_quality = whats.add_parser("speed"), whats.add_parser("quality")
    numbers = {"hidden": 512, "layers": 8, "pin": 200, "query": 6, "pairs": 256, "rounds": 5}
    for name, default in numbers.items():
        for_speed.add_argument(f"--{name}", type=int, default=default)
    for_quality.add_argument("--out", type=Path, default=Path("build/prefix"))
    numbers = {"layers": 3, "pins": 4_000, "judged": 6_000, "held-out": 6_000, "epochs": 4, "seeds": 2}
    for name, default in numbers.items():
        for_quality.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    {"speed": speed, "quality": quality}[given.what](given)


def speed(given: argparse.Namespace) -> None:
    with TemporaryDirectory() as name, quiet():
        folder = Path(name)
        write_decoder(folder / "backbone", given.hidden, given.layers)
        limit = given.pin + given.query + 20  # and the prompt
        settings = Teacher(backbone=str(folder / "backbone"), prompt=PROMPTS["Pin first"], max_tokens=limit)
        teacher = model.create(settings, seed=0)
        model.save(teacher, folder / "teacher")
        grader = TeacherGrader(folder / "teacher", NO_TEXTS)
    words = one_token_words(teacher.tokenizer)
    columns = ("queries per Pin", "pairs/s apart", "together", "ratio", "arithmetic", "largest difference")
    print(row(*columns), "|---" * len(columns) + "|", sep="\n")
    for queries in QUERIES_PER_PIN:
        pairs = drawn(words, given, queries)
        slow, fast, difference = compared(grader, pairs, queries, given.rounds)
        rates = (f"{len(pairs[0]) / slow:.1f}", f"{len(pairs[0]) / fast:.1f}", f"{slow / fast:.2f}")
        promised = arithmetic(teacher.tokenizer, pairs, queries)
        print(row(str(queries), *rates, f"{promised:.2f}", f"{difference:.4f}"), flush=True)


def write_decoder(folder: Path, hidden: int, layers: int) -> None:
    """A decoder of Qwen-3's shape with random weights, over MiniLM's tokenizer: the same work per token."""
    words = AutoTokenizer.from_pretrained(find(MINILM))
    words.save_pretrained(folder)
    seed_everything(0)
    heads = hidden // 64
    config = Qwen3Config(
        vocab_size=len(words), hidden_size=hidden, intermediate_size=3 * hidden, num_hidden_layers=layers,
        num_attention_heads=heads, num_key_value_heads=max(1, heads // 2), head_dim=64,
    )  # fmt: skip
    Qwen3Model(config).save_pretrained(folder)


def one_token_words(tokenizer: PreTrainedTokenizerFast) -> list[str]:
    return sorted(word for word in tokenizer.get_vocab() if word.isascii() and word.isalpha() and len(word) > 2)


def drawn(words: list[str], given: argparse.Namespace, queries: int) -> Pairs:
    """Pairs of random words, the queries of a Pin one after the other."""
    chance = random.Random(queries)
    pins = [" ".join(chance.choices(words, k=given.pin)) for _ in range(given.pairs // queries)]
    asked = [" ".join(chance.choices(words, k=given.query)) for _ in range(len(pins) * queries)]
    return asked, [pin for pin in pins for _ in range(queries)]


def compared(grader: TeacherGrader, pairs: Pairs, queries: int, rounds: int) -> tuple[float, float, float]:
    """Seconds apart, seconds together, and the largest difference of a probability."""

    def together() -> np.ndarray:
        return grader.grade_texts(*pairs)

    def apart() -> np.ndarray:
        found = np.empty((len(pairs[0]), len(relevance.LEVELS)), np.float32)
        for number in range(queries):
            found[number::queries] = grader.grade_texts(*(column[number::queries] for column in pairs))
        return found

    difference = np.abs(together() - apart()).max()
    slow, fast = medians([apart, together], rounds)
    return slow, fast, float(difference)


def medians(works: list[Callable[[], object]], rounds: int) -> list[float]:
    """The processor's seconds for each, in the same order; the order in which they take turns changes."""
    seconds: list[list[float]] = [[] for _ in works]
    for number in range(rounds):
        for i in random.Random(number).sample(range(len(works)), len(works)):
            begun = time.process_time()
            works[i]()
            seconds[i].append(time.process_time() - begun)
    return [statistics.median(taken) for taken in seconds]


def arithmetic(tokenizer: PreTrainedTokenizerFast, pairs: Pairs, queries: int) -> float:
    """Tokens of a Pin's pairs apart, over its beginning once and all endings."""
    before, after = PROMPTS["Pin first"].split("{query}")
    # A text alone comes between two special tokens; one of them belongs to the beginning, the other to the ending.
    beginning, ending = lengths_of(tokenizer, [before.format(text=pairs[1][0]), pairs[0][0] + after], limit=None) - 1
    return float(queries * (beginning + ending) / (beginning + queries * ending))


def quality(given: argparse.Namespace) -> None:
    ws = Workspace(given.out / "workspace")
    pipeline.run(world(given), ws, "enrich")
    truth = assembly.held_out(ws)
    truth = truth.filter(pc.equal(truth.column("language"), "en"))
    backbone = given.out / "backbone"
    with quiet():
        write_decoder(backbone, 384, given.layers)
        give_words(backbone)
    settings = Teacher(
        backbone=str(backbone), max_tokens=128, epochs=given.epochs, learning_rate=3e-4, tokens_per_batch=2_000
    )
    grades = {
        (name, seed): graded(ws, truth, dataclasses.replace(settings, prompt=PROMPTS[name]), seed, given.out / name)
        for seed in range(given.seeds)
        for name in PROMPTS
    }
    report(truth, grades, given.seeds)


def world(given: argparse.Namespace) -> Recipe:
    """The generated world of the recipe at another size."""
    recipe, scale = read(RECIPE), given.pins / 20_000
    sizes = {"pins": given.pins, "users": round(2_000 * scale), "searches": round(40_000 * scale)}
    labels = {"judged_pairs": given.judged, "heldout_pairs": given.held_out}
    return dataclasses.replace(recipe, world=dataclasses.replace(recipe.world, pictures=False, **sizes, **labels))


def give_words(folder: Path) -> None:
    """Put MiniLM's word vectors, at the size that random ones have, into a decoder."""
    decoder = Qwen3Model.from_pretrained(folder)
    words = AutoModel.from_pretrained(find(MINILM)).get_input_embeddings().weight.detach()
    own = decoder.get_input_embeddings().weight
    own.data.copy_(words * own.std() / words.std())
    decoder.save_pretrained(folder)


def graded(ws: Workspace, truth: pa.Table, settings: Teacher, seed: int, folder: Path) -> np.ndarray:
    """What a teacher of these settings answers to the held-out pairs."""
    done = folder / f"{seed}.parquet"
    if not done.exists():
        teacher, scratch = folder / f"teacher-{seed}", folder / f"scratch-{seed}"
        scratch.mkdir(parents=True, exist_ok=True)
        begun = time.monotonic()
        train.train({part: assembly.judged(ws, part) for part in ("train", "valid")}, settings, seed, teacher, scratch)
        console.print(folder.name, seed, f"{(time.monotonic() - begun) / 60:.1f} min")
        answers = TeacherGrader(teacher, ws.table("composed", ["pin_id", "text"])).grade(truth)
        pq.write_table(pa.table(relevance.to_columns(answers)), done)
    return relevance.from_columns(pq.read_table(done))


def report(truth: pa.Table, grades: dict[tuple[str, int], np.ndarray], seeds: int) -> None:
    """Print, as Markdown, both prompts' figures and the one's less the other's."""
    order = canonical_order(truth)
    sample = from_truth(truth.take(pa.array(order)))
    named = {f"{name} {seed}": answers for (name, seed), answers in grades.items()}
    comparer = Comparer(sample, ordered_grades(named, order), MEASURED)
    comparer.resample(2_000, 0)

    def mean(name: str, metric: str) -> tuple[float, np.ndarray]:
        runs = [f"{name} {seed}" for seed in range(seeds)]
        drawn = np.mean([comparer.resampled[run][metric] for run in runs], axis=0)
        return float(np.mean([comparer.values[run][metric] for run in runs])), drawn

    print(f"{len(sample)} pairs of {sample.queries} queries; most frequent level: {most_frequent(sample.level):.3f}")
    print(row("", *(METRICS[m].label for m in MEASURED)), "|---" * (1 + len(MEASURED)) + "|", sep="\n")
    for name in PROMPTS:
        print(row(name, *(cell(estimate(*mean(name, m), 0.95)) for m in MEASURED)))
    asked = {m: [mean(name, m) for name in ("Pin first", "query first")] for m in MEASURED}
    less = [cell(estimate(a[0] - b[0], a[1] - b[1], 0.95), "+") for a, b in asked.values()]
    print(row("Pin first less query first", *less))


def most_frequent(levels: np.ndarray) -> float:
    """The accuracy of always saying the most frequent level."""
    return float(np.bincount(levels).max() / len(levels))


def row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def cell(found: Estimate, sign: str = "") -> str:
    return f"{found.value:{sign}.3f} ({found.low:{sign}.3f} to {found.high:{sign}.3f})"


if __name__ == "__main__":
    main()
