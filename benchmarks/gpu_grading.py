"""Grading on a GPU: pairs and tokens per second, and the share of the matrix peak that is reached.

    python benchmarks/gpu_grading.py
    python benchmarks/gpu_grading.py --models decoder-8b --pairs 500 --peer-pairs 100
    python benchmarks/gpu_grading.py --models minilm --profile

Teachers of MiniLM's shape, of an encoder of 303 million weights beside its embeddings, and of Qwen3-8B's shape, with
random weights made on the GPU: speed does not depend on them, and nothing is downloaded. Pins are of 20 to 250 words,
about 170 in the mean, queries of 2 to 8; every word is one token. Seconds are those of the clock, tokenising included,
after a first call. Tokens are the rows' own, without padding; operations are those of the matrix products, attention
included; the peak is that of a product of 8,192 × 8,192 × 8,192 in bfloat16, measured in the same run.

Beside ours: sentence-transformers' `CrossEncoder.predict` as it comes (float32, batches of 32), and tuned (bfloat16,
batches of 256). The last column is the largest difference of a probability from float32's. Of the decoder, pairs are
also graded Pin first, with 1, 2, 4 and 8 queries behind a Pin: together, and apart. `--train` takes steps of training,
too: of all weights in mixed precision, of the decoder's adapters. `--profile` tells for how much of the time the GPU
computes, and with what.
"""

import argparse
import random
import re
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import torch
from sentence_transformers import CrossEncoder
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import AutoModel, BertConfig, PretrainedConfig, PreTrainedTokenizerFast, Qwen3Config

from limbeck.backbone import device, is_decoder
from limbeck.batches import TokenBudgetSampler
from limbeck.inference.tokens import PROBE
from limbeck.relevance import LEVELS
from limbeck.settings import Lora, Teacher
from limbeck.teacher import adapters, model
from limbeck.teacher.grade import TeacherGrader
from limbeck.teacher.train import DistributionLoss
from limbeck.training import quiet

MAX_TOKENS, WORDS = 256, 20_000
QUERIES_PER_PIN = (1, 2, 4, 8)
PROMPTS = {
    "query first": "Query:\n{query}\nPin:\n{text}\nRelevance:",
    "Pin first": "Pin:\n{text}\nQuery:\n{query}\nRelevance:",
}
NO_TEXTS = pa.table({"pin_id": [], "text": []})
COLUMNS = ("", "pairs/s", "tokens/s", "TFLOP/s", "of the peak", "difference")
TOGETHER = ("queries per Pin", "pairs/s apart", "together", "ratio", "difference")
Rows = tuple[list[str], list[str]]
Grade = Callable[[Rows], np.ndarray]


def _weights(hidden: int) -> dict[str, float]:
    """So large that texts differ, which a reader's trials need."""
    return {"initializer_range": 2 * hidden**-0.5}


def _encoder(hidden: int, heads: int, layers: int) -> PretrainedConfig:
    sizes = {"hidden_size": hidden, "num_hidden_layers": layers, "num_attention_heads": heads, **_weights(hidden)}
    return BertConfig(vocab_size=30_522, intermediate_size=4 * hidden, **sizes)


