"""What a notebook defines, which is in no module that another process could import."""

import sys
from copy import deepcopy

import numpy as np
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, cross_validate
from skorch.callbacks import Callback
from torch import nn

import sklearn_ae

try:
    from cloudpickle import dumps, loads
except ImportError:  # joblib < 1.6 has one of its own
    from joblib.externals.cloudpickle import dumps, loads

X = load_digits().data[:200]


class Own(nn.Module):
    def __init__(self, in_features, out_features):
        super().__init__()
        self.layer = nn.Linear(in_features, out_features)
        self.after = lambda x: 2 * x

    def forward(self, x):
        return self.after(self.layer(x))


class Log(Callback):
    def on_epoch_end(self, net, **kwargs):
        self.lines_ = [*getattr(self, "lines_", []), lambda: net]


def local():
    class Local(Own):
        pass

    return Local


def function(in_features, out_features):
    return nn.Sequential(nn.Linear(in_features, 8), nn.ReLU(), nn.Linear(8, out_features))


OWN = {
    "loss": {"loss": lambda output, target: (output - target).abs() ** 1.5},
    "class": {"encoder": Own, "decoder": Own},
    "local class": {"encoder": local(), "decoder": local()},
    "function": {"encoder": function},
    "lambda": {"decoder": lambda in_features, out_features: nn.Linear(in_features, out_features)},
    "callback": {"callbacks": [Log()]},
}


def is_copied_and_sent(estimator):
    """Compare what goes on here, as a copy and elsewhere, bit for bit."""
    fitted = clone(estimator).fit(X)
    others = {"deepcopy": deepcopy(fitted), "cloudpickle": loads(dumps(fitted))}
    assert np.array_equal(clone(fitted).fit(X).transform(X), fitted.transform(X))
    codes = [fitted.partial_fit(X).transform(X) for _ in range(2)]
    for way, other in others.items():
        assert np.array_equal([other.partial_fit(X).transform(X) for _ in range(2)], codes), way
    fitted.set_params(warm_start=True).fit(X)

    alone, in_workers = (
        cross_validate(
            estimator, X, cv=2, n_jobs=n_jobs, return_estimator=True, error_score="raise"
        )["estimator"]
        for n_jobs in (None, 2)
    )
    for one, other in zip(alone, in_workers, strict=True):
        assert np.array_equal(one.transform(X), other.transform(X))
    search = GridSearchCV(estimator, {"lr": [1e-3, 1e-2]}, cv=2, n_jobs=2, error_score="raise")
    search.fit(X).best_estimator_.partial_fit(X)


if __name__ == "__main__":
    Autoencoder, parameters = getattr(sklearn_ae, sys.argv[1]), eval(sys.argv[2])
    for name, own in OWN.items():
        print(name, flush=True)
        if own.keys() <= Autoencoder().get_params().keys():
            is_copied_and_sent(Autoencoder(**parameters, **own))
