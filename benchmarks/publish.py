"""Write the tables of README and of the documentation from what the benchmarks saved.

    python -m benchmarks.publish    # after any of the benchmarks

A page says where a table goes, by the name of a benchmark and the beginning of the table's title:

    <!-- benchmarks: supervised, Ends -->
    <!-- end of benchmarks -->

What stands between the two lines is replaced. A table that was not measured here stays as it is.
"""

import json
import re
import sys
from pathlib import Path

from benchmarks.report import RESULTS, in_markdown

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md"]
PLACE = re.compile(
    r"(<!-- benchmarks: (?P<name>\w+), (?P<title>[^>]+?) -->\n).*?(<!-- end of benchmarks -->)",
    re.S,
)


def table(name: str, title: str) -> str | None:
    """Give a table of a benchmark, or None where that was not run here."""
    file = RESULTS / f"{name}.json"
    if not file.exists():
        return None
    for found in json.loads(file.read_text())["tables"]:
        if found["title"].startswith(title):
            return "\n".join(in_markdown(found["columns"], found["lines"]))
    raise SystemExit(f"{file} has no table whose title begins with {title!r}.")


def published(page: str) -> str:
    """Give a page with the tables that there are."""

    def replaced(place: re.Match[str]) -> str:
        found = table(place["name"], place["title"])
        return place[0] if found is None else f"{place[1]}\n{found}\n\n{place[4]}"

    return PLACE.sub(replaced, page)


def main() -> int:
    """Rewrite the pages."""
    for page in PAGES:
        page.write_text(published(page.read_text()))
        print(f"written: {page.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
