"""The ranges that pyproject.toml declares and the versions that tox installs."""

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def _declared(*extras: str) -> list[Requirement]:
    """Give the dependencies, and those of extras."""
    lines = [line for extra in extras for line in PROJECT["optional-dependencies"][extra]]
    requirements = [Requirement(line) for line in PROJECT["dependencies"] + lines]
    return [requirement for requirement in requirements if requirement.name != PROJECT["name"]]


def _pinned(file: str) -> dict[str, Version]:
    """Give the version of each package in a file of constraints."""
    lines = (ROOT / file).read_text().splitlines()
    pins = [Requirement(line) for line in lines if not line.startswith("#")]
    return {canonicalize_name(pin.name): Version(str(pin.specifier)[2:]) for pin in pins}


@pytest.mark.parametrize(
    "requirement", _declared("progress", "benchmarks", "tests", "docs", "dev"), ids=str
)
def test_the_pinned_version_is_in_the_declared_range(requirement):
    assert _pinned("constraints.txt")[requirement.name] in requirement.specifier


@pytest.mark.parametrize("requirement", _declared("progress", "tests"), ids=str)
def test_the_lowest_declared_version_is_tested(requirement):
    lowest = _pinned("constraints-lowest.txt")[requirement.name]
    assert requirement.specifier == Requirement(f"{requirement.name}>={lowest}").specifier
