"""Who imports whom, and what an import of the package costs."""

import ast
import inspect
import json
import subprocess
import sys
from pathlib import Path

import pytest

import sklearn_ae

PACKAGE = Path(sklearn_ae.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))


def of_public_names(*, is_autoencoder):
    """Give the modules of the autoencoders, or of all else that is public."""
    return {
        Path(inspect.getfile(inspect.unwrap(public))).stem
        for public in map(sklearn_ae.__dict__.get, sklearn_ae.__all__)
        if hasattr(public, "encoder_") is is_autoencoder
    }


# From the top: a part imports from those below it. A new module gets its place here.
LAYERS = [
    {"__init__"},
    # What asks any estimator for public methods, and the estimators.
    of_public_names(is_autoencoder=False),
    {"_routing"},
    of_public_names(is_autoencoder=True),
    {"_base"},
    {"_fitting"},
    {"_holding_out", "_fit_task", "_checkpoint"},
    {"_file"},
    {"_rebuilding"},
    {"_auditing"},
    {"_description"},
    {"_weights"},
    {"_naming", "_skops"},
    {"_archive"},
    {"_starting", "_input", "_exporting"},
    {"_building", "_layers"},
    {"_parameters"},
    {"_training"},
    {"nn", "noise", "datasets", "inspection"},
    {"_validation", "exceptions"},
    {"_compat"},
]
RANK = {part: rank for rank, layer in enumerate(LAYERS) for part in layer}

# Usable without the rest, from torch and numpy alone.
STANDING_ALONE = {"nn", "noise"}

DEPENDENCIES = {"joblib", "numpy", "scipy", "sklearn", "skorch", "torch", "tqdm"}
# Of what is not always there, by who imports it when it is asked for.
OPTIONAL = {"_onnx": {"onnx", "skl2onnx"}}


def part_of(file):
    """Give the module or package right below the top that a file belongs to."""
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(file):
    """Give the dotted names that a file imports, those for type checkers aside."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file.name}: imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def parts_imported(file):
    names = [name.split(".") for name in imported(file)]
    return {name[1] for name in names if name[0] == "sklearn_ae"} - {part_of(file)}


def projects_imported(file):
    names = {name.split(".")[0] for name in imported(file)}
    return names - set(sys.stdlib_module_names) - {"sklearn_ae"}


def modules_after(statement):
    """Give the modules that a new process has after a statement."""
    script = f"{statement}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    process = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=300
    )
    return set(json.loads(process.stdout))


def relative(file):
    return file.relative_to(PACKAGE).as_posix()


@pytest.mark.parametrize("file", FILES, ids=relative)
def test_a_part_imports_only_from_below(file):
    above = {part for part in parts_imported(file) if RANK[part] <= RANK[part_of(file)]}

    assert not above


@pytest.mark.parametrize("file", FILES, ids=relative)
def test_nothing_imports_what_is_only_for_users(file):
    assert not parts_imported(file) & {"datasets", "inspection"}


@pytest.mark.parametrize(
    "file", [file for file in FILES if part_of(file) in STANDING_ALONE], ids=relative
)
def test_modules_and_noises_need_torch_and_numpy_alone(file):
    assert not parts_imported(file)
    assert projects_imported(file) <= {"numpy", "torch"}


@pytest.mark.parametrize(
    "file", [file for file in FILES if part_of(file) != "inspection"], ids=relative
)
def test_a_part_needs_only_what_is_always_installed(file):
    assert projects_imported(file) <= DEPENDENCIES | OPTIONAL.get(part_of(file), set())


@pytest.mark.parametrize(
    "file", [file for file in FILES if part_of(file) != "_compat"], ids=relative
)
def test_private_names_of_scikit_learn_come_through_compat(file):
    names = {name for name in imported(file) if name.startswith("sklearn.")}
    private = {name for name in names if any(part.startswith("_") for part in name.split("."))}

    assert not private


@pytest.mark.parametrize("module", ["sklearn_ae", "sklearn_ae.inspection"])
def test_an_import_brings_nothing_that_is_for_some_uses(module):
    unwanted = {"matplotlib", *OPTIONAL["_onnx"]}
    assert not unwanted & modules_after(f"import {module}")


def test_an_import_costs_little_more_than_that_of_skorch():
    of_skorch = modules_after("import skorch")

    more = modules_after("import sklearn_ae") - of_skorch

    assert {name.split(".")[0] for name in more} - {"sklearn_ae", "numpy", "tqdm"} == set()
    assert len(more) < 0.05 * len(of_skorch)
