"""Autoencoders among other steps."""

import numpy as np
import pandas
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.compose import ColumnTransformer, make_column_transformer
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

pytestmark = pytest.mark.every_autoencoder


@pytest.fixture
def frame(digits):
    return pandas.DataFrame(digits, columns=[f"pixel{i}" for i in range(64)])


def test_a_column_transformer_hands_over_its_columns(autoencoder, digits):
    upper, lower = slice(0, 32), slice(32, 64)
    columns = ColumnTransformer(
        [("upper", autoencoder, upper), ("lower", clone(autoencoder), lower)]
    )

    codes = columns.fit_transform(digits)

    expected = [clone(autoencoder).fit_transform(digits[:, half]) for half in (upper, lower)]
    assert_array_equal(codes, np.hstack(expected))


def test_a_column_transformer_keeps_the_other_columns(autoencoder, frame):
    columns = make_column_transformer(
        (autoencoder, [f"pixel{i}" for i in range(20, 40)]),
        remainder="passthrough",
        verbose_feature_names_out=False,
    )

    rows = columns.fit_transform(frame)

    name = type(autoencoder).__name__.lower()
    assert rows.shape == (len(frame), 4 + 44)
    assert columns.get_feature_names_out()[3:5].tolist() == [f"{name}3", "pixel0"]


def test_a_feature_union_joins_codes_and_components(autoencoder, digits):
    union = FeatureUnion([("codes", autoencoder), ("components", PCA(3, random_state=0))])

    features = union.fit_transform(digits)

    codes = clone(autoencoder).fit_transform(digits)
    components = PCA(3, random_state=0).fit_transform(digits)
    assert_array_equal(features, np.hstack([codes, components]))
    assert union.get_feature_names_out()[4] == "components__pca0"


def test_a_pipeline_gives_the_codes_of_its_steps(autoencoder, digits):
    pipeline = make_pipeline(StandardScaler(), autoencoder)

    codes = pipeline.fit_transform(digits)

    scaled = StandardScaler().fit_transform(digits)
    assert_array_equal(codes, clone(autoencoder).fit_transform(scaled))


def test_a_pipeline_goes_back_to_the_units_of_the_data(autoencoder, digits):
    pipeline = make_pipeline(StandardScaler(), autoencoder).fit(digits)

    rows = pipeline.inverse_transform(pipeline.transform(digits))

    scaler, fitted = pipeline[0], pipeline[1]
    expected = scaler.inverse_transform(fitted.reconstruct(scaler.transform(digits)))
    assert_allclose(rows, expected, rtol=1e-6)


def test_a_pipeline_with_a_classifier_learns(autoencoder):
    X, y = load_digits(return_X_y=True)
    pipeline = make_pipeline(
        autoencoder.set_params(encoding_dim=16), StandardScaler(), LogisticRegression()
    )

    assert pipeline.fit(X[:900], y[:900]).score(X[900:], y[900:]) > 0.8


def test_a_pipeline_with_a_cache_fits_once(autoencoder, digits, tmp_path):
    first, second = (
        Pipeline(
            [("ae", clone(autoencoder)), ("scale", StandardScaler())], memory=str(tmp_path)
        ).fit(digits)
        for _ in range(2)
    )

    # The time of each epoch is in the history: only a fit from the cache has the same.
    assert second["ae"].net_.history[:, "dur"] == first["ae"].net_.history[:, "dur"]
    assert_array_equal(second.transform(digits), first.transform(digits))
