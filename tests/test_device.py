"""What is fitted on a GPU is what the CPU gives, up to rounding. Needs one."""

import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy

import joblib
import matplotlib.pyplot as plt
import numpy as np
import pytest
import skops.io
import torch
from _testing import NOISES_OF_TABLES, having, small, with_parameters
from numpy.testing import assert_allclose, assert_array_equal
from onnxruntime import InferenceSession
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.mixture import GaussianMixture
from torch import nn

from sklearn_ae import (
    AutoencoderImputer,
    AutoencoderOutlierDetector,
    AutoencoderTransformer,
    LatentDensity,
    interpolate,
    save,
    to_onnx,
)
from sklearn_ae.inspection import (
    LatentDisplay,
    ReconstructionDisplay,
    ReconstructionErrorDisplay,
    TraversalDisplay,
)

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")


@pytest.fixture
def on_both(autoencoder):
    """Give a function that fits an autoencoder on the CPU and on the GPU.

    It is in float64, since Adam takes steps of full length along gradients that are rounding.
    """

    def fit(X, observed=None, y=None, **parameters):
        given = {"y": y} if observed is None else {"observed": observed, "y": y}
        parameters = {"precision": "float64", **parameters}
        on_cpu = clone(with_parameters(autoencoder, **parameters, device="cpu"))
        on_gpu = clone(on_cpu).set_params(device="cuda")
        return on_cpu.fit(X, **given), on_gpu.fit(X, **given)

    return fit


def assert_alike(estimator, on_cpu, X, rtol=1e-6):
    """Compare what two estimators make of rows, and what they tell of their training."""
    for method in ("transform", "reconstruct", "score_samples"):
        expected = getattr(on_cpu, method)(X)
        actual = getattr(estimator, method)(X)
        assert isinstance(actual, np.ndarray)
        assert actual.dtype == expected.dtype
        assert_allclose(actual, expected, rtol=rtol, atol=rtol * np.abs(expected).max())
    assert_allclose(estimator.score(X), on_cpu.score(X), rtol=rtol)
    assert_allclose(estimator.loss_curve_, on_cpu.loss_curve_, rtol=rtol)
    assert estimator.n_iter_ == on_cpu.n_iter_
    assert estimator.shrinkage_ == on_cpu.shrinkage_


def is_on_gpu(estimator):
    tensors = [*estimator.net_.module_.parameters(), *estimator.net_.module_.buffers()]
    return {tensor.device.type for tensor in tensors} == {"cuda"}


@pytest.mark.parametrize(
    "rows",
    [np.float64, np.float32, np.uint8, csr_array],
    ids=["float64", "float32", "uint8", "sparse"],
)
def test_rows_of_each_kind(on_both, digits, rows):
    X = csr_array(digits) if rows is csr_array else digits.astype(rows)

    on_cpu, estimator = on_both(X)

    assert is_on_gpu(estimator)
    assert_alike(estimator, on_cpu, X)


@pytest.mark.parametrize("noise", NOISES_OF_TABLES)
def test_noise_is_drawn_as_on_the_cpu(on_both, digits, noise):
    on_cpu, estimator = on_both(digits, noise=noise)

    assert_alike(estimator, on_cpu, digits)


@pytest.mark.parametrize(
    "parameters",
    [
        {"optimizer": "adam"},
        {"optimizer": "sgd", "lr": 1e-3},
        {"lr_schedule": "one_cycle"},
        {"loss": "poisson", "output_activation": "softplus"},
        {"sparsity_penalty": 1e-2},
        {"contractive_penalty": 1e-2},
        {"tied_weights": True},
        {"trim": 0.1},
        {"linear_shortcut": False},
        {"early_stopping": True},
        {"scaling": "standard"},
    ],
    ids=str,
)
def test_what_may_be_chosen(on_both, digits, parameters):
    on_cpu, estimator = on_both(digits, **parameters)

    assert_alike(estimator, on_cpu, digits)


@pytest.mark.parametrize("kind", ["classes", "labels", "numbers"])
def test_codes_predict(on_both, digits, kind):
    digit = load_digits().target[: len(digits)]
    y = {"classes": digit, "labels": digit[:, None] < [3, 6], "numbers": digits.mean(axis=1)}[kind]

    on_cpu, estimator = on_both(digits, y=y, target_weight=4.0)

    assert estimator.net_.module.target.kind == kind
    assert_alike(estimator, on_cpu, digits)


def test_few_rows_choose_the_same_weights(digits):
    on_cpu, estimator = (
        AutoencoderTransformer(
            8, hidden_layer_sizes=(64,), device=name, precision="float64", random_state=0
        ).fit(digits)
        for name in ("cpu", "cuda")
    )

    assert on_cpu.shrinkage_ > 0
    assert_alike(estimator, on_cpu, digits)


