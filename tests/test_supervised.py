"""Codes that predict y: what y may be, and all that holds for a fit without it."""

import pickle
from copy import deepcopy

import numpy as np
import pandas
import polars
import pytest
import torch
from _testing import small
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from sklearn import config_context
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_digits, load_wine
from sklearn.exceptions import DataConversionWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, label_binarize

from sklearn_ae import AutoencoderTransformer

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

DIGITS, DIGIT = load_digits(n_class=4, return_X_y=True)
X, X_NEW, Y, Y_NEW = train_test_split(DIGITS, DIGIT, train_size=300, random_state=0)


def supervised(encoding_dim=3, **parameters):
    return small(encoding_dim, **{"target_weight": 1.0, "max_epochs": 10, **parameters})


def weights(estimator):
    return estimator.net_.module_.state_dict()


def assert_same(one, other):
    for name, value in weights(other).items():
        assert torch.equal(weights(one)[name], value), name


def accuracy(autoencoder):
    classifier = make_pipeline(StandardScaler(), LogisticRegression())
    classifier.fit(autoencoder.transform(X), Y)
    return classifier.score(autoencoder.transform(X_NEW), Y_NEW)


def test_the_codes_tell_the_classes_apart():
    without, with_y = (supervised(target_weight=weight).fit(X, Y) for weight in (0.0, 1.0))

    assert accuracy(with_y) > accuracy(without) + 0.02
    assert accuracy(with_y) > 0.94


def test_the_codes_tell_numbers():
    rows, y = load_diabetes(return_X_y=True)
    rows, new, y, y_new = train_test_split(rows, y, random_state=0)
    scores = {}
    for weight in (0.0, 1.0):
        fitted = supervised(2, target_weight=weight, scaling="standard").fit(rows, y)
        ridge = Ridge().fit(fitted.transform(rows), y)
        scores[weight] = ridge.score(fitted.transform(new), y_new)

    assert scores[1.0] > scores[0.0] + 0.05


def test_without_weight_y_is_ignored():
    assert_same(supervised(target_weight=0.0).fit(X, Y), supervised(target_weight=0.0).fit(X))
    assert supervised(target_weight=0.0).fit(X, "anything").net_.module_.target_head is None


# What y may be

