"""Searches: the same with workers as without."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn


def scores(search):
    return np.array([search.cv_results_[f"split{split}_test_score"] for split in range(3)])


def test_two_workers_find_what_one_does(autoencoder, digits):
    grid = {"encoding_dim": [2, 6], "encoder": [None, nn.Linear]}
    alone, together = (
        GridSearchCV(clone(autoencoder), grid, cv=3, n_jobs=n_jobs).fit(digits) for n_jobs in (1, 2)
    )

    assert_array_equal(scores(together), scores(alone))
    assert together.best_params_ == alone.best_params_
    assert_array_equal(together.transform(digits), alone.transform(digits))


def test_two_workers_find_what_one_does_through_a_pipeline(autoencoder):
    X, y = load_digits(return_X_y=True)
    X, y = X[:200], y[:200]
    steps = [("scale", StandardScaler()), ("ae", autoencoder), ("class", LogisticRegression())]
    grid = {"ae__encoding_dim": [2, 6], "class__C": [0.01]}
    alone, together = (
        GridSearchCV(Pipeline(steps), grid, cv=3, n_jobs=n_jobs).fit(X, y) for n_jobs in (1, 2)
    )

    assert_array_equal(scores(together), scores(alone))
    assert_array_equal(together.predict_proba(X), alone.predict_proba(X))


def test_a_search_scores_by_the_variance_explained_on_held_out_rows(autoencoder, digits):
    folds = KFold(3)

    search = GridSearchCV(autoencoder, {"encoding_dim": [2, 6]}, cv=folds).fit(digits)

    for split, (train, test) in enumerate(folds.split(digits)):
        for candidate, encoding_dim in enumerate([2, 6]):
            fold = clone(autoencoder).set_params(encoding_dim=encoding_dim).fit(digits[train])
            rebuilt = fold.reconstruct(digits[test])
            expected = r2_score(digits[test], rebuilt, multioutput="variance_weighted")
            assert scores(search)[split, candidate] == pytest.approx(expected, rel=1e-6)


def test_a_search_may_compare_losses(autoencoder, digits):
    grid = {"loss": ["squared_error", "absolute_error", "huber"]}

    search = GridSearchCV(autoencoder, grid, cv=3).fit(digits)

    assert np.isfinite(scores(search)).all()
    assert (scores(search) <= 1).all()
    assert len(np.unique(scores(search))) == 9