def test_what_is_not_observed_does_not_matter(on_both, digits):
    observed = np.random.default_rng(0).random(digits.shape) < 0.8
    X = np.where(observed, digits, np.nan)

    on_cpu, estimator = on_both(X, observed)

    assert_allclose(
        estimator.reconstruct(X, observed=observed),
        on_cpu.reconstruct(X, observed=observed),
        rtol=1e-6,
        atol=1e-6,
    )
    assert_allclose(estimator.loss_curve_, on_cpu.loss_curve_, rtol=1e-6)


def test_it_goes_on(on_both, digits):
    on_cpu, estimator = on_both(digits)

    for fitted in (on_cpu, estimator):
        fitted.partial_fit(digits)
        fitted.set_params(**having(type(fitted), {"warm_start": True})).fit(digits)

    assert is_on_gpu(estimator)
    assert_alike(estimator, on_cpu, digits)


def test_it_is_repeated_bit_for_bit(autoencoder, digits):
    autoencoder = with_parameters(autoencoder, device="cuda")

    one, other = (clone(autoencoder).fit(digits) for _ in range(2))

    assert_array_equal(one.transform(digits), other.transform(digits))
    assert one.loss_curve_ == other.loss_curve_


def dropout(in_features, out_features):
    """Give layers that draw for themselves while they train."""
    return nn.Sequential(
        nn.Linear(in_features, 16), nn.Dropout(0.5), nn.ReLU(), nn.Linear(16, out_features)
    )


def test_layers_that_draw_are_repeated_and_leave_the_generator_alone(autoencoder, digits):
    autoencoder = with_parameters(autoencoder, encoder=dropout, device="cuda")
    generator = torch.cuda

    one = clone(autoencoder).fit(digits)
    generator.manual_seed(7)
    state = generator.get_rng_state()
    other = clone(autoencoder).fit(digits)

    assert_array_equal(one.transform(digits), other.transform(digits))
    assert torch.equal(generator.get_rng_state(), state)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_less_precision_trains_as_well(on_both, digits, precision):
    on_cpu, estimator = on_both(digits)
    rounded = clone(estimator).set_params(precision=precision).fit(digits)

    assert {weights.dtype for weights in rounded.net_.module_.parameters()} == {torch.float32}
    assert rounded.best_loss_ < 1.02 * on_cpu.best_loss_


@pytest.mark.parametrize("copied", [deepcopy, lambda fitted: pickle.loads(pickle.dumps(fitted))])
def test_a_copy_is_where_it_was_and_goes_on(on_both, digits, copied):
    _, estimator = on_both(digits)

    other = copied(estimator)

    assert is_on_gpu(other)
    assert_array_equal(other.transform(digits), estimator.transform(digits))
    assert_array_equal(
        other.partial_fit(digits).transform(digits),
        estimator.partial_fit(digits).transform(digits),
    )


def test_the_net_takes_rows_of_the_user(on_both, digits):
    on_cpu, estimator = on_both(digits)

    assert_allclose(
        estimator.net_.predict(digits), on_cpu.net_.predict(digits), rtol=1e-6, atol=1e-6
    )
    code = torch.as_tensor(estimator.transform(digits[:5]))
    rebuilt = estimator.decoder_(code.to(estimator.net_.device)).detach().cpu().numpy()
    assert_allclose(rebuilt, estimator.inverse_transform(code.numpy()), rtol=1e-4, atol=1e-4)


def test_an_interrupt_keeps_what_was_trained(autoencoder, digits, fail_at):
    autoencoder = with_parameters(autoencoder, device="cuda")
    fail_at(10)

    with pytest.warns(UserWarning, match="interrupted"):
        autoencoder.fit(digits)

    assert np.isfinite(autoencoder.transform(digits)).all()


LOAD = """
import sys, warnings
import joblib, numpy as np, skops.io, torch
from sklearn_ae import load

assert not torch.cuda.is_available()
warnings.simplefilter("ignore")  # which say that it is on the CPU now
saved, dumped, joblibs, skops_file = sys.argv[1:5]
arrays = np.load(dumped)
by_skops = skops.io.load(skops_file, trusted=skops.io.get_untrusted_types(file=skops_file))
for loaded in (load(saved), joblib.load(joblibs), by_skops):
    assert loaded.net_.device == "cpu"
    for method in ("transform", "score_samples"):
        found, expected = getattr(loaded, method)(arrays["X"]), arrays[method]
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6 * np.abs(expected).max())
    loaded.set_params(device="cpu").partial_fit(arrays["X"])
"""


def test_what_was_fitted_on_one_is_loaded_where_there_is_none(on_both, digits, tmp_path):
    _, estimator = on_both(digits)
    files = [tmp_path / name for name in ("saved.skae", "dumped.npz", "joblib", "skops")]
    save(estimator, files[0])
    methods = ("transform", "score_samples")
    np.savez(files[1], X=digits, **{name: getattr(estimator, name)(digits) for name in methods})
    joblib.dump(estimator, files[2])
    skops.io.dump(estimator, files[3])

    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, "-c", LOAD, *map(str, files)]
    subprocess.run(command, check=True, timeout=300, env=environment)