WORDS = np.array(["zero", "one", "two", "three"])
SAME_CLASSES = {
    "list": Y.tolist(),
    "int8": Y.astype(np.int8),
    "float": Y.astype(float),
    "objects": Y.astype(object),
    "series": pandas.Series(Y, index=np.arange(len(Y)) + 7),
    "nullable series": pandas.Series(Y, dtype="Int64"),
    "category": pandas.Series(Y, dtype="category"),
    "frame": pandas.DataFrame({"digit": Y}),
    "polars": polars.Series(Y),
    "letters": [chr(ord("a") + digit) for digit in Y],
    "words as objects": np.array([chr(ord("a") + digit) for digit in Y], dtype=object),
    "words of polars": polars.Series([chr(ord("a") + digit) for digit in Y]),
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.DataConversionWarning")
@pytest.mark.parametrize("y", SAME_CLASSES.values(), ids=SAME_CLASSES)
def test_classes_of_any_type_are_the_same(y):
    assert_same(supervised(max_epochs=2).fit(X, y), supervised(max_epochs=2).fit(X, Y))


def test_one_column_is_flattened_with_scikit_learns_warning():
    with pytest.warns(DataConversionWarning, match="column-vector"):
        fitted = supervised(max_epochs=2).fit(X, Y[:, None])

    assert_same(fitted, supervised(max_epochs=2).fit(X, Y))


@pytest.mark.parametrize(
    "y",
    [Y == 1, np.where(Y == 1, "yes", "no"), (Y == 1).astype(float)],
    ids=["bool", "word", "float"],
)
def test_two_classes(y):
    fitted = supervised(max_epochs=2).fit(X, y)

    assert fitted.net_.module.target.kind == "classes"
    assert fitted.net_.module_.target_head.out_features == 2


@pytest.mark.parametrize("container", [np.asarray, csr_array, pandas.DataFrame])
def test_columns_of_0_and_1_are_labels(container):
    fitted = supervised().fit(X, container(label_binarize(Y, classes=range(4))))

    assert fitted.net_.module.target.kind == "labels"
    assert accuracy(fitted) > 0.92


@pytest.mark.parametrize("shape", [(), (2,)], ids=["one", "two"])
def test_other_numbers_are_numbers(shape):
    y = np.random.default_rng(0).normal(size=(len(X), *shape))
    fitted = supervised(max_epochs=2).fit(X, y)

    assert fitted.net_.module.target.kind == "numbers"
    assert fitted.net_.module_.target_head.out_features == np.prod(shape, dtype=int)


def test_numbers_have_no_units():
    y = np.random.default_rng(0).normal(size=len(X))

    one, other = supervised().fit(X, y), supervised().fit(X, 1000 * y + 1e6)

    assert_allclose(one.transform(X), other.transform(X), rtol=1e-3, atol=1e-3)


# What is missing of it

HIDDEN = np.random.default_rng(0).random(len(Y)) < 0.8
MISSING = {
    "nan": np.where(HIDDEN, np.nan, Y),
    "none": np.where(HIDDEN, None, Y),
    "list with none": [None if hidden else int(y) for hidden, y in zip(HIDDEN, Y, strict=True)],
    "pandas.NA": pandas.Series(Y, dtype="Int64").mask(HIDDEN),
    "category": pandas.Series(Y, dtype="category").mask(HIDDEN),
    "words": np.where(HIDDEN, None, np.array(["a", "b", "c", "d"], dtype=object)[Y]),
    "words and nan": np.where(HIDDEN, np.nan, np.array(["a", "b", "c", "d"], dtype=object)[Y]),
    "polars": polars.Series([None if h else int(y) for h, y in zip(HIDDEN, Y, strict=True)]),
}


@pytest.mark.parametrize("y", MISSING.values(), ids=MISSING)
def test_values_that_are_missing_are_the_same_whatever_stands_for_them(y):
    fitted = supervised(max_epochs=2).fit(X, y)

    assert_same(fitted, supervised(max_epochs=2).fit(X, MISSING["nan"]))


def test_a_few_labels_serve_many_rows():
    few = supervised(3, max_epochs=20).fit(X, MISSING["nan"])
    without = supervised(3, max_epochs=20, target_weight=0.0).fit(X)

    assert accuracy(few) > accuracy(without) + 0.01
    assert few.score(X_NEW) > 0.9 * without.score(X_NEW)


def test_what_is_missing_of_a_row_leaves_the_rest_of_it():
    y = label_binarize(Y, classes=range(4)).astype(float)
    y[::2, 1] = np.nan

    assert accuracy(supervised().fit(X, y)) > 0.9


# What it can't be

REFUSED = {
    "none": (None, ValueError, "requires y to be passed, but the target y is None"),
    "too few": (Y[:-1], ValueError, r"shape \(299,\) for 300 rows"),
    "one class": (np.ones(len(X), int), ValueError, "one class, 1"),
    "one class that is known": (np.where(Y == 1, 1, np.nan), ValueError, "one class, 1.0"),
    "one number": (np.full(len(X), 0.5), ValueError, "the same for all rows"),
    "nothing known": (np.full(len(X), np.nan), ValueError, "all 300 values are missing"),
    "infinite": (np.where(Y == 1, np.inf, 0.5), ValueError, "infinity"),
    "words and numbers": (
        ["a", 1] * 150,
        TypeError,
        "mixes words and int, such as 'a' and 1. Make",
    ),
    "words and floats": (["a", 0.5, None] * 100, TypeError, "mixes words and float"),
    "columns of words": (np.full((len(X), 2), "a"), ValueError, "MultiLabelBinarizer"),
    "dates": (np.full(len(X), "2020-01-01", "M8[D]"), TypeError, "words, numbers or booleans"),
    "three dimensions": (np.zeros((len(X), 2, 2)), ValueError, r"shape \(300, 2, 2\)"),
}


@pytest.mark.parametrize(("y", "error", "match"), REFUSED.values(), ids=REFUSED)
def test_a_y_that_can_not_be_used_is_an_error_only_where_it_is_used(y, error, match):
    fitted = supervised(max_epochs=1).fit(X, Y)
    before = deepcopy(weights(fitted))

    with pytest.raises(error, match=match):
        fitted.fit(X, y)

    assert all(torch.equal(weights(fitted)[name], before[name]) for name in before)
    fitted.set_params(target_weight=0.0).fit(X, y)


@pytest.mark.parametrize("target_weight", [-1.0, np.nan, "much", None])
def test_a_weight_is_a_number_that_is_not_negative(target_weight):
    with pytest.raises(ValueError, match="target_weight"):
        supervised(target_weight=target_weight).fit(X, Y)


# Everything else that a fit does


def test_it_is_repeated_bit_for_bit():
    assert_same(supervised(noise="gaussian").fit(X, Y), supervised(noise="gaussian").fit(X, Y))


@pytest.mark.parametrize("early_stopping", [True, "auto"])
def test_rows_held_out_are_judged_by_their_y_too(early_stopping):
    parameters = {"early_stopping": early_stopping, "max_epochs": 40, "lr": 1e-2}
    parameters |= {"target_weight": 20.0, "hidden_layer_sizes": (64,)}
    fitted = supervised(**parameters).fit(X, Y)
    shuffled = supervised(**parameters).fit(X, np.random.default_rng(0).permutation(Y))

    assert accuracy(fitted) > 0.93
    # What is learned by heart rows that were not trained on give away.
    is_taken_back = shuffled.shrinkage_ > fitted.shrinkage_
    assert is_taken_back or shuffled.best_epoch_ < fitted.best_epoch_


@pytest.mark.filterwarnings("ignore:precision='bfloat16'.*slower:UserWarning")
def test_in_bfloat16_the_codes_predict_too():
    fitted = supervised(precision="bfloat16").fit(X, Y)

    assert fitted.net_._steps_by == "exact"
    assert accuracy(fitted) > 0.92


def test_rows_to_validate_by_have_a_y():
    fitted = supervised().fit(X, Y, X_val=X_NEW, y_val=Y_NEW)
    other = supervised().fit(X, Y, X_val=X_NEW, y_val=np.roll(Y_NEW, 1))

    assert fitted.validation_loss_curve_[-1] < other.validation_loss_curve_[-1]
    with pytest.raises(ValueError, match="y_val is None"):
        supervised().fit(X, Y, X_val=X_NEW)
    with pytest.raises(ValueError, match="Pass X_val too"):
        supervised().fit(X, Y, y_val=Y_NEW)
    with pytest.raises(ValueError, match="y_val: 9 is none of the classes"):
        supervised().fit(X, Y, X_val=X_NEW, y_val=np.full(len(X_NEW), 9))


def test_weights_are_of_rows_and_their_y():
    weight = np.where(Y == 0, 0.0, 1.0)
    parameters = {"precision": "float64", "batch_size": 1000}

    weighted = supervised(**parameters).fit(X, Y, sample_weight=weight)
    without = supervised(**parameters).fit(X[Y != 0], Y[Y != 0])

    # Of what has no weight nothing is learned, not even that there is such a class.
    assert weighted.net_.module.target.classes.tolist() == [1, 2, 3]
    assert_allclose(weighted.transform(X_NEW), without.transform(X_NEW), rtol=1e-6, atol=1e-6)


def test_a_warm_start_goes_on_with_the_head():
    fitted = supervised(warm_start=True).fit(X, Y)
    head = fitted.net_.module_.target_head.weight.clone()
    loss = fitted.loss_

    fitted.fit(X, Y)

    assert fitted.loss_ < loss
    assert not torch.equal(fitted.net_.module_.target_head.weight, head)
    with pytest.raises(ValueError, match="9 is none of the classes"):
        fitted.fit(X, np.where(Y == 0, 9, Y))


def test_another_weight_acts_on_the_next_partial_fit():
    one, other = supervised().fit(X, Y), supervised().fit(X, Y)

    one.partial_fit(X, Y)
    other.set_params(target_weight=np.float32(9)).partial_fit(X, Y)

    assert one.net_._steps_by == other.net_._steps_by == "exact"
    assert accuracy(one) != accuracy(other)


def test_a_fit_without_a_head_does_not_go_on_with_one():
    fitted = supervised(warm_start=True, target_weight=0.0).fit(X)

    with pytest.raises(ValueError, match=r"target_weight=1.0 asks for a head.*warm_start=False"):
        fitted.set_params(target_weight=1.0).fit(X, Y)
    with pytest.raises(ValueError, match=r"target_weight=1.0 asks for a head.*Use fit"):
        fitted.partial_fit(X, Y)


def test_a_head_that_nothing_is_asked_of_stays_as_it_is():
    fitted = supervised().fit(X, Y)
    head = fitted.net_.module_.target_head.weight.clone()

    fitted.set_params(target_weight=0.0).partial_fit(X)

    assert torch.equal(fitted.net_.module_.target_head.weight, head)


def test_partial_fit_takes_classes_as_scikit_learns_do():
    classes = [3, 2, 1, 0]
    fitted = supervised()
    for _ in range(20):
        for digit in range(4):
            fitted.partial_fit(X[digit == Y], Y[digit == Y], classes=classes)
    fitted.partial_fit(X, Y)

    assert accuracy(fitted) > 0.9
    with pytest.raises(ValueError, match=r"classes=\[0, 1\] are others than"):
        fitted.partial_fit(X, Y, classes=[0, 1])
    with pytest.raises(ValueError, match="4 is none of the classes"):
        fitted.partial_fit(X, Y + 4)


def test_without_classes_partial_fit_knows_those_of_the_first_rows():
    """As scikit-learn's checks of transformers ask for it."""
    fitted = supervised().partial_fit(X, Y)

    assert fitted.net_.module.target.classes.tolist() == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="or pass them to the first partial_fit as classes"):
        supervised().partial_fit(X[Y < 2], Y[Y < 2]).partial_fit(X, Y)


