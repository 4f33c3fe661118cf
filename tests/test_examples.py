"""The examples, each run at a reduced size as a user would run it."""

import os
import subprocess
import sys
from pathlib import Path

import matplotlib.image
import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
REDUCED = ["--n-samples", "200", "--max-epochs", "2"]
SCRIPTS = sorted(EXAMPLES.glob("*/plot_*.py"))


def test_there_are_examples():
    assert SCRIPTS


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_an_example_runs_and_draws_its_picture(script, tmp_path):
    picture = tmp_path / f"{script.stem}.png"

    result = subprocess.run(
        # Two epochs are too few, as a warning says that is no error here.
        [sys.executable, "-W", "error", "-W", "ignore:max_epochs=2", script, *REDUCED],
        cwd=tmp_path,
        env={**os.environ, "MPLBACKEND": "agg", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert result.returncode == 0, result.stderr
    assert f"Picture: {picture.name}" in result.stdout
    assert matplotlib.image.imread(picture).std() > 0
