"""Mutants of the code that trains and of the code that saves, and which of them no test kills.

    pip install -c constraints.txt '.[tests]' cosmic-ray
    python -m benchmarks.mutants                # one of each line, for hours; on Linux
    python -m benchmarks.mutants --share 0.1    # of a tenth of the lines

In a mutant a number, an operator or a keyword is another; cosmic-ray writes them. All tests are run
once, which says what lines each goes through, and how long it takes. A mutant is then given to the
tests of its line, the quickest first, until one fails: in a copy of the tree, where processes that
tests start see it as well, by a process that is forked from one that has torch imported. A test
that fails there without a mutant is left out. Each mutant that survives is printed.
"""

import argparse
import ast
import difflib
import os
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator
from importlib import import_module
from itertools import chain, islice, zip_longest
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np
import pytest
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names
from coverage import CoverageData

from benchmarks.report import RESULTS, Report

ROOT = Path(__file__).parents[1]
PARTS = {
    "saving": [
        *(
            "_archive",
            "_auditing",
            "_checkpoint",
            "_description",
            "_file",
            "_naming",
            "_persistence",
        ),
        *("_rebuilding", "_skops", "_weights"),
    ],
    "_training": [
        f"_training/{file.stem}" for file in sorted(ROOT.glob("sklearn_ae/_training/*.py"))
    ],
}
_COVERED, _TIMES = RESULTS / "tests.coverage", RESULTS / "tests.xml"
# What a mutant is given at most of the tests that mirror its file, and of all others, by the times
# of the run of all; beyond thrice that it hangs.
_MOST_SECONDS, _MOST_TESTS, _PATIENCE = 20.0, 150, 3
_IMPORTED = (
    *("joblib", "matplotlib.pyplot", "pandas", "polars", "safetensors.torch"),
    *("scipy.stats", "skl2onnx", "sklearn.ensemble", "sklearn.manifold", "sklearn.model_selection"),
    *("sklearn.utils.estimator_checks", "skops.io", "skorch.callbacks", "torch.export"),
)


class Mutant(NamedTuple):
    """A change of a line."""

    path: str
    line: int
    operator: str
    occurrence: int

    @property
    def code(self) -> str:
        """The file with it."""
        before = (ROOT / self.path).read_text()
        return mutate_code(before, get_operator(self.operator)(), self.occurrence)

    def __str__(self) -> str:
        before = (ROOT / self.path).read_text().splitlines()
        changed = [
            line.strip()
            for line in difflib.unified_diff(before, self.code.splitlines(), n=0, lineterm="")
            if line[0] in "-+" and line[:3] not in ("---", "+++")
        ]
        return f"{self.path}:{self.line}: {' -> '.join(line[1:].strip() for line in changed)}"


def annotations(code: str) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Give where a file says what type something is, which nothing runs by."""
    parts = (
        getattr(node, name, None)
        for node in ast.walk(ast.parse(code))
        for name in ("annotation", "returns")
    )
    return [
        ((part.lineno, part.col_offset), (part.end_lineno, part.end_col_offset))
        for part in parts
        if part is not None
    ]


def mutants_of(path: str) -> Iterator[Mutant]:
    """Give all of a file."""
    code = (ROOT / path).read_text()
    nodes, annotated = list(ast_nodes(get_ast(code))), annotations(code)
    for operator in operator_names():
        if get_operator(operator).arguments():
            continue
        positions = (
            at for node in nodes for at in get_operator(operator)().mutation_positions(node)
        )
        for occurrence, (start, _) in enumerate(positions):
            if not any(first <= start < last for first, last in annotated):
                yield Mutant(path, start[0], operator, occurrence)


def one_a_line(path: str, rng: np.random.RandomState) -> Iterator[Mutant]:
    """Give one mutant of each line that has any."""
    of_line = defaultdict(list)
    for mutant in mutants_of(path):
        of_line[mutant.line].append(mutant)
    for found in of_line.values():
        drawn = (found[i] for i in rng.permutation(len(found)))
        yield from islice(filter(is_code, drawn), 1)


def is_code(mutant: Mutant) -> bool:
    """Whether Python reads it without a word, unlike a changed star, or `is` before a text."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            compile(mutant.code, mutant.path, "exec")
    except (SyntaxError, SyntaxWarning):
        return False
    return True


