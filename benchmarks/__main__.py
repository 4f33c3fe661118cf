"""Speed: time of training and using, memory, and the ends that each has to meet.

    python -m benchmarks                              # all of it, about half an hour
    python -m benchmarks --only digits one-row        # some of it
    python -m benchmarks --only digits --rounds 1     # a glimpse

Times are taken in turns, after a warm-up, and compared by round, so that a slow minute of the
machine strikes all alike. It exits with 1 where an end is missed.
"""

import argparse
import sys
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

from sklearn.exceptions import ConvergenceWarning

from benchmarks.cases import CASES
from benchmarks.memory import peak_memory
from benchmarks.plot import plot_time_to_error
from benchmarks.report import RESULTS, Report
from benchmarks.search import grid_search
from benchmarks.time_to_error import time_to_error
from benchmarks.training import compare
from benchmarks.using import many_rows, one_row

PARTS: dict[str, Callable[..., None]] = {
    **{name: partial(compare, name=name, n_threads=1) for name in CASES},
    **{f"{name}-2-threads": partial(compare, name=name, n_threads=2) for name in CASES},
    "many-rows": partial(many_rows, n_threads=1),
    "many-rows-2-threads": partial(many_rows, n_threads=2),
    "one-row": one_row,
    "search": grid_search,
    "memory": peak_memory,
    "time-to-error": time_to_error,
}


def main() -> int:
    """Run the parts, and give the number to exit with."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART")
    parser.add_argument("--rounds", type=int, help="rounds or pairs, instead of each part's own")
    parser.add_argument("--output", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    # The epochs are few by intent.
    warnings.simplefilter("ignore", ConvergenceWarning)

    report = Report("speed")
    report.note(", ".join(f"{name}: {value}" for name, value in report.machine.items()))
    for part in arguments.only:
        PARTS[part](report, n_rounds=arguments.rounds)
        report.save(arguments.output)
    if "time-to-error" in arguments.only:
        plot_time_to_error(report.measured["time to error"], arguments.output / "time_to_error.png")
    missed = report.print_ends()
    report.save(arguments.output)
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
