"""Where pretrained weights are looked for, and which are refused."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest
import torch

from limbeck import backbone
from limbeck.errors import InputError

NAME = "all-MiniLM-L6-v2"
PACKAGE = backbone.PACKAGED[NAME][0]


@pytest.fixture
def model(tmp_path):
    """A folder that looks like a model; keywords are further files and their content."""

    def make(name, **files):
        folder = tmp_path / name
        folder.mkdir(parents=True)
        for file, content in ({"config.json": {"model_type": "bert"}, "model.safetensors": ""} | files).items():
            if content is not None:
                (folder / file).write_text(content if isinstance(content, str) else json.dumps(content))
        return folder

    return make


def refused(name, folder=Path(".")):
    with pytest.raises(InputError) as error:
        backbone.find(name, folder)
    return str(error.value)


def test_the_packaged_weights_are_found_and_are_the_published_ones():
    folder = Path(backbone.find(NAME))
    assert folder == Path(importlib.util.find_spec(PACKAGE).submodule_search_locations[0]) / "model"
    assert (folder / "config.json").exists()


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Another package of the same name, found before the installed one."""
    folder = tmp_path / "site" / PACKAGE / "model"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").touch()
    monkeypatch.delitem(sys.modules, PACKAGE, raising=False)
    monkeypatch.syspath_prepend(tmp_path / "site")
    return folder


def test_a_corrupt_copy_of_the_packaged_weights_is_refused(package):
    (package / "model.safetensors").write_bytes(b"not what was published")
    said = refused(NAME)
    assert said == f"{package}: weights are not the published ones. Reinstall {PACKAGE}"


def test_without_the_package_the_hub_is_asked(monkeypatch):
    monkeypatch.setitem(backbone.PACKAGED, NAME, ("no_such_package_at_all", "model", ""))
    assert backbone.find(NAME) == f"sentence-transformers/{NAME}"


def test_a_local_folder_comes_first(model, tmp_path, monkeypatch):
    local = model(f"recipes/{NAME}")
    assert backbone.find(NAME, tmp_path / "recipes") == str(local)
    assert backbone.find(str(local)) == str(local)
    monkeypatch.chdir(tmp_path / "recipes")
    assert backbone.find(f"./{NAME}") == NAME
    assert backbone.find(f"../recipes/{NAME}", tmp_path / "recipes") == str(
        tmp_path / "recipes" / ".." / "recipes" / NAME
    )


def test_any_other_name_is_the_hubs(tmp_path):
    assert backbone.find("intfloat/multilingual-e5-small", tmp_path) == "intfloat/multilingual-e5-small"


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json", "preprocessor_config.json"])
def test_code_that_comes_with_a_model_is_refused(model, file):
    folder = model("evil", **{file: {"auto_map": {"AutoModel": "evil.Model"}}})
    assert refused(str(folder)) == f"{folder}: this model brings its own code, which is never run"


def test_weights_that_are_not_safetensors_are_refused(model):
    folder = model("pickled", **{"model.safetensors": None, "pytorch_model.bin": "pickle"})
    assert refused(str(folder)) == f"{folder}: no .safetensors weights. Convert the model to safetensors"
    assert backbone.LOADING["use_safetensors"] is True


@pytest.mark.parametrize("content", ["{", "", "\x00" * 10])
def test_a_damaged_configuration_is_named(model, content):
    folder = model("damaged", **{"config.json": content})
    assert refused(str(folder)).startswith(f"{folder / 'config.json'}: not JSON: ")


@pytest.mark.parametrize(
    "name", ["../model", "../../etc", "/etc", "/no/such/model", "./model", "..", ".", "org/../../model", "a/.."]
)
def test_names_that_lead_elsewhere_are_refused(name, tmp_path):
    assert refused(name, tmp_path).startswith(f"no model folder {name!r}. ")


def test_a_seed_makes_random_numbers_the_same():
    backbone.seed_everything(3)
    first = torch.rand(4)
    backbone.seed_everything(3)
    assert torch.equal(torch.rand(4), first)
    backbone.seed_everything(4)
    assert not torch.equal(torch.rand(4), first)


def test_what_it_runs_on():
    assert backbone.device().type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert isinstance(backbone.bf16(), bool)
