"""Metadata on its way to fit: weights, observed entries and validation rows."""

import numpy as np
import pytest
from _testing import taking
from numpy.testing import assert_array_equal
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler


@pytest.fixture(autouse=True)
def routing():
    with config_context(enable_metadata_routing=True):
        yield


@pytest.fixture
def metadata(digits):
    """What fit takes beside the rows, each of which changes the weights."""
    rng = np.random.RandomState(0)
    return {
        "sample_weight": rng.randint(0, 4, size=len(digits)).astype(float),
        "observed": rng.uniform(size=digits.shape) < 0.7,
        "X_val": digits[:37] + 1.0,  # no fold has this number of rows
    }


NAMES = ["sample_weight", "observed", "X_val"]


def asking(autoencoder, *names):
    return clone(autoencoder).set_fit_request(**dict.fromkeys(names, True))


def unweighted_score(estimator, X, y=None):
    """A scorer that asks for no metadata, as a Pipeline's own can't say in scikit-learn 1.6."""
    return estimator.score(X)


@pytest.mark.parametrize("name", NAMES)
def test_each_changes_the_fit(autoencoder, digits, metadata, name):
    plain = clone(autoencoder).fit(digits)

    fitted = clone(autoencoder).fit(digits, **taking(autoencoder, {name: metadata[name]}))

    assert fitted.best_loss_ != plain.best_loss_


@pytest.mark.parametrize("name", NAMES)
def test_it_reaches_the_last_step_of_a_pipeline(autoencoder, digits, metadata, name):
    metadata = taking(autoencoder, {name: metadata[name]})
    pipeline = make_pipeline("passthrough", asking(autoencoder, name))

    codes = pipeline.fit(digits, **metadata).transform(digits)

    assert_array_equal(codes, clone(autoencoder).fit(digits, **metadata).transform(digits))


@pytest.mark.parametrize("name", NAMES)
def test_it_reaches_a_step_before_a_classifier(autoencoder, digits, metadata, name):
    metadata = taking(autoencoder, {name: metadata[name]})
    y = digits[:, 20] > 8
    pipeline = make_pipeline(asking(autoencoder, name), LogisticRegression(C=0.01))
    if name == "sample_weight":
        pipeline[-1].set_fit_request(sample_weight=False)

    pipeline.fit(digits, y, **metadata)

    expected = clone(autoencoder).fit(digits, **metadata).transform(digits)
    assert_array_equal(pipeline[0].transform(digits), expected)


def test_validation_rows_go_through_the_steps_before(autoencoder, digits, metadata):
    X_val = metadata["X_val"]
    pipeline = Pipeline(
        [("scale", StandardScaler()), ("ae", asking(autoencoder, "X_val"))],
        transform_input=["X_val"],
    )

    codes = pipeline.fit(digits, X_val=X_val).transform(digits)

    scaler = StandardScaler().fit(digits)
    expected = clone(autoencoder).fit(scaler.transform(digits), X_val=scaler.transform(X_val))
    assert_array_equal(codes, expected.transform(scaler.transform(digits)))
    assert pipeline["ae"].validation_loss_curve_ == expected.validation_loss_curve_


def test_all_of_them_reach_every_fit_of_a_search(autoencoder, digits, metadata):
    folds = KFold(2)
    taking(autoencoder, metadata)
    asked = asking(autoencoder, *NAMES).set_score_request(sample_weight=False, observed=False)
    search = GridSearchCV(asked, {"encoding_dim": [2, 6]}, cv=folds)

    search.fit(digits, **metadata)

    for split, (train, test) in enumerate(folds.split(digits)):
        rows = {name: metadata[name][train] for name in ("sample_weight", "observed")}
        for candidate, encoding_dim in enumerate([2, 6]):
            fold = clone(autoencoder).set_params(encoding_dim=encoding_dim)
            fold.fit(digits[train], **rows, X_val=metadata["X_val"])
            found = search.cv_results_[f"split{split}_test_score"][candidate]
            assert found == fold.score(digits[test])
    best = clone(autoencoder).set_params(**search.best_params_).fit(digits, **metadata)
    assert_array_equal(search.transform(digits), best.transform(digits))


