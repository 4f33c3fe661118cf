"""Write tables and pictures of README and of the documentation from what the benchmarks saved.

    python -m benchmarks.publish    # after any of the benchmarks

A page says where a table goes, by the name of a benchmark and the beginning of the table's title:

    <!-- benchmarks: supervised, Ends -->
    <!-- end of benchmarks -->

or, in reStructuredText,

    .. benchmarks: images, Fashion-MNIST: test error by time
    .. end of benchmarks

What stands between the two lines is replaced. A table that was not measured here stays as it is.
Pictures go to `docs/_static/`, from where pages have them.
"""

import json
import re
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.report import RESULTS, in_markdown

ROOT = Path(__file__).parents[1]


def in_rst(columns: Sequence[str], lines: Iterable[Sequence[str]]) -> list[str]:
    """Give the lines of a table as directives of reStructuredText."""
    listed = [".. list-table::", "   :header-rows: 1", ""]
    for line in (columns, *lines):
        first, *others = ("\\-" if cell == "-" else cell for cell in line)  # which begins a list
        listed += [f"   * - {first}".rstrip(), *(f"     - {cell}".rstrip() for cell in others)]
    return listed


def _place(begin: str, end: str) -> re.Pattern[str]:
    what = r"benchmarks: (?P<name>[\w-]+), (?P<title>[^>\n]+?)"
    return re.compile(rf"({begin}{what}{end}\n).*?({begin}end of benchmarks{end})", re.S)


PLACES = {
    ".md": (_place("<!-- ", " -->"), in_markdown),
    ".rst": (_place(r"\.\. ", ""), in_rst),
}
STATIC = ROOT / "docs" / "_static"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs" / "guide").glob("*.rst"))]


def table(name: str, title: str) -> tuple[list[str], list[list[str]]] | None:
    """Give a table of a benchmark, or None where that was not run here."""
    file = RESULTS / f"{name}.json"
    if not file.exists():
        return None
    for found in json.loads(file.read_text())["tables"]:
        if found["title"].startswith(title):
            return found["columns"], found["lines"]
    raise SystemExit(f"{file} has no table whose title begins with {title!r}.")


def published(page: str, suffix: str) -> str:
    """Give a page with the tables that there are."""
    place, written = PLACES[suffix]

    def replaced(match: re.Match[str]) -> str:
        found = table(match["name"], match["title"])
        if found is None:
            return match[0]
        return f"{match[1]}\n{chr(10).join(written(*found))}\n\n{match[4]}"

    return place.sub(replaced, page)


def main() -> int:
    """Rewrite the pages."""
    for page in PAGES:
        before = page.read_text()
        after = published(before, page.suffix)
        if after != before:
            page.write_text(after)
            print(f"written: {page.relative_to(ROOT)}")
    for picture in RESULTS.glob("*.png"):
        shutil.copy(picture, STATIC)
        print(f"copied: {picture.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
