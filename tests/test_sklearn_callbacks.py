"""scikit-learn's own callbacks: an epoch is a task of the fit."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

callback = pytest.importorskip("sklearn.callback", reason="scikit-learn < 1.9 has no callbacks")


class Recorder:
    """Remembers the tasks that end, and asks to stop after some epochs."""

    def __init__(self, n_epochs=None):
        self.n_epochs = n_epochs
        self.tasks, self.scores, self.codes = [], [], []

    def setup(self, estimator, context):
        self.is_set_up = True

    def teardown(self, estimator, context):
        self.is_set_up = False

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context, *, X=None, fitted_estimator=None):
        self.tasks.append(context.task_name)
        self.scores.append(fitted_estimator.score(X))
        self.codes.append(fitted_estimator.transform(X))
        return self.n_epochs is not None and len(self.tasks) >= self.n_epochs


def of_itself(estimator, X, y):
    return estimator.score(X)


def test_each_epoch_is_a_task_of_the_fit(autoencoder, digits):
    recorder = Recorder()

    autoencoder.set_callbacks(recorder).fit(digits)

    assert recorder.tasks == ["epoch"] * autoencoder.n_iter_ + ["fit"]
    assert not recorder.is_set_up


def test_the_fitted_estimator_is_what_a_fit_of_as_many_epochs_gives(autoencoder, digits):
    recorder = Recorder()
    autoencoder.set_params(max_epochs=5)
    clone(autoencoder).set_callbacks(recorder).fit(digits)

    short = clone(autoencoder).set_params(max_epochs=2, n_iter_no_change=1).fit(digits)

    np.testing.assert_array_equal(recorder.codes[1], short.transform(digits))
    assert recorder.scores == sorted(recorder.scores)


def test_a_callback_that_asks_to_stop_is_honoured(autoencoder, digits):
    autoencoder.set_callbacks(Recorder(n_epochs=2)).fit(digits)

    assert autoencoder.n_iter_ == 2


def test_training_goes_on_alone_after_the_fitted_estimator_is_used(autoencoder, digits):
    listened = clone(autoencoder).set_callbacks(Recorder()).fit(digits)

    assert listened.loss_curve_ == autoencoder.fit(digits).loss_curve_


def test_a_scoring_monitor_logs_a_score_an_epoch(autoencoder, digits):
    monitor = callback.ScoringMonitor(scoring={"score": of_itself})

    autoencoder.set_callbacks(monitor).fit(digits)

    scores = [task["score"] for task in monitor.get_logs().data if task["task_name"] == "epoch"]
    assert len(scores) == autoencoder.n_iter_
    assert scores[-1] == pytest.approx(autoencoder.score(digits))


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_progress_bar_goes_through_a_search_over_a_pipeline(autoencoder, digits, n_jobs, capsys):
    pytest.importorskip("rich", reason="scikit-learn's bar is drawn by rich")
    pipeline = make_pipeline(StandardScaler(), autoencoder)
    step = pipeline.steps[-1][0]
    search = GridSearchCV(pipeline, {f"{step}__encoding_dim": [2, 3]}, cv=2, n_jobs=n_jobs)

    search.set_callbacks(callback.ProgressBar(max_propagation_depth=None)).fit(digits)

    assert search.best_params_[f"{step}__encoding_dim"] == 3
    assert type(autoencoder).__name__ in capsys.readouterr().out