def test_weights_reach_the_score_of_a_search(autoencoder, digits, metadata):
    weight = taking(autoencoder, metadata)["sample_weight"]
    folds = KFold(2)
    asked = clone(autoencoder).set_fit_request(sample_weight=False)
    asked.set_score_request(sample_weight=True)

    search = GridSearchCV(asked, {"encoding_dim": [4]}, cv=folds)
    search.fit(digits, sample_weight=weight)

    for split, (train, test) in enumerate(folds.split(digits)):
        fold = clone(autoencoder).fit(digits[train])
        found = search.cv_results_[f"split{split}_test_score"][0]
        assert found == fold.score(digits[test], sample_weight=weight[test])


def test_observed_entries_reach_the_score_of_a_search(autoencoder, digits, metadata):
    observed = metadata["observed"]
    folds = KFold(2)
    asked = asking(autoencoder, "observed").set_score_request(observed=True)

    search = GridSearchCV(asked, {"encoding_dim": [4]}, cv=folds)
    search.fit(np.where(observed, digits, np.nan), observed=observed)

    for split, (train, test) in enumerate(folds.split(digits)):
        fold = clone(autoencoder).fit(digits[train], observed=observed[train])
        found = search.cv_results_[f"split{split}_test_score"][0]
        assert found == fold.score(digits[test], observed=observed[test])
        assert found != fold.score(digits[test])


def test_observed_entries_of_validation_rows_reach_the_last_step_of_a_pipeline(
    autoencoder, digits, metadata
):
    metadata = {"X_val": metadata["X_val"], "observed_val": metadata["observed"][:37]}
    pipeline = make_pipeline("passthrough", asking(autoencoder, *metadata))

    pipeline.fit(digits, **metadata)

    expected = clone(autoencoder).fit(digits, **metadata)
    assert pipeline[-1].validation_loss_curve_ == expected.validation_loss_curve_
    metadata.pop("observed_val")
    plain = clone(autoencoder).fit(digits, **metadata)
    assert plain.validation_loss_curve_ != expected.validation_loss_curve_


def test_they_go_through_a_search_around_a_pipeline(autoencoder, digits, metadata):
    unweighted = StandardScaler().set_fit_request(sample_weight=False)
    taking(autoencoder, metadata)
    pipeline = Pipeline(
        [("scale", unweighted), ("ae", asking(autoencoder, *NAMES))], transform_input=["X_val"]
    )
    grid = {"ae__encoding_dim": [2, 6]}
    search = GridSearchCV(pipeline, grid, cv=2, scoring=unweighted_score)

    search.fit(digits, **metadata)

    scaler = StandardScaler().fit(digits)
    best = clone(autoencoder).set_params(encoding_dim=search.best_params_["ae__encoding_dim"])
    X_val = scaler.transform(metadata["X_val"])
    best.fit(scaler.transform(digits), **{**metadata, "X_val": X_val})
    assert_array_equal(search.transform(digits), best.transform(scaler.transform(digits)))


@pytest.mark.parametrize("name", NAMES)
def test_nobody_gets_what_was_not_asked_for(autoencoder, digits, metadata, name):
    pipeline = make_pipeline("passthrough", autoencoder)
    taking(autoencoder, {name: metadata[name]})

    with pytest.raises(UnsetMetadataPassedError, match=name):
        pipeline.fit(digits, **{name: metadata[name]})


@pytest.mark.parametrize("name", ["sample_weight", "observed"])
def test_partial_fit_can_ask_for_it(autoencoder, name):
    taking(autoencoder, {name: None}, "partial_fit")
    asked = autoencoder.set_partial_fit_request(**{name: True})

    requests = asked.get_metadata_routing().partial_fit.requests
    assert {asked for asked, answer in requests.items() if answer} == {name}


def test_without_routing_a_pipeline_takes_it_by_the_name_of_the_step(autoencoder, digits, metadata):
    taking(autoencoder, metadata)
    with config_context(enable_metadata_routing=False):
        pipeline = Pipeline([("scale", "passthrough"), ("ae", clone(autoencoder))])
        pipeline.fit(digits, **{f"ae__{name}": metadata[name] for name in NAMES})

    expected = clone(autoencoder).fit(digits, **metadata)
    assert_array_equal(pipeline.transform(digits), expected.transform(digits))