def test_partial_fit_takes_numbers_without_classes():
    y = X.mean(axis=1) + 0.5
    fitted = supervised().partial_fit(X, y)

    with pytest.raises(ValueError, match="numbers at fit"):
        fitted.partial_fit(X, np.full(len(X), "a"))
    with pytest.raises(ValueError, match="2 columns, but there were 1 at fit"):
        fitted.partial_fit(X, np.c_[y, y])


@pytest.mark.parametrize(
    "duplicate", [deepcopy, lambda e: pickle.loads(pickle.dumps(e))], ids=["deepcopy", "pickle"]
)
def test_a_duplicate_goes_on_as_the_original(duplicate):
    fitted = supervised().fit(X, Y)
    other = duplicate(fitted)

    assert_same(other.partial_fit(X, Y), fitted.partial_fit(X, Y))


def test_the_net_is_built_anew_with_its_head_and_fits_with_y():
    fitted = supervised().fit(X, Y)
    net = clone(fitted.net_).initialize()

    before = net.module_.target_head.weight.clone()
    net.fit(X, Y)
    assert not torch.equal(net.module_.target_head.weight, before)
    with pytest.raises(ValueError, match="requires y"):
        net.fit(X)


@pytest.mark.parametrize("half", ["encoder_", "decoder_"])
def test_the_halves_are_those_of_the_reconstruction(half):
    fitted = supervised().fit(X, Y)

    assert not any("target" in name for name, _ in getattr(fitted, half).named_parameters())
    assert not hasattr(fitted, "predict")


