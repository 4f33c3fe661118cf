"""Graphs of ONNX do what the estimators do, in onnxruntime, and alone or in a Pipeline."""

import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnx
import pandas as pd
import pytest
import skl2onnx
import torch
from _testing import AUTOENCODERS, SMALL, having, small, with_parameters
from numpy.testing import assert_allclose, assert_array_equal
from onnxruntime import InferenceSession
from skl2onnx.common import data_types as types
from sklearn.base import BaseEstimator, clone
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_digits, load_wine
from sklearn.decomposition import PCA
from sklearn.ensemble import StackingClassifier
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.mixture import BayesianGaussianMixture, GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from torch import nn

import sklearn_ae
from sklearn_ae import (
    AutoencoderImputer,
    AutoencoderOutlierDetector,
    AutoencoderTransformer,
    LatentDensity,
    register_onnx_converters,
    to_onnx,
)
from sklearn_ae._onnx import _IN_FLOAT32
from sklearn_ae.nn import ACTIVATIONS

DIGITS, LABELS = load_digits(return_X_y=True)
X = DIGITS[:200].astype(np.float32)
NEW = DIGITS[300:400].astype(np.float32)
Y = LABELS[:200]
GAPS = np.where(np.random.RandomState(0).uniform(size=X.shape) < 0.1, np.nan, X)

METHODS = ("transform", "inverse_transform", "reconstruct", "score_samples", "decision_function")
ESTIMATORS = [
    public
    for public in (getattr(sklearn_ae, name) for name in sklearn_ae.__all__)
    if isinstance(public, type) and issubclass(public, BaseEstimator)
]
FITTED = {}
FLOAT, DOUBLE = "tensor(float)", "tensor(double)"


def fitted(Estimator):
    """Give one of each kind, fitted once."""
    if Estimator not in FITTED:
        estimator = Estimator(**having(Estimator, SMALL)) if Estimator in AUTOENCODERS else None
        estimator = estimator or Estimator(small())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            FITTED[Estimator] = estimator.fit(rows_for(Estimator))
    return FITTED[Estimator]


def rows_for(Estimator):
    return GAPS[:60] if Estimator is AutoencoderImputer else X  # of which it makes few factors


def run(model, rows, name="X"):
    """Give what a graph makes of rows."""
    onnx.checker.check_model(model, full_check=True)
    session = InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    given = rows if isinstance(rows, dict) else {name: rows}
    return session.run(None, given)


def assert_same(found, expected):
    """Compare numbers to 1e-5 of themselves, or of the greatest where they cancelled out."""
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("Estimator", ESTIMATORS, ids=lambda public: public.__name__)
def test_each_method_is_a_graph_for_any_number_of_rows(Estimator, method):
    estimator = fitted(Estimator)
    if not hasattr(estimator, method):
        with pytest.raises(ValueError, match=rf"method='{method}': of {Estimator.__name__}"):
            to_onnx(estimator, method)
        return
    rows = np.concatenate([rows_for(Estimator)[:5], NEW])
    if method == "inverse_transform":
        rows = estimator.transform(rows)

    model = to_onnx(estimator, method)

    for n_rows in (1, 2, 105):
        (found,) = run(model, rows[:n_rows])
        assert_same(found, getattr(estimator, method)(rows[:n_rows]))
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", 20)]


def test_without_a_method_it_is_what_the_estimator_is_for():
    autoencoder, density = fitted(AutoencoderTransformer), fitted(LatentDensity)
    assert_same(run(to_onnx(autoencoder), NEW)[0], autoencoder.transform(NEW))
    assert_same(run(to_onnx(density), NEW)[0], density.score_samples(NEW))
    detector = fitted(AutoencoderOutlierDetector)
    for method in (None, "predict"):
        labels, scores = run(to_onnx(detector, method), NEW)
        assert_array_equal(labels, detector.predict(NEW))
        assert_same(scores, detector.decision_function(NEW))


def test_scores_of_rows_that_are_rebuilt_nearly_exactly_are_those_of_the_estimator():
    """Features of other sizes: of the great ones nothing is left but what float32 rounds."""
    rows = (load_wine().data * 10.0 ** np.arange(-6, 7)).astype(np.float32)
    autoencoder = small(12).fit(rows[::2])
    found = run(to_onnx(autoencoder, "score_samples"), rows[1::2])[0]
    expected = autoencoder.score_samples(rows[1::2])
    assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


