"""Adapters beside frozen weights, of full precision and of 4 bits: what learns, what is saved, what is refused."""

import dataclasses
import functools
import sys

import killed
import numpy as np
import pytest
import tiny_families
import torch
import toy_trainings
import transformers
from peft.tuners.tuners_utils import BaseTunerLayer
from safetensors.torch import load_file
from sentence_transformers import CrossEncoder
from toy_task import judged

from limbeck import recipe_file
from limbeck.backbone import bf16
from limbeck.errors import InputError
from limbeck.progress import choose
from limbeck.settings import Lora, Teacher
from limbeck.teacher import adapters, model, train

PLAIN, PACKED = Lora(rank=4, dropout=0.0, four_bit=False), Lora(rank=4, dropout=0.0)
PAIRS = [("red", "a red sofa"), ("blue lamp", "lamp " * 50), ("sofa", ""), ("oak shelf", "Gewürzregal ☕")]
HASTY = {"max_tokens": 48, "tokens_per_batch": 600, "epochs": 2.2, "learning_rate": 1e-2}


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    return tiny_families.write("llama", tmp_path_factory.mktemp("tiny") / "llama")


def create(backbone, lora, **changes):
    return model.create(Teacher(**{"backbone": str(backbone), "max_tokens": 48, "lora": lora, **changes}), seed=1)


def stirred(teacher):
    """The teacher with adapters that do something: they begin at zero."""
    torch.manual_seed(2)
    for name, weight in teacher.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.2)
    return teacher


@pytest.mark.parametrize("lora", [PLAIN, PACKED])
def test_adapters_and_head_learn_in_single_precision_and_nothing_else(lora, llama):
    learning = {n: w.dtype for n, w in create(llama, lora).named_parameters() if w.requires_grad}
    assert set(learning.values()) == {torch.float32}
    assert {n.split(".")[0] for n in learning} == {"0", "2", "3"}
    assert all("lora_" in n for n in learning if n.startswith("0."))
    assert len([n for n in learning if "lora_A" in n]) == 2 * 7  # all linear layers of two blocks


def test_the_frozen_weights_take_four_bits(llama):
    packed = create(llama, PACKED)[0].model.layers[0].mlp.up_proj.get_base_layer().weight
    assert packed.dtype == torch.uint8
    assert packed.numel() == 32 * 64 / 2
    assert packed.quant_state.quant_type == "nf4"


@pytest.mark.parametrize("lora", [PLAIN, PACKED])
def test_what_is_saved_answers_as_what_was_trained(lora, llama, tmp_path):
    trained = stirred(create(llama, lora)).eval()
    before = trained.predict(PAIRS, apply_softmax=True)
    plain = create(llama, lora).eval().predict(PAIRS, apply_softmax=True)
    assert np.abs(before - plain).max() > 0.02  # the adapters do something
    adapters.merge(trained)
    model.save(trained, tmp_path)
    saved = CrossEncoder(str(tmp_path))
    assert not any(isinstance(m, BaseTunerLayer) for m in saved.modules())
    np.testing.assert_allclose(saved.predict(PAIRS, apply_softmax=True), before, atol=0.01)


def test_merging_is_exact_in_single_precision(llama, monkeypatch):
    monkeypatch.setattr(adapters, "bf16", lambda: False)
    trained = stirred(create(llama, PLAIN)).eval()
    before = trained.predict(PAIRS)
    adapters.merge(trained)
    np.testing.assert_allclose(trained.predict(PAIRS), before, atol=1e-5)


@pytest.mark.long
def test_checkpoints_hold_what_is_trained_alone(llama, tmp_path):
    out, scratch = tmp_path / "out", tmp_path / "scratch"
    toy_trainings.teacher(llama, out, scratch, lora=PACKED, **HASTY)
    (newest, *_) = sorted(scratch.glob("checkpoint-*"))
    assert not list(newest.rglob("model*.safetensors"))
    names = load_file(newest / adapters.TRAINED).keys()
    assert {n.split(".")[0] for n in names} == {"0", "2", "3"}
    assert all("lora_" in n for n in names if n.startswith("0."))


@pytest.mark.long
@pytest.mark.parametrize("lora", [PLAIN, PACKED])
@pytest.mark.parametrize(("method", "call"), [("training_step", 5), ("_finalize_training", 1)])
def test_a_killed_training_ends_at_the_same_weights(lora, method, call, llama, tmp_path):
    chosen = {"lora": dataclasses.replace(lora, dropout=0.1), "contrary": True, **HASTY}
    toy_trainings.teacher(llama, tmp_path / "whole", tmp_path / "scratch of whole", **chosen)
    again = tmp_path / "out", tmp_path / "scratch"
    work = functools.partial(toy_trainings.teacher, **chosen)
    killed.at(transformers.Trainer, method, call, work, llama, *again)
    assert list(again[1].glob("checkpoint-*"))
    assert not again[0].exists()
    toy_trainings.teacher(llama, *again, **chosen)
    files = [sorted(f.rglob("*.safetensors")) for f in (tmp_path / "whole", again[0])]
    assert [f.read_bytes() for f in files[0]] == [f.read_bytes() for f in files[1]]


