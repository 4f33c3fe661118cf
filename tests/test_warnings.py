"""Each warning points at the line of the user that it comes from."""

import warnings

import numpy as np
import pytest
import torch
from _testing import small
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

X = load_digits().data[:200]
FLAT = X[:, 20:22] @ np.ones((2, 6))

TOLD = {
    "too few epochs": (lambda: small(tol=1e-6), X, ConvergenceWarning),
    "too short": (lambda: small(lr_schedule="cosine", max_epochs=1), X, ConvergenceWarning),
    "rebuilt exactly": (lambda: small(3), FLAT, UserWarning),
    "no gain from bfloat16": (lambda: small(precision="bfloat16"), X, UserWarning),
    "interrupted": (lambda: small(tol=0.0), X, UserWarning),
}
every_warning = pytest.mark.parametrize(
    ("build", "rows", "category"), TOLD.values(), ids=list(TOLD)
)


@pytest.fixture(autouse=True)
def _without_bfloat16(monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)


def warnings_of(fit):
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        fit()
    assert told
    return told


@every_warning
def test_a_fit_warns_at_its_own_line(build, rows, category, request, fail_at):
    if "interrupted" in request.node.name:
        fail_at(3)
    told = warnings_of(lambda: build().fit(rows))
    assert {each.filename for each in told} == {__file__}
    assert category in {each.category for each in told}


@every_warning
def test_a_pipeline_warns_at_its_own_line(build, rows, category, request, fail_at):
    if "interrupted" in request.node.name:
        fail_at(3)
    told = warnings_of(lambda: make_pipeline(StandardScaler(), build()).fit_transform(rows))
    assert {each.filename for each in told} == {__file__}


def test_a_partial_fit_warns_at_its_own_line():
    told = warnings_of(lambda: small(precision="bfloat16").partial_fit(X))
    assert {each.filename for each in told} == {__file__}
