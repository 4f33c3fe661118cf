"""Searches: the same with workers as without."""

import numpy as np
import pytest
import torch
from _testing import having, with_parameters
from joblib import Parallel, cpu_count, delayed
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback
from threadpoolctl import threadpool_info
from torch import nn

pytestmark = pytest.mark.every_autoencoder


def scores(search):
    return np.array([search.cv_results_[f"split{split}_test_score"] for split in range(3)])


def test_two_workers_find_what_one_does(autoencoder, digits):
    grid = {"encoding_dim": [2, 6], **having(type(autoencoder), {"encoder": [None, nn.Linear]})}
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

    search = GridSearchCV(with_parameters(autoencoder, loss="huber"), grid, cv=3).fit(digits)

    assert np.isfinite(scores(search)).all()
    assert (scores(search) <= 1).all()
    assert len(np.unique(scores(search))) == 9


@pytest.fixture
def thread_counts():
    """Give a function to the numbers of threads of torch, OpenMP and BLAS."""

    # Within a function, so that it goes to another process by value; so do those below.
    def counts():
        return torch.get_num_threads(), *sorted(pool["num_threads"] for pool in threadpool_info())

    return counts


@pytest.fixture
def thread_counts_of_a_fit(thread_counts, autoencoder):
    """Give a function to the numbers before, while and after a fit."""
    with_parameters(autoencoder, callbacks=None)  # one that takes callbacks

    class Threads(Callback):
        def on_train_begin(self, net, **kwargs):
            """Begin."""
            self.seen = set()

        def on_epoch_end(self, net, **kwargs):
            """Look."""
            self.seen.add(thread_counts())

    def of_a_fit(autoencoder, X):
        before = thread_counts()
        fitted = autoencoder.set_params(callbacks=[Threads()]).fit(X)
        fitted.transform(X)
        return before, fitted.net_.callbacks_[-1][1].seen, thread_counts()

    return of_a_fit


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("fails", [False, True])
def test_a_fit_leaves_the_numbers_of_threads(
    autoencoder, digits, n_threads, fails, fail_at, thread_counts, thread_counts_of_a_fit
):
    here = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        if fails:
            before = thread_counts()
            fail_at(3, MemoryError)
            with pytest.raises(MemoryError):
                autoencoder.fit(digits)
            assert thread_counts() == before
        else:
            before, seen, after = thread_counts_of_a_fit(autoencoder, digits)
            assert before[0] == n_threads
            assert seen == {before}
            assert after == before
    finally:
        torch.set_num_threads(here)


def test_a_worker_has_its_share_of_the_threads_and_no_fit_raises_it(
    autoencoder, digits, thread_counts_of_a_fit
):
    fits = Parallel(n_jobs=2)(
        delayed(thread_counts_of_a_fit)(clone(autoencoder), digits) for _ in range(4)
    )

    for before, seen, after in fits:
        assert before[0] == max(1, cpu_count() // 2)
        assert seen == {before}
        assert after == before
