"""Who may import whom, what is never loaded, and how soon the command line answers: held over all of the code."""

import ast
import graphlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import limbeck

PACKAGE = Path(limbeck.__file__).parent
REPOSITORY = PACKAGE.parent
LEAVES = {
    "templates",
    "errors",
    "records",
    "relevance",
    "remembered",
    "settings",
    "workspace",
    "progress",
    "batches",
    "backbone",
    "pooling",
    "training",
    "tracking",
    "processes",
    "ending",
    "calibration",
    "listening",
    "lookup",
    "ahead",
    "compiled",
    "wide",
}
# Which stages a stage folder may import from, besides itself and the leaves: what flows into it.
STAGES = {
    "sources": set(),
    "captions": set(),
    "text": set(),
    "inference": set(),
    "teacher": {"inference", "text"},
    "labels": set(),
    "signals": {"captions", "text"},
    "student": {"inference", "signals", "text"},
    "index": {"student", "signals", "text"},
    "live": {"index", "signals", "student"},
    "serve": {"index", "live", "student", "teacher", "signals", "text"},
    "measure": set(),
    "judge": set(),
    "rate": {"measure", "serve"},
}
# What stands above the stages: these may see all of them, and of each other what is named here.
ABOVE = {
    "recipe_file": set(),
    "starting_recipe": set(),
    "failures": set(),
    "assembly": set(),
    "labelling": {"assembly"},
    "lineup": {"assembly"},
    "attacking": {"assembly", "lineup"},
    "judging": {"assembly", "attacking", "lineup"},
    "queueing": set(),
    "rating": {"queueing"},
    "inputs": {"assembly", "rating"},
    "making": {"assembly", "failures", "inputs"},
    "seeing": {"making"},
    "composing": {"assembly", "making"},
    "recalling": {"assembly", "making"},
    "teaching": {"assembly", "making"},
    "history": set(),
    "problems": set(),
    "comparing": {"assembly", "lineup"},
    "embeddings": {"assembly", "making"},
    "similar": {"embeddings"},
    "pipeline": {
        "assembly",
        "attacking",
        "composing",
        "history",
        "inputs",
        "judging",
        "labelling",
        "lineup",
        "making",
        "problems",
        "recalling",
        "seeing",
        "teaching",
    },
    "reproduce": {"assembly", "history", "lineup", "making", "pipeline"},
    "__main__": {"cli"},
    "cli": {
        "comparing",
        "embeddings",
        "judging",
        "lineup",
        "pipeline",
        "rating",
        "recipe_file",
        "reproduce",
        "similar",
        "starting_recipe",
    },
}
ALLOWED = (
    {"limbeck": set(), "client": set()}  # the client stands alone: it is one file, to be copied
    | dict.fromkeys(LEAVES, LEAVES)
    | {stage: LEAVES | known for stage, known in STAGES.items()}
    | {above: LEAVES | STAGES.keys() | known for above, known in ABOVE.items()}
)
HEAVY = {
    "redis",
    "torch",
    "transformers",
    "sentence_transformers",
    "daft",
    "faiss",
    "tantivy",
    "numba",
    "sklearn",
    "scipy",
    "numpy",
    "pyarrow",
    "httpx",
    "starlette",
    "uvicorn",
    "openvino",
}
PICKLES = {"pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "shelve", "marshal", "jsonpickle"}


def module_name(path):
    parts = path.relative_to(REPOSITORY).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in SOURCES.items()}


