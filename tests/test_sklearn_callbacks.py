"""scikit-learn's own callbacks: an epoch is a task of the fit."""

import pickle

import numpy as np
import pytest
from _testing import having, taking, with_parameters
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import EpochTimer

callback = pytest.importorskip(
    "sklearn.callback", reason="scikit-learn has callbacks from version 1.9 on"
)


class Tasks:
    """Notes what begins and ends, and stops the fit after some epochs if asked to."""

    def __init__(self, stop_after=None):
        self.stop_after = stop_after
        self.events = []

    def setup(self, estimator, context):
        self.events.append("setup")

    def teardown(self, estimator, context):
        self.events.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.events.append(("begin", context.task_name, context.task_id))

    def on_fit_task_end(self, estimator, context):
        self.events.append(("end", context.task_name, context.task_id))
        return context.task_name == "epoch" and context.task_id + 1 == self.stop_after


class Fitted:
    """Keeps the estimator that each epoch gives."""

    def __init__(self):
        self.estimators = []

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        if context.task_name == "epoch":
            self.estimators.append(fitted_estimator)


def epochs(monitor, n_epochs):
    """Give the scores of each fit in a log, epoch by epoch."""
    scores = [row["score"] for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    return np.reshape(scores, (-1, n_epochs))


@pytest.fixture
def monitor():
    """One that works: with scoring=None, version 1.9 updates a dictionary with a float."""

    # Within a function, so that it goes to another process by value.
    def of_itself(estimator, X, y=None, sample_weight=None):
        return {"score": estimator.score(X, sample_weight=sample_weight)}

    return callback.ScoringMonitor(scoring=of_itself)


# Tasks


def test_an_epoch_is_a_task_within_that_of_the_fit(autoencoder, digits):
    tasks = Tasks()

    autoencoder.set_callbacks(tasks).fit(digits)

    within = [(when, "epoch", i) for i in range(5) for when in ("begin", "end")]
    whole = [("begin", "fit", 0), *within, ("end", "fit", 0)]
    assert tasks.events == ["setup", *whole, "teardown"]


def test_the_weights_are_the_same_with_and_without(autoencoder, digits):
    watched = clone(autoencoder).set_callbacks(Tasks(), Fitted()).fit(digits)

    assert_array_equal(watched.transform(digits), autoencoder.fit_transform(digits))


def test_a_fit_that_needs_no_epoch_has_none(autoencoder, digits):
    tasks = Tasks()
    with_parameters(autoencoder, loss="squared_error")  # and no more to gain than that

    with pytest.warns(UserWarning, match="exactly"):
        autoencoder.set_params(encoding_dim=64).set_callbacks(tasks).fit(digits)

    assert tasks.events == ["setup", ("begin", "fit", 0), ("end", "fit", 0), "teardown"]


def test_a_fit_that_fails_is_torn_down(autoencoder, digits):
    tasks = Tasks()

    with pytest.raises(ValueError, match="lr="):
        with_parameters(autoencoder, optimizer="sgd", lr=1e9).set_callbacks(tasks).fit(digits)

    assert tasks.events[0] == "setup"
    assert tasks.events[-1] == "teardown"
    assert not hasattr(autoencoder, "_callback_fit_ctx")


def test_a_second_fit_has_tasks_of_its_own(autoencoder, digits):
    tasks = Tasks()
    autoencoder.set_callbacks(tasks).fit(digits)
    first, tasks.events = tasks.events, []

    autoencoder.fit(digits)

    assert tasks.events == first


def test_partial_fit_has_no_tasks(autoencoder, digits):
    tasks = Tasks()

    autoencoder.set_callbacks(tasks).partial_fit(digits)

    assert tasks.events == []


# Stopping


@pytest.mark.parametrize("stop_after", [1, 2, 3])
def test_a_callback_that_asks_to_stop_is_obeyed(autoencoder, digits, stop_after):
    tasks = Tasks(stop_after)

    stopped = autoencoder.set_callbacks(tasks).fit(digits)

    assert stopped.n_iter_ == stop_after
    assert tasks.events[-3:] == [("end", "epoch", stop_after - 1), ("end", "fit", 0), "teardown"]


def test_the_callbacks_of_skorch_hear_of_the_epoch_that_is_the_last(autoencoder, digits):
    with_parameters(autoencoder, callbacks=[("timer", EpochTimer())])

    stopped = autoencoder.set_callbacks(Tasks(stop_after=2)).fit(digits)

    assert len(stopped.net_.history[:, "dur"]) == 2


# The fitted estimator


def test_the_estimator_of_an_epoch_is_what_a_fit_of_so_many_gives(autoencoder, digits):
    fitted = Fitted()
    autoencoder.set_callbacks(fitted).fit(digits)

    for n_epochs in (2, 3, 4):
        fewer = {"max_epochs": n_epochs, "n_iter_no_change": n_epochs - 1}
        alone = clone(autoencoder).set_params(**having(type(autoencoder), fewer))
        alone.set_callbacks().fit(digits)
        watched = fitted.estimators[n_epochs - 1]
        assert_array_equal(watched.transform(digits), alone.transform(digits))
        assert watched.score(digits) == alone.score(digits)
        assert watched.loss_curve_ == alone.loss_curve_
        assert watched.best_epoch_ == alone.best_epoch_


def test_the_estimators_of_the_epochs_get_better(autoencoder, digits):
    fitted = Fitted()
    autoencoder.set_callbacks(fitted).fit(digits)

    scores = [estimator.score(digits) for estimator in fitted.estimators]
    assert scores == sorted(scores)
    assert scores[-1] == autoencoder.score(digits)


def test_the_estimator_of_an_epoch_can_be_used_in_full(autoencoder, digits):
    fitted = Fitted()
    autoencoder.set_callbacks(fitted).fit(digits)

    for estimator in fitted.estimators:
        codes = estimator.transform(digits)
        assert_array_equal(estimator.inverse_transform(codes), estimator.reconstruct(digits))
        assert estimator.score_samples(digits).shape == (len(digits),)
        assert estimator.n_features_in_ == 64


def test_the_net_of_an_epoch_holds_no_more_than_that_of_the_fit(autoencoder, digits):
    fitted = Fitted()
    autoencoder.set_callbacks(fitted).fit(digits)

    first, last = (
        len(pickle.dumps(estimator.net_)) for estimator in (fitted.estimators[0], autoencoder)
    )

    assert first < 1.1 * last


def test_the_estimator_of_an_epoch_can_be_trained_on_its_own(autoencoder, digits):
    fitted = Fitted()
    autoencoder.set_callbacks(fitted).fit(digits)
    codes = autoencoder.transform(digits)

    first = fitted.estimators[0].partial_fit(digits)

    assert first.n_iter_ == 2
    assert fitted.estimators[1].n_iter_ == 2
    assert_array_equal(autoencoder.transform(digits), codes)


# ScoringMonitor


def test_a_monitor_has_a_score_of_each_epoch(autoencoder, digits, monitor):
    autoencoder.set_callbacks(monitor).fit(digits)

    (scores,) = epochs(monitor, 5)
    assert len(np.unique(scores)) == 5
    assert scores[-1] == autoencoder.score(digits)


def test_a_monitor_has_the_score_of_the_whole_fit(autoencoder, digits, monitor):
    autoencoder.set_callbacks(monitor).fit(digits)

    (score,) = [row["score"] for row in monitor.get_logs().data if row["task_name"] == "fit"]
    assert score == autoencoder.score(digits)


def test_a_monitor_weighs_rows_as_the_fit_does(autoencoder, digits, monitor):
    weight = np.arange(len(digits), dtype=float)

    metadata = taking(autoencoder, {"sample_weight": weight})

    autoencoder.set_callbacks(monitor).fit(digits, **metadata)

    (scores,) = epochs(monitor, 5)
    assert scores[-1] == autoencoder.score(digits, sample_weight=weight)


def test_a_monitor_works_within_a_pipeline(autoencoder, digits, monitor):
    pipeline = make_pipeline(
        StandardScaler(), autoencoder.set_callbacks(monitor), LogisticRegression(C=0.01)
    )

    pipeline.fit(digits, digits[:, 20] > 8)

    (scores,) = epochs(monitor, 5)
    assert scores[-1] == pipeline[1].score(pipeline[0].transform(digits))


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_monitor_works_within_a_search(autoencoder, digits, monitor, n_jobs):
    folds = KFold(2)
    grid = {"encoding_dim": [2, 6]}
    search = GridSearchCV(autoencoder.set_callbacks(monitor), grid, cv=folds, n_jobs=n_jobs)

    search.fit(digits)

    scores = epochs(monitor, 5)
    assert scores.shape == (2 * 2 + 1, 5)  # each candidate on each fold, and the refit
    for encoding_dim in (2, 6):
        for train, _ in folds.split(digits):
            fold = clone(autoencoder).set_callbacks().set_params(encoding_dim=encoding_dim)
            assert fold.fit(digits[train]).score(digits[train]) in scores[:, -1]
    assert search.best_estimator_.score(digits) in scores[:, -1]


# ProgressBar


@pytest.fixture
def progress_bar(monkeypatch):
    pytest.importorskip("rich", reason="scikit-learn's ProgressBar draws with rich")
    monkeypatch.setenv("COLUMNS", "200")
    return callback.ProgressBar(max_propagation_depth=None)


def test_a_progress_bar_shows_the_fit_to_its_end(autoencoder, digits, progress_bar, capsys):
    autoencoder.set_callbacks(progress_bar).fit(digits)

    shown = capsys.readouterr().out
    assert f"{type(autoencoder).__name__} - fit" in shown
    assert "100%" in shown


def test_a_progress_bar_of_a_fit_that_stops_ends_full(autoencoder, digits, progress_bar, capsys):
    autoencoder.set_callbacks(progress_bar, Tasks(stop_after=2)).fit(digits)

    assert "100%" in capsys.readouterr().out


def test_a_progress_bar_of_a_pipeline_shows_the_step(autoencoder, digits, progress_bar, capsys):
    pipeline = make_pipeline(autoencoder, LogisticRegression(C=0.01))

    pipeline.set_callbacks(progress_bar).fit(digits, digits[:, 20] > 8)

    shown = capsys.readouterr().out
    assert "Pipeline - fit" in shown
    assert f"{type(autoencoder).__name__} - fit" in shown


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_progress_bar_goes_through_a_search_over_a_pipeline(
    autoencoder, digits, progress_bar, capsys, n_jobs
):
    pipeline = make_pipeline(StandardScaler(), autoencoder)
    step = pipeline.steps[-1][0]
    grid = {f"{step}__encoding_dim": [2, 6]}
    search = GridSearchCV(pipeline, grid, cv=2, n_jobs=n_jobs)

    search.set_callbacks(progress_bar).fit(digits)

    shown = capsys.readouterr().out
    assert all(f"Pipeline - fit #{candidate}" in shown for candidate in range(4))
    assert f"{type(autoencoder).__name__} - fit" in shown
    assert search.best_params_ == {f"{step}__encoding_dim": 6}


# Two protocols


def test_the_two_kinds_of_callbacks_are_not_mixed_up(autoencoder, digits):
    with pytest.raises(TypeError, match="FitCallback"):
        autoencoder.set_callbacks(EpochTimer())
    with pytest.raises(ValueError, match="set_callbacks"):
        with_parameters(autoencoder, callbacks=[Tasks()]).fit(digits)