def test_y_goes_through_a_pipeline_and_a_search():
    pipeline = make_pipeline(StandardScaler(), supervised(max_epochs=3), LogisticRegression())
    search = GridSearchCV(
        pipeline, {"autoencodertransformer__target_weight": [0.0, 1.0]}, cv=2, error_score="raise"
    )

    assert search.fit(X, Y).score(X_NEW, Y_NEW) > 0.8


def test_y_val_is_routed():
    with config_context(enable_metadata_routing=True):
        autoencoder = supervised(max_epochs=2).set_fit_request(X_val=True, y_val=True)
        pipeline = make_pipeline(autoencoder, LogisticRegression())
        pipeline.fit(X, Y, X_val=X_NEW, y_val=Y_NEW)

    expected = supervised(max_epochs=2).fit(X, Y, X_val=X_NEW, y_val=Y_NEW)
    assert_same(pipeline[0], expected)


def test_codes_of_rows_held_out_never_see_their_y():
    """Of shuffled classes a search finds what chance does."""
    rows, y = load_wine(return_X_y=True)
    y = np.random.default_rng(0).permutation(y)
    pipeline = make_pipeline(
        StandardScaler(),
        supervised(4, max_epochs=60, lr=1e-2, target_weight=20.0, hidden_layer_sizes=(64,)),
        LogisticRegression(),
    )
    seen = pipeline.fit(rows, y).score(rows, y)
    scores = cross_val_score(pipeline, rows, y, cv=5)

    assert seen > 0.9
    assert scores.mean() < 0.45


def test_the_tag_says_whether_y_is_needed():
    assert supervised().__sklearn_tags__().target_tags.required
    assert not AutoencoderTransformer().__sklearn_tags__().target_tags.required
    assert_array_equal(supervised(max_epochs=1).fit_transform(X, Y).shape, (300, 3))
