"""Saving and loading without pickle: what comes back, what is refused, and what never breaks."""

import json
import os
import re
import signal
import stat
import subprocess
import sys
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from hashlib import sha256
from importlib.metadata import PackageNotFoundError
from io import BytesIO
from itertools import permutations
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
import skops.io
import torch
from _testing import small, with_parameters
from joblib import Memory
from numpy.testing import assert_array_equal
from safetensors.torch import load as tensors_of
from safetensors.torch import save as bytes_of
from scipy.stats import loguniform
from sklearn import config_context
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import Birch, FeatureAgglomeration
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor, make_column_selector
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.feature_selection import SelectKBest, mutual_info_classif
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.gaussian_process.kernels import Matern, WhiteKernel
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import accuracy_score, make_scorer
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    RandomizedSearchCV,
    TunedThresholdClassifierCV,
)
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import FunctionTransformer, KBinsDiscretizer, StandardScaler
from skorch.callbacks import EpochScoring
from skorch.exceptions import DeviceWarning
from torch import nn

import sklearn_ae
from sklearn_ae import (
    AutoencoderImputer,
    AutoencoderOutlierDetector,
    AutoencoderTransformer,
    LatentDensity,
    load,
    save,
)
from sklearn_ae._description import described
from sklearn_ae._naming import plain_class
from sklearn_ae._rebuilding import rebuilt
from sklearn_ae.exceptions import LoadError

X, Y = load_digits(return_X_y=True)
X, Y = X[:120], Y[:120]
GAPS = np.where(np.random.RandomState(0).uniform(size=X.shape) < 0.1, np.nan, X)


def encoder_of_mine(in_features, out_features):
    return nn.Sequential(nn.Linear(in_features, 8), nn.Tanh(), nn.Linear(8, out_features))


def quartic(output, target):
    return (output - target) ** 4


