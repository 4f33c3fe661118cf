"""Tables and ends: printed as they come, and kept as JSON for README and the documentation."""

import json
import os
import platform
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.timing import Ratio

RESULTS = Path(__file__).parent / "results"


class End(NamedTuple):
    """What a figure has to be at most or at least.

    That is the median of a ratio, or within noise the least of its pairs.
    """

    what: str
    measured: Ratio | float
    bound: float
    within_noise: bool = False
    at_least: bool = False

    @property
    def met(self) -> bool:
        """Whether it is."""
        figure = self.measured
        if isinstance(figure, Ratio):
            figure = figure.least if self.within_noise else figure.median
        return figure >= self.bound if self.at_least else figure <= self.bound

    def line(self) -> tuple[object, ...]:
        """Give the line of a table."""
        is_ratio = isinstance(self.measured, Ratio)
        measured = self.measured if is_ratio else f"{self.measured:.3f}"
        bound = f"{'at least' if self.at_least else 'at most'} {self.bound:.3g}"
        noise = ", within noise" if self.within_noise else ""
        return self.what, measured, bound + noise, "met" if self.met else "MISSED"


class Report:
    """What was measured so far.

    Parameters
    ----------
    name : str
        Of the file that it is saved to.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.machine = machine()
        self.tables: list[dict[str, object]] = []
        self.measured: dict[str, Any] = {}
        self.ends: list[End] = []

    @property
    def picture(self) -> Path:
        """The file that a picture of it is drawn to."""
        return RESULTS / f"{self.name}.png"

    def table(self, title: str, columns: Sequence[str], lines: Iterable[Sequence[object]]) -> None:
        """Print a table, each line as it comes, and keep it."""
        kept: list[list[str]] = []
        self.tables.append({"title": title, "columns": list(columns), "lines": kept})
        print(f"\n{title}\n")
        print("\n".join(in_markdown(columns, [])), flush=True)
        for line in lines:
            kept.append([str(cell) for cell in line])
            print(_line(kept[-1]), flush=True)

    def note(self, text: str) -> None:
        """Print a line."""
        print(f"\n{text}", flush=True)

    def end(
        self,
        what: str,
        measured: Ratio | float,
        bound: float,
        *,
        within_noise: bool = False,
        at_least: bool = False,
    ) -> None:
        """Hold a figure against its end, which it is to be at most."""
        figure = measured if isinstance(measured, Ratio) else float(measured)
        self.ends.append(End(what, figure, bound, within_noise, at_least))

    def print_ends(self) -> int:
        """Print all ends, if there are any, and give how many are missed."""
        if not self.ends:
            return 0
        self.table(
            "Ends. Of pairs: the median (least-greatest). Within noise: the least is at most it.",
            ("what", "measured", "end", ""),
            (end.line() for end in self.ends),
        )
        missed = sum(not end.met for end in self.ends)
        self.note(f"{missed} of {len(self.ends)} ends missed")
        return missed

    def take(self, folder: Path, names: Iterable[str]) -> None:
        """Add what other reports saved, of those that were."""
        for name in names:
            file = folder / f"{name}.json"
            if not file.exists():
                continue
            content = json.loads(file.read_text())
            self.tables += content["tables"]
            self.measured |= content["measured"]
            for end in content["ends"]:
                del end["met"]
                if isinstance(end["measured"], list):
                    end["measured"] = Ratio(*end["measured"])
                self.ends.append(End(**end))

    def save(self, folder: Path = RESULTS) -> None:
        """Write the report to a file of its name."""
        folder.mkdir(parents=True, exist_ok=True)
        content = {
            "machine": self.machine,
            "tables": self.tables,
            "measured": self.measured,
            "ends": [{**end._asdict(), "met": end.met} for end in self.ends],
        }
        (folder / f"{self.name}.json").write_text(json.dumps(content, indent=1) + "\n")

    def close(self, *, is_glimpse: bool = False) -> int:
        """Hold the ends, save all unless it is a glimpse, and give the number to exit with."""
        missed = self.print_ends()
        if not is_glimpse:
            self.save()
        return int(missed > 0)


def in_parts(
    name: str,
    parts: dict[str, Callable[[Report], None]],
    only: Sequence[str],
    *,
    folder: Path = RESULTS,
    is_glimpse: bool = False,
) -> int:
    """Run some parts of a benchmark, and give the number to exit with.

    Each is saved in a file of its own, unless it is a glimpse, so that one may be run again; the
    ends that are held are those of all parts that were.
    """
    whole = Report(name)
    whole.note(", ".join(f"{of}: {value}" for of, value in whole.machine.items()))
    for part in only:
        report = Report(f"{name}-{part}")
        parts[part](report)
        if is_glimpse:
            whole.ends += report.ends
        else:
            report.save(folder)
    if not is_glimpse:
        whole.take(folder, (f"{name}-{part}" for part in parts))
    missed = whole.print_ends()
    if not is_glimpse:
        whole.save(folder)
    return int(missed > 0)


def in_markdown(columns: Sequence[str], lines: Iterable[Sequence[str]]) -> list[str]:
    """Give the lines of a table."""
    return [_line(line) for line in (columns, ["---"] * len(columns), *lines)]


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def machine() -> dict[str, object]:
    """Give what a time depends on, less the thread counts."""
    packages = ("torch", "scikit-learn", "skorch", "numpy")
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        **{package: version(package) for package in packages},
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
