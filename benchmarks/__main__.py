"""Speed: time of training and using, memory, and the ends that each has to meet.

    python -m benchmarks                              # all of it, about half an hour
    python -m benchmarks --only digits one-row        # some of it
    python -m benchmarks --only digits --rounds 1     # a glimpse

Times are taken in turns, after a warm-up, and compared by round, so that a slow minute of the
machine strikes all alike. Each part is kept in a file of its own, unless it is a glimpse, so that
one may be run again; the ends are those of all that were run. It exits with 1 where one is missed.
"""

import argparse
import json
import sys
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

from sklearn.exceptions import ConvergenceWarning

from benchmarks.cases import CASES
from benchmarks.memory import peak_memory
from benchmarks.plot import plot_time_to_error
from benchmarks.report import RESULTS, in_parts
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

    parts = {name: partial(part, n_rounds=arguments.rounds) for name, part in PARTS.items()}
    missed = in_parts(
        "speed",
        parts,
        arguments.only,
        folder=arguments.output,
        is_glimpse=arguments.rounds is not None,
    )
    if "time-to-error" in arguments.only and arguments.rounds is None:
        saved = json.loads((arguments.output / "speed-time-to-error.json").read_text())
        curves = saved["measured"]["time to error"]
        plot_time_to_error(curves, arguments.output / "time_to_error.png")
    return missed


if __name__ == "__main__":
    sys.exit(main())
