"""Tables and ends: printed as they come, and kept for results.json."""

import json
import os
import platform
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.timing import Ratio


class End(NamedTuple):
    """What a ratio has to be at most: its median, or within noise the least of the pairs."""

    what: str
    ratio: Ratio
    at_most: float
    within_noise: bool = False

    @property
    def met(self) -> bool:
        """Whether it is."""
        return (self.ratio.least if self.within_noise else self.ratio.median) <= self.at_most


class Report:
    """What was measured so far."""

    def __init__(self) -> None:
        self.machine = machine()
        self.tables: list[dict[str, object]] = []
        self.measured: dict[str, Any] = {}
        self.ends: list[End] = []

    def table(self, title: str, columns: Sequence[str], lines: Iterable[Sequence[object]]) -> None:
        """Print a table and keep it."""
        lines = [[str(cell) for cell in line] for line in lines]
        self.tables.append({"title": title, "columns": list(columns), "lines": lines})
        print(f"\n{title}\n")
        for line in (columns, ["---"] * len(columns), *lines):
            print("| " + " | ".join(line) + " |", flush=True)

    def note(self, text: str) -> None:
        """Print a line."""
        print(f"\n{text}", flush=True)

    def end(self, what: str, ratio: Ratio, at_most: float, *, within_noise: bool = False) -> None:
        """Hold a ratio against its end."""
        self.ends.append(End(what, ratio, at_most, within_noise))

    def print_ends(self) -> int:
        """Print all ends, and give how many are missed."""
        self.table(
            "Ends: median of the pairs (least-greatest). Within noise: the least is at most it.",
            ("what", "measured", "at most", ""),
            (
                (
                    end.what,
                    end.ratio,
                    f"{end.at_most:.2f}{', within noise' if end.within_noise else ''}",
                    "met" if end.met else "MISSED",
                )
                for end in self.ends
            ),
        )
        missed = sum(not end.met for end in self.ends)
        self.note(f"{missed} of {len(self.ends)} ends missed")
        return missed

    def save(self, folder: Path) -> None:
        """Write results.json."""
        folder.mkdir(parents=True, exist_ok=True)
        content = {
            "machine": self.machine,
            "tables": self.tables,
            "measured": self.measured,
            "ends": [{**end._asdict(), "met": end.met} for end in self.ends],
        }
        (folder / "results.json").write_text(json.dumps(content, indent=1) + "\n")


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