@pytest.mark.long
def test_training_lowers_the_loss(llama, tmp_path):
    chosen = {**HASTY, "epochs": 8.0, "lora": dataclasses.replace(PACKED, rank=8), "gradient_checkpointing": True}
    toy_trainings.teacher(llama, tmp_path / "out", tmp_path / "scratch", **chosen)
    rows = judged("train")
    pairs = list(zip(rows.column("query").to_pylist(), rows.column("text").to_pylist()))
    liked = np.asarray(rows.column("p5").to_pylist()) > 0
    high = CrossEncoder(str(tmp_path / "out")).predict(pairs, apply_softmax=True)[:, 3:].sum(axis=1)
    assert high[liked].mean() > high[~liked].mean() + 0.3


def test_checkpointing_recomputes_and_changes_no_gradient(llama):
    gradients, forwards = [], []
    rows = judged("train").slice(0, 4)
    columns = [rows.column(c).to_pylist() for c in ("query", "text")]
    for checkpointing in (False, True):
        teacher = stirred(create(llama, PLAIN, dropout=0.0)).train()
        if checkpointing:
            teacher.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        calls = []
        teacher[0].model.layers[0].mlp.register_forward_pre_hook(lambda *_, calls=calls: calls.append(1))
        train.DistributionLoss(teacher)(columns, torch.eye(5)[:4]).backward()
        gradients.append({n: w.grad for n, w in teacher.named_parameters() if w.requires_grad})
        forwards.append(len(calls))
    assert forwards == [1, 2]
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient, msg=name)
    assert sum(float(g.abs().sum()) > 0 for g in gradients[0].values()) == len(gradients[0])


def refused(lora):
    """What is said against it; nothing where it can be had."""
    try:
        adapters.require(lora)
    except InputError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(("package", "setting"), [("peft", "lora"), ("bitsandbytes", "lora.four_bit")])
def test_a_missing_package_is_named_with_the_remedy(package, setting, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    said = refused(PACKED)
    assert said == (
        f'teacher.{setting} needs the package {package}, which is not there. Install them: pip install "limbeck[qlora]"'
    )


@pytest.mark.parametrize(("lora", "missing"), [(PACKED, ["bitsandbytes"]), (PLAIN, []), (None, [])])
def test_bitsandbytes_is_needed_for_four_bits_alone(lora, missing, monkeypatch):
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    assert [name for name in ("bitsandbytes", "peft") if name in refused(lora)] == missing


def test_where_four_bits_need_a_gpu_a_line_says_so(monkeypatch):
    from bitsandbytes import functional

    def fails(*_, **__):
        raise RuntimeError("no kernel for this device\nand a long story")

    monkeypatch.setattr(functional, "quantize_4bit", fails)
    assert refused(PACKED) == (
        f"teacher.lora.four_bit does not work on this {adapters.device().type} (no kernel for this device). "
        "Train on a machine with an NVIDIA GPU, or set four_bit = false: that takes four times the memory"
    )


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_four_bits_on_a_cpu_work_and_are_announced_as_slow(capsys):
    choose("json")
    try:
        adapters.require(PACKED)
    finally:
        choose("quiet")
    assert '"event": "slow"' in capsys.readouterr().out


def test_layers_that_are_not_there(llama):
    with pytest.raises(InputError, match=r"teacher\.lora\.targets: .*no_such_layer"):
        create(llama, Lora(targets=("no_such_layer",), four_bit=False))


def test_layers_by_name(llama):
    teacher = create(llama, Lora(targets=("q_proj", "v_proj"), four_bit=False))
    adapted = {n.split(".")[-1] for n, m in teacher.named_modules() if isinstance(m, BaseTunerLayer)}
    assert adapted == {"q_proj", "v_proj"}


def test_the_frozen_weights_are_in_half_precision_where_that_is_fast(llama):
    assert create(llama, PLAIN)[0].model.dtype == (torch.bfloat16 if bf16() else torch.float32)


def test_the_recipe_says_all_of_it():
    text = '[world]\n[teacher.lora]\nrank = 8\nalpha = 16\ndropout = 0.1\ntargets = ["q_proj"]\nfour_bit = false\n'
    assert recipe_file.parse(text, tiny_families.Path("r.toml")).teacher.lora == Lora(8, 16.0, 0.1, ("q_proj",), False)


def test_a_head_keeps_all_its_digits_beside_weights_in_bfloat16(llama, tmp_path, monkeypatch):
    monkeypatch.setattr(adapters, "bf16", lambda: True)
    made = create(llama, PLAIN)
    assert torch.bfloat16 in {weight.dtype for weight in made[0].parameters()}
    learnt = [w for n, w in made.named_parameters() if not n.startswith("0.")]
    with torch.no_grad():
        for weight in learnt:
            weight.add_(1e-4 * torch.randn_like(weight))
    exact = made[2].linear.weight.clone()
    adapters.merge(made)
    model.save(made, tmp_path / "teacher")
    assert {weight.dtype for weight in learnt} == {torch.float32}
    torch.testing.assert_close(model.load(tmp_path / "teacher")[2].linear.weight, exact, rtol=0, atol=0)
