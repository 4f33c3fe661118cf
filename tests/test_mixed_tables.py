"""Numbers, categories, orders and missing values, into one Pipeline and back to named columns."""

import numpy as np
import pandas as pd
import pytest
from _testing import small
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.datasets import load_diabetes
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, StandardScaler

from sklearn_ae import AutoencoderOutlierDetector, AutoencoderTransformer

WEIGHTS = ["under", "normal", "over", "obese"]


def nearest(codes):
    return np.clip(np.round(codes), 0, len(WEIGHTS) - 1)


@pytest.fixture(scope="module")
def table():
    X = load_diabetes(as_frame=True, scaled=False).data[:200]
    X = X.assign(sex=X["sex"].map({1.0: "a", 2.0: "b"}))
    X["weight"] = pd.cut(X.pop("bmi"), [0, 18.5, 25, 30, 100], labels=WEIGHTS).astype(object)
    return X.mask(np.random.RandomState(0).uniform(size=X.shape) < 0.05)


def prepared():
    fill = make_column_transformer(
        (SimpleImputer(strategy="most_frequent"), ["sex", "weight"]),
        (SimpleImputer(), make_column_selector(dtype_include=float)),
        verbose_feature_names_out=False,
    )
    ordered = make_pipeline(
        OrdinalEncoder(categories=[WEIGHTS]),
        FunctionTransformer(inverse_func=nearest, feature_names_out="one-to-one"),
        StandardScaler(),
    )
    encode = make_column_transformer(
        (make_pipeline(OneHotEncoder(sparse_output=False), StandardScaler()), ["sex"]),
        (ordered, ["weight"]),
        (StandardScaler(), make_column_selector(dtype_include=float)),
        verbose_feature_names_out=False,
    )
    return fill.set_output(transform="pandas"), encode


def test_rows_come_back_to_their_columns(table):
    exact = AutoencoderTransformer(10, hidden_layer_sizes=(), max_epochs=1, random_state=0)
    pipeline = make_pipeline(*prepared(), exact).set_output(transform="pandas")
    with pytest.warns(UserWarning, match="rebuild the training rows exactly"):
        codes = pipeline.fit_transform(table)
    encode, autoencoder = pipeline[-2:]
    assert list(autoencoder.feature_names_in_[:3]) == ["sex_a", "sex_b", "weight"]
    rows = autoencoder.inverse_transform(codes)
    parts = [
        pd.DataFrame(
            fitted.inverse_transform(rows[:, encode.output_indices_[name]]), codes.index, columns
        )
        for name, fitted, columns in encode.transformers_
    ]
    rebuilt = pd.concat(parts, axis=1)[table.columns]
    filled = pipeline[0].transform(table)[table.columns]
    for column in ("sex", "weight"):
        assert (rebuilt[column] == filled[column]).all()
    numbers = table.columns.drop(["sex", "weight"])
    np.testing.assert_allclose(
        rebuilt[numbers].astype(float), filled[numbers].astype(float), rtol=1e-3
    )


def test_all_of_it_is_searched(table):
    fill, encode = prepared()
    target = load_diabetes().target[: len(table)]
    search = GridSearchCV(
        make_pipeline(fill, encode, small(), Ridge()),
        {
            "autoencodertransformer__encoding_dim": [2, 4],
            "columntransformer-1__simpleimputer-2__strategy": ["mean", "median"],
        },
        cv=2,
    ).fit(table, target)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert len(search.cv_results_["params"]) == 4


def test_an_outlier_detector_ends_it(table):
    detector = make_pipeline(*prepared(), AutoencoderOutlierDetector(random_state=0)).fit(table)
    strange = table.iloc[[0]].assign(age=20.0, s1=290.0, s2=30.0, weight="under")
    usual = np.median(detector.score_samples(table))
    assert detector.score_samples(strange)[0] < usual
    assert detector.predict(strange)[0] == -1
