"""Any estimator on any rows, by thousands: what was refused, and what gave finite numbers.

    python -m benchmarks.inputs                # 10,000 of them, a quarter of an hour
    python -m benchmarks.inputs --inputs 500   # a glimpse

hypothesis draws them as tests/test_any_input.py does: parameters from their constraints, rows of
any shape, type, order and size of numbers. What is promised is in tests/_inputs.py: an error that
leaves nothing behind, or finite output of the right shape and type, and neither
the rows nor anything global changed. Exits with 1 where that does not hold.
"""

import argparse
import logging
import sys
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from _inputs import ESTIMATORS, Case, cases, outcome

from benchmarks.report import Report

_INPUTS, _OF_A_SEED = 10_000, 500


def tried(first: int, n_inputs: int, found: dict[str, Counter[str]], broken: list[str]) -> None:
    """Try inputs, and count what came of them."""

    @seed(first)
    @settings(
        max_examples=n_inputs,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(cases())
    def run(case: Case) -> None:
        name = type(case.estimator).__name__
        try:
            found[name][outcome(case)] += 1
        except Exception as error:
            found[name]["BROKEN"] += 1
            broken.append(f"{type(error).__name__}: {error}; {case}"[:1000])

    run()


def main() -> int:
    """Try all, and give the number to exit with."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=_INPUTS)
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    report = Report("inputs")
    found: dict[str, Counter[str]] = {Estimator.__name__: Counter() for Estimator in ESTIMATORS}
    broken: list[str] = []
    for first in range(0, arguments.inputs, _OF_A_SEED):
        tried(first, min(_OF_A_SEED, arguments.inputs - first), found, broken)
    outcomes = sorted({said for of in found.values() for said in of})
    report.table(
        "Inputs: what came of each",
        ("", "inputs", *outcomes),
        ((name, of.total(), *(of[said] for said in outcomes)) for name, of in found.items()),
    )
    for each in broken[:10]:
        report.note(each)
    report.end("inputs of which what is promised does not hold", len(broken), 0)
    return report.close(is_glimpse=arguments.inputs < _INPUTS)


if __name__ == "__main__":
    sys.exit(main())