# What one thread filters another takes back: Python has one list for all of them.
@pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated:FutureWarning")
def test_threads_convert_one_after_the_other():
    autoencoder = fitted(AutoencoderTransformer)
    with ThreadPoolExecutor(4) as pool:
        models = list(pool.map(to_onnx, [autoencoder] * 4))
    for model in models:
        assert_same(run(model, NEW)[0], autoencoder.transform(NEW))


@pytest.mark.parametrize(("kind", "dtype"), [("Int64", np.int64), ("UInt8", np.uint8)])
def test_integers_keep_their_digits(kind, dtype):
    offset = 1_700_000_000 if kind == "Int64" else 0
    rows = (offset + DIGITS[:200]).astype(dtype)
    autoencoder = small().fit(rows)
    column = getattr(types, f"{kind}TensorType")([None, 64])
    (found,) = run(to_onnx(autoencoder, "reconstruct", initial_types=[("X", column)]), rows)
    assert_same(found, autoencoder.reconstruct(rows))


# What changes the graph


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_each_activation_is_exported_in_float64_too(activation):
    autoencoder = small(activation=activation, precision="float64", max_epochs=2).fit(X)
    assert_same(run(to_onnx(autoencoder, "reconstruct"), NEW)[0], autoencoder.reconstruct(NEW))