def imports(tree):
    """Every module that some code imports, wherever in it; names taken from a package count where they are modules."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are by full module name"
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name if name in SOURCES else node.module for name in inner)


def unit(module):
    """The leaf or stage folder that a module belongs to; the package itself is "limbeck"."""
    return (module + ".").split(".")[1] or "limbeck"


def ours(module):
    return [name for name in imports(TREES[module]) if name.split(".")[0] == "limbeck"]


def test_every_module_has_a_place_in_the_table():
    assert {unit(name) for name in SOURCES} <= ALLOWED.keys()


def test_only_allowed_arrows():
    for module in SOURCES:
        allowed = ALLOWED[unit(module)] | {unit(module)}
        # The package root is imported for its version alone; `from limbeck import relevance` counts as relevance.
        assert {unit(name) for name in ours(module)} - {"limbeck"} <= allowed, module


def test_labels_and_measure_know_no_model():
    models = {"teacher", "student", "index", "serve", "signals", "backbone", "training", "batches"}
    for module in SOURCES:
        if unit(module) in ("labels", "measure"):
            assert not {unit(name) for name in ours(module)} & models, module


def test_only_measure_and_the_world_itself_name_the_truth():
    for module in SOURCES:
        if unit(module) not in ("sources", "measure"):
            assert "limbeck.sources.world.truth" not in ours(module)


def test_the_package_root_is_imported_for_its_version_alone():
    for module, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module == "limbeck":
                assert all(a.name == "__version__" or f"limbeck.{a.name}" in SOURCES for a in node.names), module
            if isinstance(node, ast.Import):
                assert all(alias.name != "limbeck" for alias in node.names), module


def test_no_import_cycles():
    # A folder's __init__ holds no code, so importing it on the way to a module ties nothing.
    graph = {module: {name for name in ours(module) if name not in (module, "limbeck")} for module in SOURCES}
    assert len(list(graphlib.TopologicalSorter(graph).static_order())) >= len(SOURCES) - 1


def test_folders_of_stages_hold_only_a_docstring_at_their_door():
    for module, path in SOURCES.items():
        if path.name == "__init__.py" and module != "limbeck":
            (only,) = TREES[module].body
            assert isinstance(only, ast.Expr), module
            assert isinstance(only.value, ast.Constant), module


def test_nothing_is_unpickled_and_no_code_of_a_model_is_run():
    for module, tree in TREES.items():
        assert not {name.split(".")[0] for name in imports(tree)} & PICKLES, module
        for node in ast.walk(tree):
            if isinstance(node, ast.keyword) and node.arg in ("allow_pickle", "trust_remote_code"):
                assert isinstance(node.value, ast.Constant), module
                assert node.value.value is False, module
            if isinstance(node, ast.Attribute):
                assert node.attr not in ("read_pickle", "to_pickle"), module
                assert (getattr(node.value, "id", None), node.attr) != ("torch", "load"), module
            if isinstance(node, ast.Dict):
                keys = {key.value for key in node.keys if isinstance(key, ast.Constant)}
                assert not keys & {"allow_pickle", "trust_remote_code"}, module
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in ("eval", "exec", "compile", "__import__"), module


LOADED = """
import json, sys
sys.argv = ["limbeck", *json.loads(sys.argv[1])]
try:
    from limbeck.cli import main
    main()
finally:
    print("\\n" + json.dumps(sorted({name.split(".")[0] for name in sys.modules})))
"""


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["--version"]])
def test_help_loads_nothing_heavy(arguments):
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-c", LOADED, json.dumps(arguments)]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    loaded = set(json.loads(ran.stdout.splitlines()[-1]))
    assert "typer" in loaded
    assert not HEAVY & loaded


def test_help_names_every_command_in_order():
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "COLUMNS": "100", "NO_COLOR": "1"}
    ran = subprocess.run([sys.executable, "-m", "limbeck", "--help"], env=environment, capture_output=True, text=True)
    named = [
        "init",
        "check",
        "run",
        "demo",
        "caption",
        "enrich",
        "teach",
        "label",
        "distill",
        "index",
        "evaluate",
        "report",
        "reproduce",
        "serve",
        "rate",
        "embeddings",
        "similar",
    ]
    found = [line.split()[1] for line in ran.stdout.splitlines() if line.startswith("│") and line.split()[1:2]]
    assert [name for name in found if name in named] == named, ran.stdout + ran.stderr


def test_imports_are_found_wherever_they_are():
    code = "if TYPE_CHECKING:\n    import limbeck.cli\ndef f():\n    from limbeck.teacher import grade, nothing\n"
    assert list(imports(ast.parse(code))) == ["limbeck.cli", "limbeck.teacher.grade", "limbeck.teacher"]
    assert [unit(name) for name in ("limbeck", "limbeck.cli", "limbeck.sources.world.truth")] == [
        "limbeck",
        "cli",
        "sources",
    ]