# Which tests


def run_all() -> None:
    """Run all tests, and keep which lines each goes through and how long it takes."""
    RESULTS.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "pytest", "-q", "-n", "auto", "--dist", "worksteal", "tests"]
    command += ["--ignore=tests/test_examples.py", "--cov", "--cov-context=test", "--cov-report="]
    environment = {**os.environ, "COVERAGE_FILE": str(_COVERED)}
    subprocess.run([*command, f"--junitxml={_TIMES}"], cwd=ROOT, env=environment, check=True)


def passed(report: Path) -> dict[str, float]:
    """Give the tests that passed in a run that pytest reports of, and how long each took."""
    found = {}
    for case in ElementTree.parse(report).iter("testcase"):  # noqa: S314 - pytest wrote it
        if not {part.tag for part in case} & {"failure", "error", "skipped"}:
            file = case.attrib["classname"].replace(".", "/")
            found[f"{file}.py::{case.attrib['name']}"] = float(case.attrib["time"])
    return found


class Tests:
    """The tests that go through a line."""

    def __init__(self) -> None:
        self.seconds = passed(_TIMES)
        self._covered = CoverageData(str(_COVERED))
        self._covered.read()
        self._found: dict[str, dict[int, list[str]]] = {}

    def _by_line(self, path: str) -> dict[int, list[str]]:
        if path not in self._found:
            file = next(of for of in self._covered.measured_files() if of.endswith(path))
            self._found[path] = self._covered.contexts_by_lineno(file)
        return self._found[path]

    def of(self, mutant: Mutant) -> list[str]:
        """Give those of a mutant's line, of its statement, or of its file: some run on import."""
        by_line = self._by_line(mutant.path)
        names = set(by_line.get(mutant.line, ()))
        if not any(names):
            lines = range(_first_line(mutant), mutant.line)
            names = {name for line in lines for name in by_line.get(line, ())}
        if not any(names):
            names = {name for found in by_line.values() for name in found}
        known = {name.split("|")[0] for name in names} & self.seconds.keys()
        mirrored = f"tests/{Path(mutant.path).parent.relative_to('sklearn_ae')}/"
        near = {name for name in known if name.startswith(mirrored)}
        chosen = self._some(near) + self._some(known - near)
        chosen.sort(key=self.seconds.__getitem__)
        return chosen

    def _some(self, names: set[str]) -> list[str]:
        """Give one of each function, then another, so that the few of them are not alike."""
        of_function = defaultdict(list)
        for name in sorted(names, key=self.seconds.__getitem__):
            of_function[name.split("[")[0]].append(name)
        chosen, spent = [], 0.0
        for name in filter(None, chain.from_iterable(zip_longest(*of_function.values()))):
            spent += self.seconds[name]
            if chosen and (spent > _MOST_SECONDS or len(chosen) == _MOST_TESTS):
                break
            chosen.append(name)
        return chosen


def _first_line(mutant: Mutant) -> int:
    """Give where the statement of a mutant begins, which may be of several lines."""
    tree = ast.parse((ROOT / mutant.path).read_text())
    around = (node for node in ast.walk(tree) if isinstance(node, ast.stmt))
    begun = (node.lineno for node in around if node.lineno <= mutant.line <= node.end_lineno)
    return max(begun, default=mutant.line)  # a decorator is before what it decorates


# What they say

_tree = ""  # the copy that a worker has for itself


def set_up(folder: str) -> None:
    """Give a worker its tree."""
    global _tree
    _tree = os.path.join(folder, str(os.getpid()))
    ignored = shutil.ignore_patterns(".*", "_build", "results", "__pycache__")
    shutil.copytree(ROOT, _tree, ignore=ignored)