@pytest.mark.parametrize("Estimator", AUTOENCODERS, ids=lambda public: public.__name__)
@pytest.mark.parametrize(
    "parameters",
    [
        {"precision": "float64", "image_shape": (8, 8)},
        {"loss": "huber", "scaling": "standard"},
        {"loss": "poisson", "output_activation": "softplus"},
        {"loss": "binary_cross_entropy", "output_activation": "sigmoid", "scaling": "range"},
        {"loss": lambda output, target: (output - target).abs() ** 1.5},
        {"likelihood": "laplace"},
        {"likelihood": "bernoulli", "scaling": "range", "precision": "float64"},
        {"tied_weights": True, "precision": "bfloat16", "target_weight": 1.0},
        {"linear_shortcut": False, "scaling": None},
        {"encoder": nn.Linear, "decoder": nn.Linear},
        {"loss": lambda output, target: torch.log(torch.cosh(output - target))},
    ],
    ids=lambda parameters: "-".join(parameters),  # of which two may be alike
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore:precision='bfloat16'")
def test_parameters_that_change_the_graph_are_in_it(Estimator, parameters):
    estimator = with_parameters(Estimator(**having(Estimator, SMALL)), **parameters)
    estimator.fit(X, Y)
    # Encoder and decoder are part of it.
    assert_same(run(to_onnx(estimator, "score_samples"), NEW)[0], estimator.score_samples(NEW))


def test_layers_of_the_user_that_know_training_from_use_are_in_use():
    def encoder(in_features, out_features):
        return nn.Sequential(
            nn.Linear(in_features, 16), nn.BatchNorm1d(16), nn.Dropout(0.5), nn.Linear(16, 4)
        )

    autoencoder = small(encoder=encoder).fit(X)
    assert_same(run(to_onnx(autoencoder), NEW)[0], autoencoder.transform(NEW))
    assert not any(module.training for module in autoencoder.net_.module_.modules())


def test_rows_far_out_have_the_scores_that_the_estimator_gives():
    autoencoder, detector = fitted(AutoencoderTransformer), fitted(AutoencoderOutlierDetector)
    far = np.float32([[1e3], [1e10], [-1e15]]) * NEW[:3]
    for estimator in (autoencoder, detector):
        found = run(to_onnx(estimator, "score_samples"), far)[0]
        assert_allclose(found, estimator.score_samples(far), rtol=1e-5)


def test_numbers_with_a_large_offset_keep_their_digits():
    """Seconds since 1970, in float64: float32 has two minutes between neighbours."""
    times = 1.7e9 + 3600 * DIGITS[:200]
    autoencoder = small(precision="float64").fit(times)
    model = to_onnx(autoencoder, initial_types=[("X", types.DoubleTensorType([None, 64]))])
    assert_same(run(model, times)[0], autoencoder.transform(times))


@pytest.mark.parametrize(
    ("parameters", "missing"),
    [
        ({"keep_empty_features": True, "add_indicator": True}, np.nan),
        ({"missing_values": -1}, -1),
    ],
)
@pytest.mark.filterwarnings("ignore:keep_empty_features=False")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_what_an_imputer_is_asked_for_is_in_the_graph(parameters, missing):
    rows = np.where(np.isnan(GAPS[:60]), missing, GAPS[:60]).astype(np.float32)
    rows[:, [3, 60]] = missing  # nothing is known of two
    imputer = AutoencoderImputer(small(max_epochs=1), random_state=0, **parameters).fit(rows)
    rows[0] = missing
    rows[1:3, 3] = 7.0

    (found,) = run(to_onnx(imputer), rows)

    expected = imputer.transform(rows)
    assert_same(found, expected)
    known = (rows != missing) & ~np.isnan(rows)
    if imputer.keep_empty_features:
        assert_array_equal(found[:, :64][known], rows[known])


def test_the_autoencoders_of_its_own_are_told_what_is_missing():
    rows = GAPS[:60, 16:24]
    imputer = AutoencoderImputer(random_state=0).fit(rows)
    assert 0 < imputer.shrinkage_ < 1  # else it would not show
    assert_same(run(to_onnx(imputer), rows)[0], imputer.transform(rows))


@pytest.mark.parametrize(
    "parameters", [{}, {"novelty": True}, {"n_neighbors": 0}, {"n_neighbors": 1}], ids=str
)
def test_what_a_detector_is_asked_for_is_in_the_graph(parameters):
    detector = AutoencoderOutlierDetector(random_state=0, **parameters).fit(X)
    rows = np.concatenate([X, NEW])
    labels, scores = run(to_onnx(detector), rows)
    assert_array_equal(labels, detector.predict(rows))
    assert_same(scores, detector.decision_function(rows))


def test_a_density_of_any_model_that_skl2onnx_converts():
    for estimator in (small(), PCA(4), FrozenEstimator(fitted(AutoencoderTransformer))):
        mixture = BayesianGaussianMixture(n_components=2, random_state=0)
        density = LatentDensity(estimator, density=mixture).fit(X)
        assert_same(run(to_onnx(density), NEW)[0], density.score_samples(NEW))


# In Pipelines


@pytest.mark.parametrize("Estimator", ESTIMATORS, ids=lambda public: public.__name__)
def test_each_is_converted_in_the_middle_and_at_the_end_of_a_pipeline(Estimator):
    pipeline = make_pipeline(StandardScaler(), clone(fitted(Estimator)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        pipeline.fit(rows_for(Estimator))
    rows = np.concatenate([rows_for(Estimator), NEW])
    if not hasattr(pipeline, "transform"):
        found = run(to_onnx(pipeline, "score_samples"), rows)[0]
        assert_same(found, pipeline.score_samples(rows))
        return
    pipeline.steps.append(("ridge", Ridge().fit(pipeline.transform(rows), np.arange(len(rows)))))
    assert_same(run(to_onnx(pipeline), rows)[0][:, 0], pipeline.predict(rows))


def classifier():
    return make_pipeline(StandardScaler(), small(), LogisticRegression(max_iter=1000))


def test_a_pipeline_with_a_classifier_gives_labels_and_probabilities():
    pipeline = classifier().fit(X, Y)
    labels, probabilities = run(to_onnx(pipeline), NEW)
    assert_array_equal(labels, pipeline.predict(NEW))
    assert_allclose(probabilities, pipeline.predict_proba(NEW), rtol=1e-5, atol=1e-5)


def test_a_search_is_its_best_estimator():
    grid = {"autoencodertransformer__encoding_dim": [2, 3]}
    search = GridSearchCV(classifier(), grid, cv=2).fit(X, Y)
    _, probabilities = run(to_onnx(search), NEW)
    assert_allclose(probabilities, search.predict_proba(NEW), rtol=1e-5, atol=1e-5)
    within = make_pipeline(StandardScaler(), GridSearchCV(small(), {"encoding_dim": [2, 3]}, cv=2))
    within.fit(X)
    assert_same(run(to_onnx(within, "transform"), NEW)[0], within.transform(NEW))


def test_what_is_no_classifier_is_as_skl2onnx_has_it():
    pipeline = make_pipeline(StandardScaler(), small(), GaussianMixture(2, random_state=0)).fit(X)
    labels, _ = run(to_onnx(pipeline), NEW)
    assert_array_equal(labels.ravel(), pipeline.predict(NEW))


def test_frozen_ones_are_what_was_frozen():
    frozen = FrozenEstimator(fitted(AutoencoderTransformer))
    pipeline = make_pipeline(FrozenEstimator(StandardScaler().fit(X)), frozen).fit(X)
    assert_same(run(to_onnx(frozen, "score_samples"), NEW)[0], frozen.score_samples(NEW))
    assert_same(run(to_onnx(pipeline), NEW)[0], pipeline.transform(NEW))
    detector = AutoencoderOutlierDetector(frozen, random_state=0).fit(X)
    found = run(to_onnx(detector, "score_samples"), NEW)[0]
    assert_same(found, detector.score_samples(NEW))


def test_several_are_converted_beside_each_other():
    union = FeatureUnion([("scaled", StandardScaler()), ("a", small()), ("b", small(3))]).fit(X)
    assert_same(run(to_onnx(union), NEW)[0], union.transform(NEW).astype(np.float32))


def test_columns_of_a_frame_go_in_by_name():
    frame = pd.DataFrame(X[:, 20:24], columns=list("abcd"))
    frame["kind"] = np.array(["even", "odd"])[Y % 2]
    columns = ColumnTransformer(
        [("numbers", StandardScaler(), list("abcd")), ("kinds", OneHotEncoder(), ["kind"])]
    )
    pipeline = make_pipeline(columns, small(2)).fit(frame)
    kinds = [(name, types.FloatTensorType([None, 1])) for name in "abcd"]
    model = to_onnx(pipeline, initial_types=[*kinds, ("kind", types.StringTensorType([None, 1]))])
    given = {name: frame[[name]].to_numpy() for name in frame}
    given["kind"] = given["kind"].astype(object)
    assert_same(run(model, given)[0], pipeline.transform(frame).astype(np.float32))


def test_several_inputs_are_columns_side_by_side():
    autoencoder = small().fit(X)
    halves = [
        ("left", types.FloatTensorType([None, 24])),
        ("right", types.Int64TensorType([None, 40])),
    ]
    model = to_onnx(autoencoder, initial_types=halves)
    given = {"left": NEW[:, :24], "right": NEW[:, 24:].astype(np.int64)}
    assert_same(run(model, given)[0], autoencoder.transform(NEW.astype(np.float64)))


def test_skl2onnx_converts_by_itself_once_it_knows():
    register_onnx_converters()
    autoencoder = fitted(AutoencoderTransformer)
    for version in (18, 21):
        model = skl2onnx.to_onnx(autoencoder, X[:1], target_opset=version)
        assert_same(run(model, NEW)[0], autoencoder.transform(NEW))
    options = {id(autoencoder): {"method": "score_samples"}}
    model = skl2onnx.to_onnx(autoencoder, X[:1], target_opset=20, options=options)
    assert_same(run(model, NEW)[0], autoencoder.score_samples(NEW))


def test_a_class_of_the_user_is_converted_as_the_one_it_is_derived_from():
    class Mine(AutoencoderTransformer):
        pass

    mine = Mine(**having(AutoencoderTransformer, SMALL)).fit(X)
    assert_same(run(to_onnx(mine), NEW)[0], mine.transform(NEW))


# What is not changed, and what is refused


def test_the_estimator_is_as_it_was():
    autoencoder = small().fit(X)
    before = {name: value.clone() for name, value in autoencoder.net_.module_.state_dict().items()}
    expected, state = autoencoder.transform(NEW), torch.get_rng_state()
    to_onnx(autoencoder, "score_samples")
    after = autoencoder.net_.module_.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert_array_equal(autoencoder.transform(NEW), expected)
    assert torch.equal(torch.get_rng_state(), state)
    assert autoencoder.partial_fit(X).n_iter_ == 4


@pytest.mark.parametrize(
    ("make", "arguments", "error", "says"),
    [
        (lambda: small(), {}, NotFittedError, "not fitted"),
        (lambda: small().fit(X), {"method": "predict"}, ValueError, "there are transform, inv"),
        (lambda: classifier().fit(X, Y), {"method": "transform"}, ValueError, "LogisticRegression"),
        (
            lambda: make_pipeline(StandardScaler(), small()).fit(X),
            {"method": "inverse_transform"},
            ValueError,
            "of Pipeline there are transform, score_samples",
        ),
        *(
            (lambda: small().fit(X), {"target_opset": opset}, ValueError, f"target_opset={opset!r}")
            for opset in (0, 17, 99, 20.5, "20")
        ),
        *(
            (lambda: small().fit(X), {"initial_types": [("X", given)]}, ValueError, says)
            for given, says in (
                (types.FloatTensorType([None, 63]), "63 columns"),
                (types.FloatTensorType([None, None]), "how many columns"),
                (types.FloatTensorType(), "how many columns"),
                (types.StringTensorType([None, 64]), "numbers are needed"),
            )
        ),
        (
            lambda: StackingClassifier([("f", FrozenEstimator(classifier().fit(X, Y)))], cv=2).fit(
                X, Y
            ),
            {},
            ValueError,
            r"(?s)FrozenEstimator\(.*: it can't be converted within",
        ),
        (
            lambda: AutoencoderOutlierDetector(PCA(3)).fit(X),
            {},
            ValueError,
            r"estimator=PCA\(n_components=3\): its transform can't",
        ),
        (
            lambda: AutoencoderImputer(small(), sample_posterior=True).fit(GAPS),
            {},
            ValueError,
            "sample_posterior=True",
        ),
        (
            lambda: LatentDensity(small(), density=KernelDensity()).fit(X),
            {},
            ValueError,
            r"(?s)LatentDensity\(.*can't be converted: .*KernelDensity",
        ),
    ],
)
def test_what_can_not_be_converted_says_so(make, arguments, error, says):
    with pytest.raises(error, match=says):
        to_onnx(make(), **arguments)


def test_what_takes_text_asks_for_types():
    from sklearn.feature_extraction.text import TfidfVectorizer

    words = ["red fox", "blue fox", "red sea", "deep sea", "blue sky", "deep sky"] * 5
    pipeline = make_pipeline(TfidfVectorizer(), small(2)).fit(words)
    with pytest.raises(ValueError, match="initial_types=None"):
        to_onnx(pipeline)


@pytest.mark.parametrize("name", ["skl2onnx", "onnxscript"])
def test_without_a_package_the_error_says_what_to_install(monkeypatch, name):
    monkeypatch.setitem(__import__("sys").modules, name, None)
    for convert in (lambda: to_onnx(fitted(AutoencoderTransformer)), register_onnx_converters):
        with pytest.raises(ImportError, match=r"pip install 'sklearn-ae\[onnx\]'"):
            convert()


def test_operators_are_cast_that_onnxruntime_has_in_float32_alone():
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    dtypes = {}
    for kernel in state.get_all_opkernel_def():
        if kernel.provider == "CPUExecutionProvider" and kernel.domain == "":
            constraints = kernel.type_constraints
            of_first = constraints.get("T") or constraints.get("T1") or ()
            dtypes.setdefault(kernel.op_name, set()).update(map(str, of_first))
    alone = {name for name, of in dtypes.items() if of >= {FLOAT} and DOUBLE not in of}
    of_old = {"Affine", "Crop", "ImageScaler", "ParametricSoftplus", "Scale", "ScaledTanh"}
    without_gradient = {"MaxRoiPool", "MaxUnpool", "Multinomial", "NonZero", "OneHot"}
    assert alone - of_old - without_gradient - {"QuantizeLinear", "RNN"} <= _IN_FLOAT32
    assert _IN_FLOAT32 - alone <= {"Sigmoid", "Celu", "Cos"}  # which older ones had alone