@pytest.mark.parametrize(
    "parameters", [{"optimizer": "adam"}, {"lr_schedule": "one_cycle"}, {"noise": "masking"}]
)
def test_a_fit_that_was_killed_ends_as_the_whole_one(
    autoencoder, digits, tmp_path, killed_after, parameters
):
    whole = with_parameters(autoencoder, **parameters, device="cuda")
    again = clone(whole).set_params(checkpoint=tmp_path / "training.skae")
    whole.fit(digits)

    killed_after(again, 2, digits)
    again.fit(digits)

    assert is_on_gpu(again)
    assert again.loss_curve_ == whole.loss_curve_
    expected = whole.net_.module_.state_dict()
    for name, weight in again.net_.module_.state_dict().items():
        assert torch.equal(weight, expected[name]), name


@pytest.mark.parametrize(
    "method", ["transform", "inverse_transform", "reconstruct", "score_samples"]
)
def test_graphs_are_those_of_the_cpu(autoencoder, digits, method):
    estimator = with_parameters(autoencoder, device="cuda").fit(digits.astype(np.float32))
    rows = estimator.transform(digits) if method == "inverse_transform" else digits
    rows = rows.astype(np.float32)

    model = to_onnx(estimator, method)

    session = InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"X": rows})
    expected = getattr(estimator, method)(rows)
    assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())
    assert is_on_gpu(estimator)


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
def test_halves_are_exported_and_traced(autoencoder, digits):
    estimator = with_parameters(autoencoder, device="cuda").fit(digits)
    rows = torch.as_tensor(digits[:20], dtype=torch.float32, device="cuda")
    code = estimator.encoder_(rows).detach()
    for half, given in ((estimator.encoder_, rows), (estimator.decoder_, code)):
        expected = half(given)
        for made in (torch.export.export(half, (given,)).module(), torch.jit.trace(half, given)):
            torch.testing.assert_close(made(given), expected)


def with_gaps(X):
    return np.where(np.random.default_rng(0).random(X.shape) < 0.1, np.nan, X)


@pytest.mark.parametrize(
    ("estimator", "method"),
    [
        (AutoencoderOutlierDetector(random_state=0), "score_samples"),
        (AutoencoderImputer(random_state=0), "transform"),
        (LatentDensity(None, density=GaussianMixture(3, random_state=0)), "score_samples"),
    ],
    ids=lambda each: type(each).__name__,
)
def test_what_is_made_of_autoencoders_takes_those_of_a_gpu(digits, estimator, method):
    X = with_gaps(digits) if isinstance(estimator, AutoencoderImputer) else digits
    on_cpu, on_gpu = (
        clone(estimator).set_params(estimator=small(precision="float64", device=name)).fit(X)
        for name in ("cpu", "cuda")
    )

    expected, found = (getattr(each, method)(X) for each in (on_cpu, on_gpu))
    assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())


def test_pictures_and_interpolations_are_made_of_one(autoencoder, digits):
    estimator = with_parameters(autoencoder, device="cuda").fit(digits)
    for display in (
        LatentDisplay.from_estimator(estimator, digits),
        TraversalDisplay.from_estimator(estimator, digits, image_shape=(8, 8)),
        ReconstructionDisplay.from_estimator(estimator, digits, image_shape=(8, 8)),
        ReconstructionErrorDisplay.from_estimator(estimator, digits),
    ):
        display.figure_.canvas.draw()
        plt.close(display.figure_)
    assert np.isfinite(interpolate(estimator, digits[:1], digits[1:2])).all()


def test_a_batch_that_does_not_fit_into_its_memory_says_what_to_lower():
    X = np.random.RandomState(0).standard_normal((20_000, 50)).astype(np.float32)
    estimator = small(2, device="cuda", max_epochs=1).fit(X[:100])
    before = estimator.transform(X[:100])
    estimator.set_params(hidden_layer_sizes=(8_000,), batch_size=20_000)
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(400 * 2**20 / total)
    try:
        with pytest.raises(MemoryError, match=r"^batch_size=20000: .* memory of 'cuda'"):
            estimator.fit(X)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert_array_equal(estimator.transform(X[:100]), before)


def test_threads_that_use_one_estimator_get_what_one_would(digits):
    estimator = small(device="cuda").fit(digits)
    codes = [estimator.transform(row[None]) for row in digits]

    def use(first):
        return [estimator.transform(digits[i % 200][None]) for i in range(first, first + 250)]

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(use, range(8)))

    for first, of_thread in enumerate(found):
        assert_array_equal(of_thread, [codes[i % 200] for i in range(first, first + 250)])