class Doubling(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        self.factor_ = 2.0
        return self

    def transform(self, X):
        return self.factor_ * X


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.skae"


def through(path, estimator, **options):
    """Save an estimator and load it."""
    save(estimator, path)
    return load(path, **options)


# What comes back

VARIANTS = {
    "plain": {},
    "classes": {"target_weight": 1.0},
    "tied": {"tied_weights": True, "optimizer": torch.optim.RMSprop, "precision": "float64"},
    "noise": {"noise": "gaussian", "noise_level": np.linspace(0.1, 1, 64), "trim": 0.1},
    "layers": {"encoder": nn.Linear, "decoder": nn.Linear},
}


@pytest.mark.every_autoencoder
@pytest.mark.parametrize("variant", VARIANTS)
def test_an_autoencoder_comes_back_bit_for_bit(autoencoder, path, variant):
    fitted = with_parameters(autoencoder, **VARIANTS[variant]).fit(X, Y)
    loaded = through(path, fitted)
    assert_array_equal(loaded.transform(X), fitted.transform(X))
    assert_array_equal(loaded.reconstruct(X), fitted.reconstruct(X))
    assert_array_equal(loaded.score_samples(X), fitted.score_samples(X))
    assert repr(loaded) == repr(fitted)
    for name in ("loss_curve_", "best_loss_", "best_epoch_", "pca_loss_", "n_iter_"):
        assert_array_equal(getattr(loaded, name), getattr(fitted, name))
    assert clone(loaded).get_params().keys() == fitted.get_params().keys()


def test_one_of_many_features_comes_back(path):
    wide = np.hstack([X] * 5)
    fitted = small().fit(wide)
    assert_array_equal(through(path, fitted).transform(wide), fitted.transform(wide))


@pytest.mark.every_autoencoder
def test_one_that_is_not_fitted_comes_back(autoencoder, path):
    loaded = through(path, autoencoder)
    assert loaded.get_params() == autoencoder.get_params()
    assert_array_equal(loaded.fit(X).transform(X), autoencoder.fit(X).transform(X))


@pytest.mark.parametrize("optimizer_state", [False, True])
def test_training_goes_on_with_the_moments_if_they_are_saved(autoencoder, path, optimizer_state):
    fitted = autoencoder.partial_fit(X).partial_fit(X)
    save(fitted, path, optimizer_state=optimizer_state)
    loaded = load(path).partial_fit(X)
    is_equal = np.array_equal(loaded.transform(X), fitted.partial_fit(X).transform(X))
    assert is_equal is optimizer_state


def test_the_moments_are_left_out_unless_they_are_asked_for(path):
    fitted = small().partial_fit(X)
    save(fitted, path)
    n_bytes = path.stat().st_size
    save(fitted, path, optimizer_state=True)
    weights = fitted.net_.module_.parameters()
    assert path.stat().st_size > n_bytes + 2 * sum(weight.nbytes for weight in weights)


def quick_imputer(**parameters):
    return AutoencoderImputer(PCA(4, random_state=0), random_state=0, **parameters)


OTHERS = {
    "detector": (AutoencoderOutlierDetector(random_state=0), X, "score_samples"),
    "detector of one": (AutoencoderOutlierDetector(small(), random_state=0), X, "score_samples"),
    "imputer": (quick_imputer(add_indicator=True), GAPS, "transform"),
    "density": (LatentDensity(small()), X, "score_samples"),
    "pipeline": (
        make_pipeline(StandardScaler(), small(), LogisticRegression()),
        X,
        "predict_proba",
    ),
    "union": (FeatureUnion([("codes", small()), ("pca", PCA(2))]), X, "transform"),
    "columns": (
        ColumnTransformer([("codes", small(), slice(0, 30))], remainder="passthrough"),
        X,
        "transform",
    ),
}


SEARCHED = {
    "search by a score": GridSearchCV(
        make_pipeline(small(), LogisticRegression()),
        {"autoencodertransformer__lr": [1e-3]},
        scoring=["accuracy", "f1"],
        refit="f1",
        cv=2,
    ),
    "threshold": TunedThresholdClassifierCV(make_pipeline(small(), LogisticRegression()), cv=2),
    "search": GridSearchCV(small(), {"encoding_dim": [2, 3]}, cv=KFold(2)),
    "search of a pipeline": GridSearchCV(
        make_pipeline(small(), LogisticRegression()), {"autoencodertransformer__lr": [1e-3]}, cv=2
    ),
    "voting": VotingClassifier([("one", make_pipeline(small(), LogisticRegression()))]),
    "calibrated": CalibratedClassifierCV(make_pipeline(small(), LogisticRegression()), cv=2),
    "regressor": TransformedTargetRegressor(
        make_pipeline(small(), LinearRegression()), func=np.log1p, inverse_func=np.expm1
    ),
    "selected": make_pipeline(
        ColumnTransformer([("codes", small(), make_column_selector(dtype_include=float))]),
        LogisticRegression(),
    ),
}


@pytest.mark.parametrize("name", SEARCHED)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_meta_estimators_of_scikit_learn_come_back(path, name):
    rows, labels = pd.DataFrame(X[Y < 2]), Y[Y < 2]
    fitted = clone(SEARCHED[name]).fit(rows, labels)
    loaded = through(path, fitted)
    method = "transform" if name == "search" else "predict"
    assert_array_equal(getattr(loaded, method)(rows), getattr(fitted, method)(rows))


def agreement(y, predicted):
    return (y == predicted).mean()


class Agreement:
    def __call__(self, y, predicted):
        return agreement(y, predicted)


@pytest.mark.parametrize("score", [agreement, Agreement()], ids=["function", "object"])
def test_a_scorer_of_the_user_is_passed_again(path, score):
    name = getattr(score, "__name__", "Agreement")
    pipeline = make_pipeline(small(), LogisticRegression())
    search = GridSearchCV(
        pipeline, {"autoencodertransformer__lr": [1e-3]}, scoring=make_scorer(score), cv=2
    )
    fitted = search.fit(X[Y < 2], Y[Y < 2])
    loaded = through(path, fitted, own={f"{__name__}.{name}": score})
    assert loaded.score(X[Y < 2], Y[Y < 2]) == fitted.score(X[Y < 2], Y[Y < 2])


def by_hand(estimator, X, y):
    return (estimator.predict(X) == y).mean()


@pytest.mark.parametrize("scoring", [by_hand, {"one": by_hand}], ids=["one", "several"])
def test_a_score_that_is_a_function_of_the_user_is_passed_again(path, scoring):
    pipeline = make_pipeline(small(), LogisticRegression())
    grid = {"autoencodertransformer__lr": [1e-3]}
    refit = "one" if isinstance(scoring, dict) else True
    fitted = GridSearchCV(pipeline, grid, scoring=scoring, refit=refit, cv=2)
    fitted.fit(X[Y < 2], Y[Y < 2])
    loaded = through(path, fitted, own={f"{__name__}.by_hand": by_hand})
    assert loaded.score(X[Y < 2], Y[Y < 2]) == fitted.score(X[Y < 2], Y[Y < 2])


def test_what_other_packages_made_is_passed_again(path):
    search = RandomizedSearchCV(small(), {"lr": loguniform(1e-4, 1e-2)})
    name = "scipy.stats._distn_infrastructure.rv_continuous_frozen"
    assert through(path, search, own={name: 3}).param_distributions == {"lr": 3}
    pipeline = make_pipeline(StandardScaler(), small(), memory=Memory(None))
    assert through(path, pipeline, own={"joblib.Memory": 3}).memory == 3


COMMON_STEPS = [
    SimpleImputer(),
    KBinsDiscretizer(3, encode="onehot-dense", strategy="uniform"),
    SelectKBest(k=9),
    SelectKBest(mutual_info_classif, k=9),
    FeatureAgglomeration(9),
    *(MLPClassifier(max_iter=2, solver=solver, random_state=0) for solver in ("adam", "sgd")),
    GaussianProcessClassifier(1.0 * Matern() + WhiteKernel(), optimizer=None),
    CalibratedClassifierCV(LogisticRegression(), cv=2),
]


@pytest.mark.parametrize("step", COMMON_STEPS, ids=lambda step: type(step).__name__)
@pytest.mark.filterwarnings("ignore")  # of what few rows and iterations come to
def test_common_steps_of_scikit_learn_need_no_trust(path, step):
    is_last = not hasattr(step, "transform") or hasattr(step, "predict")
    steps = (small(), step) if is_last else (step, small())
    fitted = make_pipeline(*steps).fit(X, Y)
    loaded = through(path, fitted)
    method = "predict" if is_last else "transform"
    assert_array_equal(getattr(loaded, method)(X), getattr(fitted, method)(X))


class Centring:
    """What has learnt something and is no BaseEstimator."""

    def fit(self, X, y=None):
        self.mean_ = X.mean(axis=0)
        return self

    def fit_transform(self, X, y=None):
        return self.fit(X).transform(X)

    def transform(self, X):
        return X - self.mean_


@pytest.mark.parametrize(
    ("estimator", "says"),
    [
        (make_pipeline(Centring(), small()), "steps: Centring can't be saved"),
        (make_pipeline(FunctionTransformer(lambda rows: rows), small()), "Define it at the top"),
        (make_pipeline(small(), Birch(n_clusters=2)), "steps: Birch can't be saved"),
        (
            small(noise="gaussian", noise_level=pd.Series(np.full(64, 0.1))),
            "noise_level: Series can't be saved",
        ),
    ],
    ids=["no estimator", "lambda", "trees that hold themselves", "data"],
)
def test_what_could_not_come_back_is_not_saved(path, estimator, says):
    fitted = estimator.fit(X)
    with pytest.raises(ValueError, match=says):
        save(fitted, path)
    assert not path.exists()


def test_what_metadata_steps_of_scikit_learn_ask_for_comes_back(path):
    with config_context(enable_metadata_routing=True):
        asking = LogisticRegression(tol=10.0).set_fit_request(sample_weight=True)
        codes = small().set_fit_request(sample_weight=False)
        fitted = make_pipeline(codes, asking).fit(X, Y, sample_weight=np.arange(len(X)))
        loaded = through(path, fitted)
        assert loaded[-1].get_metadata_routing().fit.requests["sample_weight"] is True
        assert asking.get_metadata_routing().fit.requests["sample_weight"] is True
    assert_array_equal(loaded.predict(X), fitted.predict(X))


def test_what_metadata_steps_within_steps_and_scores_ask_for_comes_back(path):
    with config_context(enable_metadata_routing=True):
        asking = LogisticRegression(tol=10.0).set_fit_request(sample_weight=True)
        score = make_scorer(accuracy_score).set_score_request(sample_weight=True)
        pipeline = make_pipeline(small(), make_pipeline(StandardScaler(), asking))
        grid = {"autoencodertransformer__lr": [1e-3]}
        loaded = through(path, GridSearchCV(pipeline, grid, scoring=score, cv=2))
        requests = loaded.estimator[-1][-1].get_metadata_routing().fit.requests
        assert requests["sample_weight"] is True
        assert loaded.scoring._get_metadata_request().score.requests["sample_weight"] is True


@pytest.mark.parametrize(
    "setting",
    [torch.inference_mode, torch.no_grad, lambda: torch.device("meta")],
    ids=["inference", "no gradients", "no memory"],
)
def test_what_is_set_of_torch_does_not_matter(path, setting):
    fitted = small().fit(X)
    with setting():
        loaded = through(path, fitted)
    assert_array_equal(loaded.partial_fit(X).transform(X), fitted.partial_fit(X).transform(X))


@pytest.mark.parametrize("name", OTHERS)
def test_what_holds_autoencoders_comes_back_bit_for_bit(path, name):
    estimator, rows, method = OTHERS[name]
    fitted = clone(estimator).fit(rows, Y)
    loaded = through(path, fitted)
    assert_array_equal(getattr(loaded, method)(rows), getattr(fitted, method)(rows))
    assert repr(loaded) == repr(fitted)


# By skops alone

PAGE = Path(__file__).parents[1] / "docs" / "guide" / "saving.rst"


def through_skops(estimator):
    """Write an estimator by skops and read it, with the types that the guide says to trust."""
    data = skops.io.dumps(estimator)
    types = skops.io.get_untrusted_types(data=data)
    of_ours = [name for name in types if not name.startswith("torch.optim.")]
    assert all(f"{name}\n" in PAGE.read_text() for name in of_ours)
    return skops.io.loads(data, trusted=types)


@pytest.mark.every_autoencoder
@pytest.mark.parametrize("variant", [name for name in VARIANTS if name != "layers"])
def test_skops_writes_an_autoencoder(autoencoder, variant):
    fitted = with_parameters(autoencoder, **VARIANTS[variant]).fit(X, Y)
    loaded = through_skops(fitted)
    assert_array_equal(loaded.reconstruct(X), fitted.reconstruct(X))
    assert_array_equal(loaded.score_samples(X), fitted.score_samples(X))
    assert loaded.loss_curve_ == fitted.loss_curve_
    loaded.partial_fit(X, Y)
    assert_array_equal(loaded.transform(X), fitted.partial_fit(X, Y).transform(X))


@pytest.mark.parametrize("name", OTHERS)
def test_skops_writes_what_holds_autoencoders(name):
    estimator, rows, method = OTHERS[name]
    fitted = clone(estimator).fit(rows, Y)
    loaded = through_skops(fitted)
    assert_array_equal(getattr(loaded, method)(rows), getattr(fitted, method)(rows))


@pytest.mark.parametrize("name", ["detector of one", "pipeline"])
def test_joblib_writes_what_holds_autoencoders(name, path):
    estimator, rows, method = OTHERS[name]
    fitted = clone(estimator).fit(rows, Y)
    joblib.dump(fitted, path)
    loaded = joblib.load(path)
    assert_array_equal(getattr(loaded, method)(rows), getattr(fitted, method)(rows))


def test_the_imputer_of_the_defaults_comes_back(path):
    """Its own autoencoders are of a private class."""
    rows = GAPS[:, 16:24]
    fitted = AutoencoderImputer(random_state=0, sample_posterior=True).fit(rows)
    loaded = through(path, fitted)
    assert_array_equal(loaded.transform(rows), fitted.transform(rows))


def test_one_estimator_in_several_places_comes_back(path):
    level = np.linspace(0.1, 1, 64)
    shared = AutoencoderTransformer(noise_level=level)
    union = FeatureUnion([(name, shared) for name in ("one", "two", "three")])
    loaded = through(path, union)
    for _, each in loaded.transformer_list:
        assert_array_equal(each.noise_level, level)


def test_names_output_and_requests_come_back(path):
    frame = pd.DataFrame(X).add_prefix("pixel ")
    with config_context(enable_metadata_routing=True):
        fitted = small().set_output(transform="pandas").set_fit_request(sample_weight=True)
        fitted.fit(frame)
        loaded = through(path, fitted)
        requests = [each.get_metadata_routing().fit.requests for each in (loaded, fitted)]
    pd.testing.assert_frame_equal(loaded.transform(frame), fitted.transform(frame))
    assert_array_equal(loaded.feature_names_in_, fitted.feature_names_in_)
    assert requests[0] == requests[1]
    assert requests[0]["sample_weight"] is True


def test_random_states_and_odd_numbers_come_back(path):
    estimator = AutoencoderTransformer(
        np.int64(4), noise_level=float("inf"), random_state=np.random.RandomState(3)
    )
    loaded = through(path, estimator)
    assert loaded.noise_level == float("inf")
    assert type(loaded.encoding_dim) is np.int64
    assert loaded.random_state.randint(1000) == estimator.random_state.randint(1000)


def test_what_the_user_wrote_is_passed_again(path):
    scorings = [EpochScoring("r2", name="one", use_caching=False)]
    scorings += [EpochScoring("r2", name="two", use_caching=False)]
    fitted = small(encoder=encoder_of_mine, decoder=nn.Linear, loss=quartic).fit(X)
    fitted.set_params(callbacks=scorings)
    save(fitted, path)
    own = {
        f"{__name__}.encoder_of_mine": encoder_of_mine,
        f"{__name__}.quartic": quartic,
        "skorch.callbacks.EpochScoring": scorings[0],
        "skorch.callbacks.EpochScoring#2": scorings[1],
    }
    loaded = load(path, own=own)
    assert_array_equal(loaded.transform(X), fitted.transform(X))
    assert loaded.callbacks == scorings
    for name in own:
        lacking = {other: of for other, of in own.items() if other != name}
        with pytest.raises(LoadError, match=f"own={{'{name}'"):
            load(path, own=lacking)


def test_a_partial_of_the_user_has_a_name(path):
    encoder = partial(nn.Linear, bias=False)
    fitted = small(encoder=encoder, decoder=nn.Linear).fit(X)
    loaded = through(path, fitted, own={"functools.partial": encoder})
    assert_array_equal(loaded.transform(X), fitted.transform(X))


def test_a_class_of_the_user_is_built_where_it_is_trusted(path):
    fitted = make_pipeline(Doubling(), small()).fit(X)
    save(fitted, path)
    with pytest.raises(LoadError, match=rf"trusted=\['{__name__}.Doubling'\]"):
        load(path)
    loaded = load(path, trusted=[f"{__name__}.Doubling"])
    assert_array_equal(loaded.transform(X), fitted.transform(X))


def test_trees_are_built_where_they_are_trusted(path):
    fitted = make_pipeline(small(), RandomForestClassifier(2, random_state=0)).fit(X, Y)
    save(fitted, path)
    with pytest.raises(LoadError, match=r"trusted=\['sklearn.tree._tree.Tree'\]"):
        load(path)
    loaded = load(path, trusted=["sklearn.tree._tree.Tree"])
    assert_array_equal(loaded.predict(X), fitted.predict(X))


def test_generators_whose_seed_may_take_any_time_are_built_where_they_are_trusted(path):
    boosted = HistGradientBoostingClassifier(max_iter=2, early_stopping=True, random_state=0)
    fitted = make_pipeline(small(), boosted).fit(X, Y)
    save(fitted, path)
    with pytest.raises(LoadError, match=r"trusted=\['numpy.random._generator.Generator'") as told:
        load(path)
    names = re.findall(r"'([\w.]+)'", str(told.value).partition("trusted=")[2])
    assert_array_equal(load(path, trusted=names).predict(X), fitted.predict(X))


@pytest.mark.parametrize("module", ["safetensors.torch", "skops.io"])
def test_without_a_package_the_error_says_what_to_install(path, monkeypatch, module):
    pipeline = make_pipeline(StandardScaler(), small())
    save(pipeline, path)
    monkeypatch.setitem(sys.modules, module, None)
    says = rf"^{module.split('.')[0]} is needed .*pip install 'sklearn-ae\[save\]'"
    with pytest.raises(ImportError, match=says):
        save(pipeline, path)
    with pytest.raises(ImportError, match=says):
        load(path)


@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_keep_the_order_by_which_products_round(order):
    array = rebuilt(described(np.array(X, order=order), steps=False), (), {})
    assert_array_equal(array, X)
    assert array.flags[f"{order}_CONTIGUOUS"]


class Weighted:
    def __init__(self, weights):
        self.weights = weights

    def __call__(self, output, target):
        return (output - target) ** 2


def test_functions_of_one_name_have_a_name_for_each(path):
    def weighted(weight):
        def loss(output, target):
            return weight * (output - target) ** 2

        return loss

    losses = [weighted(1.0), weighted(2.0)]
    union = FeatureUnion([(str(i), small(loss=loss)) for i, loss in enumerate(losses)])
    name = f"{__name__}.{losses[0].__qualname__}"
    loaded = through(path, union, own=dict(zip([name, f"{name}#2"], losses, strict=True)))
    assert [codes.loss for _, codes in loaded.transformer_list] == losses


def test_what_compares_in_its_own_way_has_a_name_for_each(path):
    losses = [Weighted(np.full(64, weight)) for weight in (1.0, 2.0)]
    union = FeatureUnion([(str(i), small(loss=loss)) for i, loss in enumerate(losses)])
    names = [f"{__name__}.Weighted", f"{__name__}.Weighted#2"]
    loaded = through(path, union, own=dict(zip(names, losses, strict=True)))
    assert [codes.loss for _, codes in loaded.transformer_list] == losses


def test_what_holds_itself_or_a_thing_unknown_is_not_saved(path):
    itself = LatentDensity()
    itself.set_params(estimator=itself)
    with pytest.raises(ValueError, match="it holds itself"):
        save(itself, path)
    with pytest.raises(ValueError, match=r"estimator\.noise_level: memoryview can't be saved"):
        save(LatentDensity(AutoencoderTransformer(noise_level=memoryview(b"1"))), path)
    with pytest.raises(TypeError, match="estimator='model': save takes an estimator"):
        save("model", path)
    assert not path.exists()


@pytest.mark.parametrize("tied_weights", [False, True])
def test_a_file_is_about_as_long_as_the_weights(path, tied_weights):
    fitted = small(hidden_layer_sizes=(1000,), tied_weights=tied_weights).fit(X)
    save(fitted, path)
    weights = {of.data_ptr(): of.nbytes for of in fitted.net_.module_.state_dict().values()}
    assert path.stat().st_size < 1.05 * sum(weights.values()) + 20_000


def test_the_same_estimator_is_the_same_file(path):
    fitted = small().fit(X)
    save(fitted, path)
    first = path.read_bytes()
    save(load(path), path)
    assert path.read_bytes() == first


def test_a_package_that_is_not_installed_saves_too(path, monkeypatch):
    def version(project):
        if project == "sklearn-ae":
            raise PackageNotFoundError(project)
        return "1.0"

    monkeypatch.setattr("sklearn_ae._file.version", version)
    save(small().fit(X), path)
    with zipfile.ZipFile(path) as archive:
        versions = json.loads(archive.read("manifest.json"))["versions"]
    assert (versions["sklearn-ae"], versions["torch"]) == ("not installed", "1.0")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is such a device here")
def test_what_was_fitted_elsewhere_is_loaded_on_the_cpu(path):
    fitted = small().fit(X)
    codes = fitted.transform(X)
    fitted.set_params(device="cuda")
    fitted.net_.device = "cuda"
    fitted.net_.module.parameters["device"] = "cuda"
    save(fitted, path)
    with pytest.warns(DeviceWarning):
        loaded = load(path)
    assert loaded.net_.device == "cpu"
    assert loaded.device == "cuda"
    assert_array_equal(loaded.transform(X), codes)


LOAD = """
import sys
from sklearn_ae import load

path, expected = sys.argv[1:]
load(path)  # imports what it needs
told = []
watched = ("exec", "pickle.find_class", "os.system", "os.exec", "subprocess.Popen")
sys.addaudithook(lambda event, args: told.append((event, args)) if event in watched else None)
loaded = load(path)
assert not told, told
import numpy as np

arrays = np.load(expected)
np.testing.assert_array_equal(loaded.score_samples(arrays["X"]), arrays["scores"])
"""


@pytest.mark.parametrize("name", ["detector", "density"])
def test_a_new_process_loads_it_and_runs_nothing(path, tmp_path, name):
    estimator, rows, _ = OTHERS[name]
    fitted = clone(estimator).fit(rows)
    save(fitted, path)
    np.savez(tmp_path / "expected.npz", X=rows, scores=fitted.score_samples(rows))
    arguments = [path, tmp_path / "expected.npz"]
    subprocess.run([sys.executable, "-c", LOAD, *arguments], check=True, timeout=300)


# What is refused


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A file, and the codes of what is in it."""
    path = tmp_path_factory.mktemp("saved") / "model.skae"
    fitted = make_pipeline(StandardScaler(), small(2, hidden_layer_sizes=(3,))).fit(X)
    save(fitted, path)
    return path, fitted.transform(X)


def members_of(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rewritten(path, members, *, compression=zipfile.ZIP_STORED):
    """Write members with digests of them, as who crafts a file would."""
    members = {name: of for name, of in members.items() if name != "SHA256SUMS"}
    digests = "".join(f"{sha256(of).hexdigest()}  {name}\n" for name, of in members.items())
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, of in {**members, "SHA256SUMS": digests}.items():
            archive.writestr(name, of)


def crafted(saved, path, change):
    """Write the file with a changed manifest."""
    members = members_of(saved[0])
    manifest = json.loads(members["manifest.json"])
    members["manifest.json"] = json.dumps(change(manifest) or manifest).encode()
    rewritten(path, members)


def named(path, loader, **more):
    """Give what the schema of skops has for something with a name."""
    module, _, name = path.rpartition(".")
    return {"__module__": module, "__class__": name, "__loader__": loader, **more}


def crafted_by_skops(path, attribute, node, **files):
    """Write a Pipeline whose scaler has an attribute more, by the schema of skops."""
    save(make_pipeline(StandardScaler(), small()).fit(X), path)
    members = members_of(path)
    inner = members_of(BytesIO(members["0.skops"]))
    schema = json.loads(inner["schema.json"])
    schema["content"]["content"][attribute] = node
    schema["content"]["key_types"]["content"].append(named("builtins.str", "TypeNode"))
    inner |= files | {"schema.json": json.dumps(schema).encode()}
    file = BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, of in inner.items():
            archive.writestr(name, of)
    members["0.skops"] = file.getvalue()
    rewritten(path, members)


def bytes_of_array(array):
    file = BytesIO()
    np.save(file, array)
    return file.getvalue()


def of_dict(**items):
    types = [named("builtins.str", "TypeNode")] * len(items)
    return named(
        "builtins.dict",
        "DictNode",
        content=items,
        key_types=named("builtins.list", "ListNode", content=types),
    )


ZEROS = bytes_of_array(np.zeros(100_000))
OF_ZEROS = named("numpy.ndarray", "NdArrayNode", type="numpy", file="zeros.npy")
ONE_DIM = named("builtins.tuple", "TupleNode", content=[named("int", "JsonNode", content="1")])
TWO_DIMS = {**ONE_DIM, "content": 2 * ONE_DIM["content"]}
OF_ADDRESS = named("builtins.dict", "DictNode", content={"data": [4096, False]})
COMPRESSED = BytesIO()
np.savez_compressed(COMPRESSED, data=np.zeros(10**7))


@pytest.mark.parametrize(
    ("node", "match"),
    [
        *(
            (named(path, loader, content=[]), rf"{path} would be called, by {loader}")
            for path, loaders in {
                "numpy.mean": ("ConstructorFromReduceNode", "ListNode", "SetNode", "TypeNode"),
                "numpy.dtype": ("TypeNode", "ObjectNode"),
                "sklearn.gaussian_process.kernels.RBF": ("ConstructorFromReduceNode", "DictNode"),
                "sklearn.decomposition._pca.PCA": ("ConstructorFromReduceNode",),
            }.items()
            for loader in loaders
        ),
        (named("os.system", "FunctionNode"), r"trusted=\['os.system'\]"),
        (
            named("sklearn.cluster._kmeans._kmeans_single_lloyd", "FunctionNode"),
            "trusted=",
        ),
        ({"__id__": 1}, "names again"),
        ([OF_ZEROS] * 100, "more than 10 times its size"),
        (
            named("scipy.sparse._csr.csr_matrix", "SparseMatrixNode", file="zeros.npz"),
            "more than 10 times its size",
        ),
        *(
            (
                named("numpy.ndarray", "NdArrayNode", type="json", shape=TWO_DIMS, content=items),
                "numpy.ndarray is not what any saved estimator has",
            )
            for items in (
                [OF_ZEROS],
                [named("builtins.list", "JsonNode", content="[0, 0]")],
                2 * [named("builtins.int", "JsonNode", content="0", __id__=7)],
            )
        ),
        *(
            (
                {**OF_ZEROS, "__class__": name},
                rf"numpy\.{name} is made of an array of float64 and shape \(100000,\)",
            )
            for name in ("bytes_", "float64", "void")
        ),
        (
            named(
                "builtins.dict",
                "DictNode",
                content={"3": OF_ZEROS},
                key_types=named(
                    "builtins.list", "ListNode", content=[named("numpy.divide", "FunctionNode")]
                ),
            ),
            "builtins.dict is not what any saved estimator has",
        ),
        (
            [
                named("numpy.mean", "FunctionNode", __id__=7),
                named("builtins.str", "TypeNode", __id__=7),
            ],
            "builtins.str would take the place of something else",
        ),
        *(
            (
                named(
                    "numpy.random.mtrand.RandomState",
                    "RandomStateNode",
                    content=of_dict(state=of_dict(pos=named("int", "JsonNode", content=place))),
                ),
                "RandomState is not what any saved estimator has",
            )
            for place in ("-1", "625", "0.5")
        ),
        (
            named(
                "sklearn.preprocessing._data.StandardScaler",
                "ObjectNode",
                content=named("builtins.dict", "JsonNode", content='{"__array_interface__": 1}'),
            ),
            "StandardScaler is not what any saved estimator has",
        ),
        (
            named(
                "sklearn.preprocessing._data.StandardScaler",
                "ObjectNode",
                content=of_dict(__array_interface__=OF_ADDRESS),
            ),
            "an attribute __array_interface__",
        ),
    ],
    ids=str,
)
def test_what_skops_would_do_more_than_read_is_refused(path, node, match):
    crafted_by_skops(path, "more", node, **{"zeros.npy": ZEROS, "zeros.npz": COMPRESSED.getvalue()})
    with pytest.raises(LoadError, match=match):
        load(path)


def test_what_skops_reads_is_taken_when_nothing_is_wrong(path):
    """Or the errors above might be of something else."""
    crafted_by_skops(path, "more", named("numpy.mean", "FunctionNode"))
    assert load(path)[0].more is np.mean
    crafted_by_skops(path, "more", OF_ZEROS, **{"zeros.npy": ZEROS})
    assert_array_equal(load(path)[0].more, np.zeros(100_000))
    of_objects = named("numpy.ndarray", "NdArrayNode", type="json", shape=ONE_DIM)
    crafted_by_skops(path, "more", of_objects | {"content": [OF_ZEROS]}, **{"zeros.npy": ZEROS})
    assert_array_equal(load(path)[0].more[0], np.zeros(100_000))


def test_a_file_that_is_cut_off_is_refused(saved, path):
    content = saved[0].read_bytes()
    for length in np.linspace(0, len(content) - 1, 40).astype(int):
        path.write_bytes(content[:length])
        with pytest.raises(LoadError, match="damaged"):
            load(path)


def test_a_member_that_is_not_what_the_digests_are_of_is_refused(saved, path):
    """A zip archive has check sums of its own, which are right here."""
    members = members_of(saved[0])
    members["manifest.json"] += b" "
    with zipfile.ZipFile(path, "w") as archive:
        for name, of in members.items():
            archive.writestr(name, of)
    with pytest.raises(LoadError, match=r"manifest\.json is damaged: its digest is another"):
        load(path)


def test_a_flipped_bit_is_refused_or_changes_nothing(saved, path):
    content, rng, n_refused = saved[0].read_bytes(), np.random.RandomState(0), 0
    for place in rng.randint(len(content), size=300):
        damaged = bytearray(content)
        damaged[place] ^= 1 << rng.randint(8)
        path.write_bytes(damaged)
        try:
            loaded = load(path)
        except LoadError:
            n_refused += 1
        else:
            assert_array_equal(loaded.transform(X), saved[1])
    assert n_refused > 200


@pytest.mark.parametrize("name", ["/etc/model", "../model", "a\\b", "C:model"])
def test_members_beyond_the_file_are_refused(saved, path, name):
    rewritten(path, {**members_of(saved[0]), name: b"x"})
    with pytest.raises(LoadError, match="outside of the file"):
        load(path)


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
def test_bombs_are_refused_before_they_are_read(saved, path, compression):
    rewritten(path, {**members_of(saved[0]), "0.skops": bytes(10**7)}, compression=compression)
    assert path.stat().st_size < 10**6
    with pytest.raises(LoadError, match="is compressed"):
        load(path)


def test_a_bomb_within_what_skops_wrote_is_refused(saved, path):
    members = members_of(saved[0])
    (name,) = [name for name in members if name.endswith(".skops")]
    inner = path.with_name("inner")
    inner.write_bytes(members[name])
    within = members_of(inner)
    rewritten(inner, {**within, "bomb.npy": bytes(10**7)}, compression=zipfile.ZIP_DEFLATED)
    rewritten(path, {**members, name: inner.read_bytes()})
    with pytest.raises(LoadError, match="is compressed"):
        load(path)


def test_members_that_are_missing_doubled_or_strange_are_refused(saved, path):
    members = members_of(saved[0])
    for name in members:
        kept = {other: of for other, of in members.items() if other != name}
        with zipfile.ZipFile(path, "w") as archive:
            for other, of in kept.items():
                archive.writestr(other, of)
        with pytest.raises(LoadError, match=r"SHA256SUMS|it holds|lacks"):
            load(path)
    rewritten(path, {**members, "more.bin": b""})
    with pytest.raises(LoadError, match="it holds"):
        load(path)
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("manifest.json", members["manifest.json"])
    with pytest.raises(LoadError, match="twice"):
        load(path)


@pytest.mark.parametrize("path", ["this.KFold", "sklearn_evil.model_selection.KFold"])
def test_no_module_is_imported_for_the_name_of_a_class_that_is_none(path):
    assert plain_class(path) is None
    assert path.split(".")[0] not in sys.modules


def test_all_but_what_and_where_goes_by_name(path):
    with pytest.raises(TypeError, match="positional"):
        save(small(), path, True)
    save(estimator=small(), path=path)
    with pytest.raises(TypeError, match="positional"):
        load(path, ["sklearn.tree.DecisionTreeClassifier"])


def test_a_later_format_is_refused(saved, path):
    crafted(saved, path, lambda manifest: {**manifest, "format": 2})
    with pytest.raises(LoadError, match="of format 2, which a later sklearn_ae wrote"):
        load(path)


@pytest.mark.parametrize(
    "manifest", [b"", b"{", b"[]", b'{"format": NaN}', b'{"format": "1"}', b"[" * 10**5, b"\xff"]
)
def test_a_manifest_that_is_none_is_refused(saved, path, manifest):
    rewritten(path, {**members_of(saved[0]), "manifest.json": manifest})
    with pytest.raises(LoadError, match=r"manifest\.json"):
        load(path)


def estimator_of(name):
    return {"estimator": [name, [], [], None]}


@pytest.mark.parametrize(
    ("tree", "match"),
    [
        (estimator_of("os.system"), r"trusted=\['os.system'\]"),
        (estimator_of("builtins.eval"), "builtins.eval: no class"),
        (estimator_of("sklearn_ae.nowhere.Thing"), r"trusted=\['sklearn_ae.nowhere.Thing'\]"),
        (estimator_of("sklearn_ae._archive.write"), "no class of sklearn_ae"),
        (estimator_of("sklearn_ae.nn.Autoencoder"), "no class of sklearn_ae"),
        (estimator_of("sklearn.utils._testing.SkipTest"), "no class of sklearn_ae"),
        (estimator_of("sklearn.externals.joblib.Memory"), "no class of sklearn_ae"),
        (estimator_of("sklearn_ae"), "no class of sklearn_ae"),
        (estimator_of(""), "no class of sklearn_ae"),
        ({"metric": "os.system"}, "no function of sklearn.metrics"),
        ({"metric": "sklearn.base.clone"}, "no function of sklearn.metrics"),
        ({"metric": "sklearn.metrics.nothing"}, "no function of sklearn.metrics"),
        ({"metric": "sklearn.metrics.RocCurveDisplay"}, "no function of sklearn.metrics"),
        ({"requesting": [estimator_of("os.system"), {"dict": []}]}, "describes nothing"),
        ({"requesting": [{"skops": "9.skops"}, {"dict": []}]}, "there is no '9.skops'"),
        ({"masked": [estimator_of("sklearn_ae.LatentDensity"), None]}, "describes nothing"),
        (
            {"masked": [{"objects": ["|O", [0], []]}, estimator_of("sklearn_ae.LatentDensity")]},
            "describes nothing",
        ),
        ({"neighbors": [[], estimator_of("sklearn_ae.LatentDensity")]}, "is no array of floats"),
        (
            {"neighbors": [[["metric", {"metric": "sklearn.metrics.f1_score"}]], None]},
            "other parameters than numbers",
        ),
        ({"objects": ["<U90000", [1000], ["a" * 90_000] + 999 * [""]]}, "more than there may be"),
        ({"bunch": [["__array_interface__", 1]]}, "no name that an attribute may have"),
        (
            {"estimator": ["sklearn_ae.LatentDensity", [], [["__array__", 1]], None]},
            "'__array__' is no name that an attribute may have",
        ),
        *(
            (
                {"plain": ["sklearn.metrics._scorer._Scorer", [["_response_method", asked]]]},
                "would ask for",
            )
            for asked in ("fit", ["predict", "fit"], {"tuple": ["fit"]}, {"dict": []}, 1)
        ),
        ({"record": ["pathlib.Path", []]}, "no record of sklearn_ae"),
        ({"record": ["sklearn_ae._persistence.load", []]}, "no record of sklearn_ae"),
        ({"class": "os.system"}, "no class that a parameter may be"),
        ({"class": "torch.nn.utils"}, "no class that a parameter may be"),
        ({"own": "os.system"}, "is your own code"),
        ({"skops": "9.skops"}, "there is no '9.skops'"),
        ({"tensor": ["99", "float32", [1]]}, "there is no tensor '99'"),
        ({"pickle": "gASVAAAA"}, "describes nothing that is known"),
        ({"objects": ["<f8", [1], [1.0]]}, "an array of <f8"),
        ({"objects": ["|O", [3], [1.0]]}, "has 1 entries"),
        ({"dict": [[1]]}, "other items than names and values"),
        ({"float": "1e999"}, "describes nothing that is known"),
        ({"net": [None, None]}, "a net has no specification"),
        ({"tuple": [1, 2]}, "no estimator, but a tuple"),
        ({"estimator": ["sklearn_ae.LatentDensity", [["none", 1]], [], None]}, "put together"),
    ],
    ids=lambda value: None if isinstance(value, dict) else value,
)
def test_a_tree_that_is_not_sound_is_refused(saved, path, tree, match):
    crafted(saved, path, lambda manifest: {**manifest, "estimator": tree})
    with pytest.raises(LoadError, match=match):
        load(path)


KINDS = {
    "list of one": {"tuple": [None]},
    "dict": {"dict": [["a", {"record": ["subprocess.Popen", [["args", ["true"]]]]}]]},
    "net": {"net": [None, None]},
    "record": {"record": ["subprocess.Popen", []]},
    "own": {"own": "os.system"},
    "path": {"path": "/"},
    "estimator": estimator_of("sklearn_ae.LatentDensity"),
}


@pytest.mark.parametrize("pair", list(permutations(KINDS, 2)), ids="-".join)
def test_a_node_that_could_be_two_things_is_refused(saved, path, pair, monkeypatch):
    """What is looked at as one must not be built as the other."""
    monkeypatch.setattr(subprocess, "Popen", None)
    tree = {**KINDS[pair[0]], **KINDS[pair[1]]}
    crafted(saved, path, lambda manifest: {**manifest, "estimator": tree})
    with pytest.raises(LoadError, match="describes nothing that is known"):
        load(path)


def test_optimizers_of_other_shapes_are_refused(path):
    """Fused ones read as far as the parameters go, beyond what they have."""
    save(small().partial_fit(X), path, optimizer_state=True)
    members = members_of(path)
    text = members["manifest.json"].decode()
    step = re.search(r'"step",\s+({[^}]*})', text)[1]
    changed = re.sub(r'("exp_avg",\s+){[^}]*}', lambda found: found[1] + step, text)
    assert changed != text
    rewritten(path, {**members, "manifest.json": changed.encode()})
    with pytest.raises(LoadError, match="exp_avg of the optimizer is not of shape"):
        load(path)


def test_a_random_state_beyond_its_numbers_is_refused(path):
    save(small(random_state=np.random.RandomState(0)), path)
    members = members_of(path)
    text = members["manifest.json"].decode()
    changed = re.sub(r'"pos",\s+624', '"pos", 500000000', text)
    assert changed != text
    rewritten(path, {**members, "manifest.json": changed.encode()})
    with pytest.raises(LoadError, match="at 500000000 of 624"):
        load(path)


@pytest.mark.parametrize(
    ("value", "match"),
    [
        ({"objects": ["<U300000000", [1], ["a"]]}, "entries of 1 letters"),
        ([{"array": {"tensor": ["0", "float64", [64]]}}] * 4000, "named again and again"),
    ],
    ids=["letters", "arrays"],
)
def test_what_a_small_file_would_blow_up_is_refused(saved, path, value, match):
    def append(manifest):
        manifest["estimator"]["estimator"][2].append(["more_", value])

    crafted(saved, path, append)
    with pytest.raises(LoadError, match=match):
        load(path)


def with_parameter(path, **parameters):
    """Let the network of a file have other parameters than it was fitted with."""
    members = members_of(path)
    manifest = json.loads(members["manifest.json"])
    described = dict(manifest["estimator"]["estimator"][2])["net_"]["net"][0]["record"][1]
    of_network = dict(described)["parameters"]["dict"]
    for item in of_network:
        item[1] = parameters.get(item[0], item[1])
    for item in described:
        item[1] = parameters.get(item[0], item[1])
    rewritten(path, {**members, "manifest.json": json.dumps(manifest).encode()})


@pytest.mark.parametrize(
    ("parameters", "match"),
    [
        ({"hidden_layer_sizes": {"tuple": [1] * 40_000}}, "has 40000 layers"),
        ({"hidden_layer_sizes": {"tuple": [8]}}, "where the parameters ask for"),
        ({"decoder": {"class": "torch.nn.Bilinear"}}, "can't be put together"),
        ({"encoding_dim": 10**7}, "target_head.weight are not of shape"),
        ({"estimator_class": {"class": "torch.nn.Linear"}}, "which builds none"),
    ],
    ids=["layers", "narrower", "decoder", "head", "class"],
)
def test_networks_beyond_the_file_are_refused(path, parameters, match):
    save(small(target_weight=1.0).fit(X, Y), path)
    with_parameter(path, **parameters)
    with pytest.raises(LoadError, match=match):
        load(path)


def encoder_that_looks_at_its_weights(in_features, out_features):
    layer = nn.Linear(in_features, out_features)
    layer.weight.detach().sum().item()  # of which there are none where no memory is taken
    return layer


def test_layers_of_torch_beside_such_of_the_user_are_held_against_the_weights(path):
    encoder = encoder_that_looks_at_its_weights
    own = {f"{encoder.__module__}.{encoder.__name__}": encoder}
    fitted = small(encoder=encoder, decoder=nn.Linear).fit(X)
    assert_array_equal(through(path, fitted, own=own).transform(X), fitted.transform(X))
    with_parameter(path, encoding_dim=10**9)
    with pytest.raises(LoadError, match="decoder=Linear has 64000000064 weights"):
        load(path, own=own)


def test_nothing_is_built_of_a_tree_whose_end_is_not_sound(saved, path, monkeypatch):
    def append(manifest):
        manifest["estimator"]["estimator"][2].append(["more_", estimator_of("os.system")])

    crafted(saved, path, append)
    built = []
    monkeypatch.setattr(
        "sklearn_ae._rebuilding._Builder.build", lambda self, node: built.append(node)
    )
    with pytest.raises(LoadError, match=r"os\.system"):
        load(path)
    assert not built


def test_weights_of_other_shapes_and_dtypes_are_refused(path):
    save(small().fit(X), path)
    members = members_of(path)
    tensors = tensors_of(members["tensors.safetensors"])
    name = next(name for name, of in tensors.items() if of.shape == (16, 64))
    for changed, match in (
        (tensors[name].double(), "is float64 of shape"),
        (tensors[name][:, :3].contiguous(), r"of shape \[16, 3\] where float32 of shape"),
    ):
        of_changed = bytes_of({**tensors, name: changed})
        rewritten(path, {**members, "tensors.safetensors": of_changed})
        with pytest.raises(LoadError, match=match):
            load(path)
    rewritten(path, {**members, "tensors.safetensors": b"\x00" * 100})
    with pytest.raises(LoadError, match=r"tensors\.safetensors is damaged"):
        load(path)


@pytest.mark.parametrize("name", ["n_features", "encoding_dim"])
def test_layers_that_would_fill_the_memory_are_refused(saved, path, name):
    """The file is small, and asks for a network of a trillion weights."""

    def enlarge(manifest):
        text = json.dumps(manifest)
        value = {"n_features": 64, "encoding_dim": 2}[name]
        assert f'["{name}", {value}]' in text
        return json.loads(text.replace(f'["{name}", {value}]', f'["{name}", {10**9}]'))

    crafted(saved, path, enlarge)
    with pytest.raises(LoadError, match="where the parameters ask for"):
        load(path)


def test_names_that_are_no_collection_are_refused(saved):
    with pytest.raises(TypeError, match="trusted='one': it is a collection"):
        load(saved[0], trusted="one")


def test_a_file_that_is_not_there_is_said_so(path):
    with pytest.raises(FileNotFoundError):
        load(path)


# What never breaks


@pytest.mark.parametrize("function", ["os.replace", "os.fsync", "zipfile.ZipFile.writestr"])
def test_a_save_that_fails_leaves_the_old_file(path, monkeypatch, function):
    save(small(random_state=0).fit(X), path)
    before = path.read_bytes()

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(function, full)
        with pytest.raises(OSError, match="No space left"):
            save(small(random_state=1).fit(X), path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_threads_that_save_to_one_place_leave_a_whole_file(path):
    models = [small(random_state=seed).fit(X) for seed in range(4)]

    def save_often(model):
        for _ in range(10):
            save(model, path)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(save_often, models))
    assert load(path).random_state in range(4)
    assert list(path.parent.iterdir()) == [path]


def test_a_name_of_any_length_that_a_file_may_have_is_taken(tmp_path):
    path = tmp_path / ("ü" * 125 + ".skae")
    save(small(), path)
    assert load(path).encoding_dim == 4


@pytest.mark.skipif(os.name != "posix", reason="there are no such permissions")
def test_who_may_read_the_old_file_may_read_the_new_one(path):
    save(small(), path)
    path.chmod(0o600)
    save(small(), path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.skipif(os.name != "posix", reason="links need a right of their own")
@pytest.mark.parametrize("is_there", [True, False])
def test_a_link_stays_one_to_the_new_file(path, tmp_path, is_there):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    if is_there:
        save(small(2), elsewhere / "model.skae")
    path.symlink_to(elsewhere / "model.skae")
    save(small(3), path)
    assert path.is_symlink()
    assert load(elsewhere / "model.skae").encoding_dim == 3


def test_what_was_left_of_a_process_that_was_killed_goes_after_a_day(path):
    save(small(), path)
    names = [f".{path.name}.{n:016x}.part" for n in range(3)] + [f".{path.name}.mine.part"]
    for name, hours in zip(names, (0, 23, 25, 25), strict=True):
        (path.parent / name).write_bytes(b"PK")
        os.utime(path.parent / name, (time.time() - 3_600 * hours,) * 2)
    save(small(), path)
    left = {each.name for each in path.parent.iterdir()}
    assert left == {path.name, *names} - {names[2]}


SAVE_FOR_EVER = """
import sys
from sklearn.datasets import load_digits
from sklearn_ae import AutoencoderTransformer, load, save

X = load_digits().data[:100]
model = AutoencoderTransformer(
    4, hidden_layer_sizes=(300,), max_epochs=1, tol=1, early_stopping=False, random_state=0
).fit(X)
print("go", flush=True)
while True:
    save(model, sys.argv[1])
"""


@pytest.mark.skipif(os.name != "posix", reason="there is no SIGKILL")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_process_that_is_killed_while_it_saves_leaves_a_whole_file(path):
    old = small(random_state=0).fit(X)
    save(old, path)
    rng = np.random.RandomState(0)
    for _ in range(3):
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", SAVE_FOR_EVER, path],
            stdout=subprocess.PIPE,
            text=True,
        )
        with process:
            assert process.stdout.readline() == "go\n"
            time.sleep(rng.uniform(0, 0.05))
            process.send_signal(signal.SIGKILL)
        assert load(path).hidden_layer_sizes in ((16,), (300,))


# Files of version 1, which load for ever

FIXTURES = Path(__file__).parent / "saved" / "format_1"


@pytest.mark.parametrize("file", sorted(FIXTURES.glob("*.skae")), ids=lambda file: file.stem)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.InconsistentVersionWarning")
def test_files_of_the_first_format_load(file):
    expected = np.load(FIXTURES / "expected.npz")
    loaded = load(file)
    method = "score_samples" if hasattr(loaded, "score_samples") else "transform"
    found = getattr(loaded, method)(expected["X_gaps" if file.stem == "imputer" else "X"])
    np.testing.assert_allclose(found, expected[file.stem], rtol=1e-3, atol=1e-4)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.InconsistentVersionWarning")
def test_there_are_such_files_of_each_estimator():
    names = {type(load(file)).__name__ for file in FIXTURES.glob("*.skae")}
    public = [getattr(sklearn_ae, name) for name in sklearn_ae.__all__]
    assert names >= {each.__name__ for each in public if isinstance(each, type)}
