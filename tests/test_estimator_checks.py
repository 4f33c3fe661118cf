"""scikit-learn's checks of every public estimator, none of which is expected to fail."""

import os
import subprocess
import sys
from inspect import signature
from pathlib import Path

import numpy as np
import pytest
from _testing import having
from sklearn.base import BaseEstimator
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.validation import has_fit_parameter

import sklearn_ae
from sklearn_ae._building import PACES

# The checks fit a few rows of a few features: the default code rebuilds those exactly, and a
# smaller one is not trained to the end.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*codes are constant over the training rows:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*of the codes are of no use:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*rebuild the training rows exactly:UserWarning"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

ESTIMATORS = [
    public
    for public in (getattr(sklearn_ae, name) for name in sklearn_ae.__all__)
    if isinstance(public, type) and issubclass(public, BaseEstimator)
]

# An instance that is trained on the rows of the checks, on which the defaults start exact.
# check_sample_weight_equivalence_* compares two trainings at a relative tolerance of 1e-7: a
# row of weight 2 and the same row twice are the same only in one batch, and in float64.
TRAINED = {
    "encoding_dim": 2,
    "hidden_layer_sizes": (8,),
    "channels": (6,),
    "lr": 2e-3,
    "lr_schedule": "constant",
    "batch_size": 1000,
    "max_epochs": 15,
    "early_stopping": False,
    "precision": "float64",
    "random_state": 0,
}

# What scikit-learn runs on its own estimators beside those of parametrize_with_checks.
FURTHER_CHECKS = [
    estimator_checks.check_dataframe_column_names_consistency,
    estimator_checks.check_param_validation,
]

# The same, of transformers.
CHECKS_OF_OUTPUT = [
    estimator_checks.check_get_feature_names_out_error,
    estimator_checks.check_global_output_transform_pandas,
    estimator_checks.check_global_set_output_transform_polars,
    estimator_checks.check_set_output_transform,
    estimator_checks.check_set_output_transform_pandas,
    estimator_checks.check_set_output_transform_polars,
    estimator_checks.check_transformer_get_feature_names_out,
    estimator_checks.check_transformer_get_feature_names_out_pandas,
]


@pytest.fixture(autouse=True)
def _few_epochs(monkeypatch, request):
    """Let "auto" stand for few epochs: the checks look at all but how well a fit has learnt.

    That of dense layers, whose step is fast, is checked as it comes.
    """
    checked = getattr(request.node, "callspec", None)
    checked = {} if checked is None else checked.params
    Estimator = checked.get("Estimator", type(checked.get("estimator")))
    if Estimator is sklearn_ae.AutoencoderTransformer:
        return
    for name, pace in PACES.items():
        monkeypatch.setitem(PACES, name, pace._replace(max_epochs=3))


def trained(Estimator):
    """Give an instance, or one around an instance."""
    if "estimator" in signature(Estimator).parameters:
        return Estimator(trained(sklearn_ae.AutoencoderTransformer))
    return Estimator(**having(Estimator, TRAINED))


def default(Estimator):
    return Estimator()


def by_name(subject):
    return subject.__name__


def test_the_public_estimators_are_found():
    assert sklearn_ae.AutoencoderTransformer in ESTIMATORS


@parametrize_with_checks([Estimator() for Estimator in ESTIMATORS])
def test_the_defaults_pass(estimator, check):
    check(estimator)


@parametrize_with_checks([trained(Estimator) for Estimator in ESTIMATORS])
def test_an_instance_that_is_trained_passes(estimator, check):
    check(estimator)


@parametrize_with_checks(
    [
        trained(Estimator).set_params(target_weight=1.0)
        for Estimator in ESTIMATORS
        if having(Estimator, {"target_weight": 1.0})
    ]
)
def test_an_instance_that_predicts_y_passes(estimator, check):
    check(estimator)


@pytest.mark.parametrize("instance", [default, trained])
@pytest.mark.parametrize("check", FURTHER_CHECKS, ids=by_name)
@pytest.mark.parametrize("Estimator", ESTIMATORS, ids=by_name)
def test_a_further_check_passes(Estimator, check, instance):
    check(Estimator.__name__, instance(Estimator))


# The checks transform arrays with what they fitted on frames, too.
@pytest.mark.filterwarnings("ignore:X (has|does not have valid) feature names:UserWarning")
@pytest.mark.parametrize("check", CHECKS_OF_OUTPUT, ids=by_name)
@pytest.mark.parametrize(
    "Estimator", [found for found in ESTIMATORS if hasattr(found, "transform")], ids=by_name
)
def test_a_check_of_the_output_passes(Estimator, check):
    check(Estimator.__name__, trained(Estimator))


WEIGHTED = [found for found in ESTIMATORS if has_fit_parameter(found, "sample_weight")]


@pytest.mark.parametrize(
    "check",
    [
        estimator_checks.check_sample_weight_equivalence_on_dense_data,
        estimator_checks.check_sample_weight_equivalence_on_sparse_data,
    ],
    ids=by_name,
)
@pytest.mark.parametrize("Estimator", WEIGHTED, ids=by_name)
def test_weights_are_repetitions_over_fifty_steps(Estimator, check):
    """They differ by 5e-10 then, of 1e-7 allowed: rounding grows with the steps."""
    check(Estimator.__name__, trained(Estimator).set_params(max_epochs=50))


@pytest.mark.parametrize("Estimator", WEIGHTED, ids=by_name)
def test_the_fifty_steps_move_the_weights(Estimator):
    X = np.random.RandomState(42).rand(15, 30)  # the rows of the check

    estimator = trained(Estimator).set_params(max_epochs=50).fit(X)

    assert estimator.best_epoch_ == 50
    assert estimator.loss_curve_[-1] < 0.9 * estimator.loss_curve_[0]


def test_the_check_of_array_api_input_is_run():
    """It is skipped above: scipy reads SCIPY_ARRAY_API when it is first imported."""
    pytest.importorskip(
        "sklearn.externals.array_api_compat", reason="scikit-learn brings no array_api_compat"
    )
    passed = subprocess.run(
        [sys.executable, "-m", "pytest", Path(__file__), "-k", "check_array_api_input"],
        env={**os.environ, "SCIPY_ARRAY_API": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    ).stdout

    supervised = [found for found in ESTIMATORS if having(found, {"target_weight": 1.0})]
    n_instances = 2 * len(ESTIMATORS) + len(supervised)
    assert f"{n_instances} passed" in passed
    assert "skipped" not in passed
    assert "failed" not in passed