def passes(names: list[str], *options: str, patience: float) -> bool | None:
    """Whether tests pass, in a process of their own; None where they do not end."""
    pid = os.fork()
    if pid == 0:
        status = 1
        os.setsid()  # with what the tests start
        silent = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silent, 1)
        os.dup2(silent, 2)
        os.chdir(_tree)
        sys.path.insert(0, _tree)
        os.environ |= {"PYTHONPATH": _tree, "PYTHONDONTWRITEBYTECODE": "1"}
        try:
            status = pytest.main(["-q", "-p", "no:cacheprovider", *options, *names])
        finally:
            os._exit(status)
    last = time.monotonic() + patience
    while time.monotonic() < last:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return status == 0
        time.sleep(0.02)
    os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return None


def sound(names: list[str]) -> list[str]:
    """Give those of some tests that pass here as the code is."""
    report = Path(_tree, "tests.xml")
    passes(names, f"--junitxml={report}", patience=900.0)
    return sorted(passed(report).keys() & set(names)) if report.exists() else []


def outcome(mutant: Mutant, names: list[str], seconds: float) -> tuple[Mutant, str]:
    """Give what tests say of a mutant."""
    if not names:
        return mutant, "not tested"
    file = Path(_tree, mutant.path)
    before, at = file.read_text(), file.stat()
    sys.dont_write_bytecode = True  # of a mutant, that is: what is there by now is of the code
    file.write_text(mutant.code)
    try:
        said = passes(names, "-x", patience=30 + _PATIENCE * seconds)
    finally:
        file.write_text(before)
        os.utime(file, ns=(at.st_atime_ns, at.st_mtime_ns))
    return mutant, {True: "survived", False: "killed", None: "hangs"}[said]


def measure(report: Report, mutants: dict[str, list[Mutant]], n_workers: int) -> None:
    """Print what became of mutants, by their part."""
    for name in _IMPORTED:
        import_module(name)
    tests = Tests()
    given = {mutant: tests.of(mutant) for found in mutants.values() for mutant in found}
    by_file = defaultdict(set)
    for name in {name for names in given.values() for name in names}:
        by_file[name.split("::")[0]].add(name)
    counts: dict[str, Counter[str]] = {part: Counter() for part in mutants}
    part_of = {mutant: part for part, found in mutants.items() for mutant in found}
    with (
        TemporaryDirectory() as folder,
        get_context("fork").Pool(n_workers, set_up, [folder]) as pool,
    ):
        passing = {
            name
            for found in pool.imap_unordered(sound, map(sorted, by_file.values()))
            for name in found
        }
        left_out = {name for names in by_file.values() for name in names} - passing
        report.note(f"{len(passing)} tests; left out, since they fail here: {sorted(left_out)}")
        work = []
        for mutant, names in given.items():
            kept = [name for name in names if name in passing]
            work.append(
                pool.apply_async(outcome, (mutant, kept, sum(map(tests.seconds.get, kept))))
            )
        for each in work:
            mutant, said = each.get()
            counts[part_of[mutant]][said] += 1
            if said not in ("killed", "hangs"):
                report.note(f"{said}: {mutant}")
    outcomes = ("killed", "hangs", "survived", "not tested")
    report.table(
        "Mutants: what tests said of each",
        ("", "mutants", *outcomes),
        ((part, of.total(), *(of[said] for said in outcomes)) for part, of in counts.items()),
    )


def main() -> int:
    """Measure it, and give the number to exit with."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--share", type=float, default=1.0, help="of the lines, which are drawn")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--only", choices=PARTS, nargs="+", default=list(PARTS))
    arguments = parser.parse_args()
    if not _COVERED.exists():
        run_all()
    rng = np.random.RandomState(arguments.seed)
    mutants = {}
    for part in arguments.only:
        found = [each for name in PARTS[part] for each in one_a_line(f"sklearn_ae/{name}.py", rng)]
        n_drawn = round(arguments.share * len(found))
        mutants[part] = [found[i] for i in rng.permutation(len(found))[:n_drawn]]
    report = Report("mutants")
    measure(report, mutants, arguments.workers)
    return report.close(is_glimpse=arguments.share < 1)


if __name__ == "__main__":
    sys.exit(main())
