"""What comes in and goes out with names: frames of pandas and polars."""

import importlib

import numpy as np
import pandas
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

pytestmark = pytest.mark.every_autoencoder

PIXELS = [f"pixel{i}" for i in range(64)]


@pytest.fixture
def codes(autoencoder, digits):
    """What an array gives."""
    return clone(autoencoder).fit_transform(digits)


@pytest.fixture
def names(autoencoder):
    return [f"{type(autoencoder).__name__.lower()}{i}" for i in range(4)]


@pytest.fixture(params=["pandas", "polars"])
def library(request):
    return importlib.import_module(request.param)


@pytest.fixture
def frame(library, digits):
    return library.DataFrame(dict(zip(PIXELS, digits.T, strict=True)))


def test_the_output_is_a_frame_where_asked(autoencoder, digits, library, codes, names):
    autoencoder.set_output(transform=library.__name__)

    rows = autoencoder.fit_transform(digits)

    assert isinstance(rows, library.DataFrame)
    assert list(rows.columns) == names
    assert_array_equal(rows.to_numpy(), codes)


def test_a_pandas_frame_keeps_its_index(autoencoder, digits, names):
    index = pandas.date_range("2024-01-01", periods=len(digits))
    frame = pandas.DataFrame(digits, index=index, columns=PIXELS)

    rows = autoencoder.set_output(transform="pandas").fit(frame).transform(frame)

    assert rows.index.equals(index)
    assert rows.columns.tolist() == names


def test_the_output_keeps_float32(autoencoder, digits, library):
    autoencoder.set_output(transform=library.__name__)

    rows = autoencoder.fit_transform(digits.astype(np.float32))

    assert rows.to_numpy().dtype == np.float32


def test_a_frame_is_fitted_as_its_array(autoencoder, frame, codes):
    fitted = autoencoder.fit(frame)

    assert_array_equal(fitted.transform(frame), codes)


def test_the_names_of_a_frame_are_remembered(autoencoder, frame):
    assert autoencoder.fit(frame).feature_names_in_.tolist() == PIXELS


def test_an_array_has_no_names(autoencoder, frame, digits):
    autoencoder.fit(frame).fit(digits)

    assert not hasattr(autoencoder, "feature_names_in_")


def test_the_names_of_the_codes_are_known_after_a_fit(autoencoder, digits, names):
    assert autoencoder.fit(digits).get_feature_names_out().tolist() == names


def test_there_is_a_name_for_each_code_of_the_fitted_net(autoencoder, digits):
    autoencoder.fit(digits).set_params(encoding_dim=2)

    assert len(autoencoder.get_feature_names_out()) == 4


@pytest.mark.parametrize(
    "method", ["transform", "reconstruct", "reconstruction_error", "score_samples", "score"]
)
def test_columns_in_another_order_are_refused(autoencoder, frame, method):
    autoencoder.fit(frame)

    with pytest.raises(ValueError, match="same order"):
        getattr(autoencoder, method)(frame[PIXELS[::-1]])


def test_partial_fit_refuses_columns_of_other_names(autoencoder, digits):
    autoencoder.partial_fit(pandas.DataFrame(digits, columns=PIXELS))

    with pytest.raises(ValueError, match="feature names"):
        autoencoder.partial_fit(pandas.DataFrame(digits, columns=[f"p{i}" for i in range(64)]))


def test_x_val_refuses_columns_of_other_names(autoencoder, digits):
    X = pandas.DataFrame(digits, columns=PIXELS)

    with pytest.raises(ValueError, match="feature names"):
        autoencoder.fit(X, X_val=X.add_prefix("other_"))


def test_the_inverse_takes_the_frame_that_transform_gives(autoencoder, digits, library):
    autoencoder.set_output(transform=library.__name__)

    rows = autoencoder.inverse_transform(autoencoder.fit_transform(digits))

    assert isinstance(rows, np.ndarray)
    assert_array_equal(rows, autoencoder.reconstruct(digits))


def test_a_composition_gives_one_frame(autoencoder, frame, library, names):
    steps = make_pipeline(
        make_column_transformer((StandardScaler(), PIXELS[20:40]), verbose_feature_names_out=False),
        autoencoder,
    ).set_output(transform=library.__name__)

    rows = steps.fit_transform(frame)

    assert isinstance(rows, library.DataFrame)
    assert list(rows.columns) == names
    assert steps[-1].feature_names_in_.tolist() == PIXELS[20:40]