def _decoder(hidden: int, heads: int, layers: int) -> PretrainedConfig:
    sizes = {"hidden_size": hidden, "num_hidden_layers": layers, "num_attention_heads": heads, **_weights(hidden)}
    return Qwen3Config(vocab_size=151_936, intermediate_size=3 * hidden, num_key_value_heads=heads // 4, **sizes)


@dataclass(frozen=True)
class Shape:
    """A kind of model by its number of layers, pairs that take some seconds, and how it is trained."""

    config: Callable[[int], PretrainedConfig]
    layers: int
    pairs: int
    peer_pairs: int
    train_pairs: int
    training: Teacher


FULL = Teacher(tokens_per_batch=16_000)
ADAPTERS = Teacher(tokens_per_batch=8_000, gradient_checkpointing=True, lora=Lora(four_bit=False))
SHAPES = {
    "minilm": Shape(partial(_encoder, 384, 12), 6, 100_000, 10_000, 20_000, FULL),
    "encoder-300m": Shape(partial(_encoder, 1_024, 16), 24, 20_000, 2_000, 5_000, FULL),
    "decoder-8b": Shape(partial(_decoder, 4_096, 32), 36, 1_500, 128, 400, ADAPTERS),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=tuple(SHAPES), default=list(SHAPES))
    parser.add_argument("--pairs", type=int, help="instead of what takes some seconds")
    parser.add_argument("--peer-pairs", type=int, help="likewise, for the others")
    parser.add_argument("--rounds", type=int, default=1)
    for flag in ("alone", "train", "profile"):
        parser.add_argument(f"--{flag}", action="store_true")
    given = parser.parse_args()
    if not torch.cuda.is_available():
        print("gpu_grading.py needs a GPU that torch can see", file=sys.stderr)
        return 2
    top = peak()
    say(f"{torch.cuda.get_device_name()}, torch {torch.__version__}: {top / 1e12:.0f} TFLOP/s in bfloat16")
    with quiet():
        for name in given.models:
            measure(name, given, top)
    return 0


def say(line: str) -> None:
    print(line, flush=True)


def row(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def head(columns: tuple[str, ...]) -> None:
    say(f"{row(*columns)}\n{'|---' * len(columns)}|")


def peak(size: int = 8_192) -> float:
    """Operations per second of a large product: the median of twenty."""
    a, b = (torch.randn(size, size, dtype=torch.bfloat16, device="cuda") for _ in range(2))
    taken = []
    for _ in range(25):
        begun, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begun.record()
        a @ b
        ended.record()
        ended.synchronize()
        taken.append(begun.elapsed_time(ended) / 1e3)
    return 2 * size**3 / statistics.median(taken[5:])


def measure(name: str, given: argparse.Namespace, top: float) -> None:
    shape, begun = SHAPES[name], time.perf_counter()
    backbone = whole(shape.config(shape.layers))
    teacher, pairs = made(shape, backbone, "query first"), given.pairs or shape.pairs
    say(f"\n{name}: {weights(backbone.config) / 1e6:,.0f} M weights, made in {time.perf_counter() - begun:.1f} s\n")
    compare(teacher, pairs, given.peer_pairs or shape.peer_pairs, given, top)
    if given.profile:
        profile(ours(teacher), drawn(max(300, pairs // 4)))
    if is_decoder(backbone.config):
        share(ours(made(shape, backbone, "Pin first")), pairs // 3)
    if given.train:
        say(f"\ntraining: {trained(teacher, shape.training, given.pairs or shape.train_pairs):,.1f} pairs/s")
    del teacher, backbone
    torch.cuda.empty_cache()


def whole(config: PretrainedConfig) -> torch.nn.Module:
    """The model with random weights, made where it is to be."""
    torch.manual_seed(0)
    with device():
        return AutoModel.from_config(config, dtype=torch.bfloat16).eval()


def made(shape: Shape, backbone: torch.nn.Module, prompt: str) -> CrossEncoder:
    """A teacher as settings make it, of a backbone of one small layer, and then with this backbone instead."""
    config = shape.config(1)
    asked = PROMPTS[prompt] if is_decoder(config) else ""
    with TemporaryDirectory() as name:
        AutoModel.from_config(config, dtype=torch.bfloat16).save_pretrained(name)
        tokenizer(is_decoder(config)).save_pretrained(name)
        settings = Teacher(backbone=name, prompt=asked, max_tokens=MAX_TOKENS, head="softmax", dropout=0.0)
        teacher = model.create(settings, seed=0)
    teacher[0].model = backbone
    return teacher.eval()


def tokenizer(decoder: bool) -> PreTrainedTokenizerFast:
    """Every word is a token, those of prompts and of the reader's trials, too."""
    special = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    others = re.findall(r"\w+|:", " ".join([*PROMPTS.values(), *PROBE]))
    known = {word: i for i, word in enumerate(dict.fromkeys([*special.values(), *others, *words()]))}
    backend = Tokenizer(models.WordLevel(known, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    if decoder:
        return PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="[SEP]", unk_token="[UNK]")
    ends = [(token, known[token]) for token in ("[CLS]", "[SEP]")]
    backend.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1", ends)
    return PreTrainedTokenizerFast(tokenizer_object=backend, **special)


def words() -> list[str]:
    return [f"word{number}" for number in range(WORDS)]


def drawn(pins: int, queries: int = 1, seed: int = 0) -> Rows:
    """Pins of random words, the queries of a Pin one after the other."""
    chance, known = random.Random(seed), words()
    texts = [" ".join(chance.choices(known, k=round(20 + 230 * chance.betavariate(2.6, 1.4)))) for _ in range(pins)]
    asked = [" ".join(chance.choices(known, k=chance.randint(2, 8))) for _ in range(pins * queries)]
    return asked, [text for text in texts for _ in range(queries)]


def compare(teacher: CrossEncoder, pairs: int, peer_pairs: int, given: argparse.Namespace, top: float) -> None:
    """Ours comes last, as it changes the model's parts for faster ones."""
    few, answers, lines = drawn(peer_pairs), [], []
    runs = [("limbeck", torch.bfloat16, drawn(pairs), ours)]
    if not given.alone:
        peers = (("bfloat16", torch.bfloat16, 256), ("float32", torch.float32, 32))
        runs[:0] = [(f"predict, {name}, batch {size}", kind, few, tuned(size)) for name, kind, size in peers]
    for name, dtype, rows, make in runs:
        teacher[0].model.to(dtype)
        grade = make(teacher)
        taken = timed(grade, rows, given.rounds)
        answers.append(grade(tuple(column[:100] for column in few)))
        lines.append((name, *rates(teacher, taken, rows, top)))
        say(f"{name}: {len(rows[0])} pairs in {taken:.2f} s")
    head(COLUMNS)
    for line, found in zip(lines, answers):
        say(row(*line, f"{np.abs(found - answers[-2:][0]).max():.4f}"))  # from float32's


def ours(teacher: CrossEncoder) -> Grade:
    grader = TeacherGrader(teacher, NO_TEXTS)
    return lambda rows: grader.grade_texts(*rows)


def tuned(size: int) -> Callable[[CrossEncoder], Grade]:
    """sentence-transformers' own way, with batches of this size."""
    return lambda teacher: lambda rows: teacher.predict(list(zip(*rows)), batch_size=size, apply_softmax=True)


def timed(grade: Grade, rows: Rows, rounds: int) -> float:
    """Seconds for all rows: the median of some rounds after a short one."""
    grade(tuple(column[: 1 + min(300, len(column) // 4)] for column in rows))
    return statistics.median(seconds(lambda: grade(rows)) for _ in range(rounds))


def seconds(work: Callable[[], object]) -> float:
    torch.cuda.synchronize()
    begun = time.perf_counter()
    work()
    torch.cuda.synchronize()
    return time.perf_counter() - begun


def rates(teacher: CrossEncoder, taken: float, rows: Rows, top: float) -> list[str]:
    lengths = counted(teacher, rows).astype(float)
    config = teacher[0].model.config
    # Every token's score with every other and the sum over them; a decoder's with those before it alone.
    attention = (2 if is_decoder(config) else 4) * heads(config) * config.num_hidden_layers
    flop = float((2 * weights(config) * lengths + attention * lengths**2).sum()) / taken
    return [f"{len(lengths) / taken:,.0f}", f"{lengths.sum() / taken:,.0f}", f"{flop / 1e12:.1f}", f"{flop / top:.0%}"]


def counted(teacher: CrossEncoder, rows: Rows) -> np.ndarray:
    """Tokens of each row, special ones included: every word is one."""
    around = len(teacher.tokenizer(rows[0][0], rows[1][0])["input_ids"]) - length(rows[0][0]) - length(rows[1][0])
    return np.minimum([length(q) + length(t) + around for q, t in zip(*rows)], MAX_TOKENS)


def length(text: str) -> int:
    return text.count(" ") + 1


def heads(config: PretrainedConfig) -> int:
    """The width of all heads' queries together."""
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return size * config.num_attention_heads


def weights(config: PretrainedConfig) -> int:
    """Weights of the matrix products that every token goes through."""
    own, keys = heads(config), getattr(config, "num_key_value_heads", config.num_attention_heads)
    others = own * keys // config.num_attention_heads
    between = (3 if is_decoder(config) else 2) * config.intermediate_size
    return config.num_hidden_layers * config.hidden_size * (2 * own + 2 * others + between)


def share(grade: Grade, pairs: int) -> None:
    """Several queries behind one Pin, together and apart."""
    say("\nPin first:\n")
    head(TOGETHER)
    for queries in QUERIES_PER_PIN:
        rows = drawn(pairs // queries, queries, seed=queries)
        apart = [tuple(column[number::queries] for column in rows) for number in range(queries)]
        grade(tuple(column[: 8 * queries] for column in rows))
        slow, parts = kept(grade, apart)
        fast, (together,) = kept(grade, [rows])
        difference = max(np.abs(part - together[number::queries]).max() for number, part in enumerate(parts))
        figures = (f"{len(together) / slow:,.1f}", f"{len(together) / fast:,.1f}", f"{slow / fast:.2f}")
        say(row(queries, *figures, f"{difference:.4f}"))


def kept(grade: Grade, parts: list[Rows]) -> tuple[float, list[np.ndarray]]:
    """Seconds, and what was answered."""
    answers: list[np.ndarray] = []
    return seconds(lambda: answers.extend(grade(part) for part in parts)), answers


def profile(grade: Grade, rows: Rows) -> None:
    """For how much of the time the GPU computes, and with what."""
    taken = timed(grade, rows, 1)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as seen:
        grade(rows)
        torch.cuda.synchronize()
    kernels = seen.key_averages()
    busy = sum(kernel.self_device_time_total for kernel in kernels) / 1e6
    say(f"\nthe GPU computes for {busy:.2f} of {taken:.2f} s ({busy / taken:.0%})")
    for kernel in sorted(kernels, key=lambda kernel: -kernel.self_device_time_total)[:14]:
        spent = kernel.self_device_time_total / 1e6
        say(f"  {spent / busy:6.1%} {kernel.count:7d} × {kernel.key[:100]}")


def trained(teacher: CrossEncoder, settings: Teacher, pairs: int) -> float:
    """Pairs per second of training steps as ours are, without validation; the first two do not count."""
    teacher.float() if settings.lora is None else adapters.add(teacher[0], settings.lora)
    if settings.gradient_checkpointing:
        teacher.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    teacher.train()
    rows, target = drawn(pairs), torch.eye(len(LEVELS)).repeat(pairs, 1)[:pairs]
    loss = DistributionLoss(teacher)
    learning = [weight for weight in teacher.parameters() if weight.requires_grad]
    step = partial(trained_on, loss, torch.optim.AdamW(learning, 1e-5, fused=True), rows, target)
    batches = list(TokenBudgetSampler(counted(teacher, rows), settings.tokens_per_batch, 0))
    for batch in batches[:2]:
        step(batch)
    return sum(map(len, batches[2:])) / seconds(lambda: list(map(step, batches[2:])))


def trained_on(
    loss: DistributionLoss, optimizer: torch.optim.Optimizer, rows: Rows, target: torch.Tensor, batch: list[int]
) -> None:
    with torch.autocast(device().type, torch.bfloat16):
        value = loss([[column[i] for i in batch] for column in rows], list(target[batch]))
    value.backward()
    optimizer.step()
    optimizer.zero_grad()


if __name__ == "__main__":
    sys.exit(main())
