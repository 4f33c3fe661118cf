"""The width of the code: a number, a share of the variance, or what suits the table."""

import numpy as np
import pytest
from _testing import AUTOENCODERS, SMALL, having, small
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

DIGITS = load_digits().data
TABLES = {
    "iris": load_iris().data,
    "wine": load_wine().data,
    "breast cancer": load_breast_cancer().data,
    "digits": DIGITS[:300],
}
every_table = pytest.mark.parametrize("X", TABLES.values(), ids=TABLES)


@pytest.mark.filterwarnings("ignore:.*of the codes are of no use:UserWarning")
@pytest.mark.parametrize("Autoencoder", AUTOENCODERS)
@every_table
def test_a_table_has_a_code_that_compresses_it_and_is_trained(Autoencoder, X):
    parameters = {**having(Autoencoder, SMALL), "encoding_dim": "auto"}
    fitted = Autoencoder(**parameters).fit(X)

    assert 1 <= fitted.encoding_dim_ <= min(32, X.shape[1] - 1)
    assert fitted.transform(X).shape == (len(X), fitted.encoding_dim_)
    assert len(fitted.get_feature_names_out()) == fitted.encoding_dim_
    assert fitted.n_iter_ > 0


@pytest.mark.filterwarnings("ignore:.*rebuild the training rows exactly")
@pytest.mark.parametrize(
    ("columns", "expected"), [(1, 1), (2, 1), (3, 2), (10, 9), (33, 32), (34, 32)]
)
def test_the_code_is_narrower_than_the_rows_and_never_wider_than_32(columns, expected):
    X = np.random.default_rng(0).normal(size=(200, columns))
    assert small("auto", max_epochs=1).fit(X).encoding_dim_ == expected


def test_features_that_are_constant_do_not_count():
    X = np.hstack([np.random.default_rng(0).normal(size=(200, 6)), np.ones((200, 30))])
    assert small("auto", max_epochs=1).fit(X).encoding_dim_ == 5


@every_table
@pytest.mark.parametrize("share", [0.5, 0.9, np.float64(0.99)])
@pytest.mark.parametrize("container", [np.asarray, csr_array])
def test_a_share_of_the_variance_is_that_of_pca(X, share, container):
    expected = PCA(float(share), svd_solver="full").fit(X).n_components_
    assert small(share, max_epochs=1).fit(container(X)).encoding_dim_ == expected


def test_a_share_is_of_the_variance_in_the_units_of_the_network():
    X = TABLES["wine"]
    expected = PCA(0.8).fit(StandardScaler().fit_transform(X)).n_components_

    assert small(0.8, scaling="standard", max_epochs=1).fit(X).encoding_dim_ == expected
    assert small(0.8, max_epochs=1).fit(X).encoding_dim_ == 1


@pytest.mark.parametrize("encoding_dim", [0, 0.0, 1.0, 1.5, -0.1, -2, "half", None])
def test_what_is_neither_is_refused_by_name(encoding_dim):
    with pytest.raises(ValueError, match="encoding_dim"):
        small(encoding_dim).fit(DIGITS[:50])


def test_what_was_found_stays_while_rows_change():
    X = load_iris().data
    constant = np.hstack([X[:, :1], np.ones((len(X), 1)), X[:, 2:]])
    fitted = small("auto").fit(constant)
    assert fitted.encoding_dim_ == fitted.partial_fit(X).encoding_dim_ == 2

    fitted.set_params(encoding_dim=2).partial_fit(X)  # the number that was found
    with pytest.raises(ValueError, match="encoding_dim=3"):
        fitted.set_params(encoding_dim=3).partial_fit(X)


def test_the_parameter_is_left_as_it_was_given():
    fitted = small(0.5).fit(DIGITS)
    assert fitted.encoding_dim == 0.5
    assert clone(fitted).encoding_dim == 0.5
    assert fitted.net_.module.encoding_dim == fitted.encoding_dim_


def test_one_feature_and_one_code_are_not_asked_for_fewer():
    with pytest.warns(UserWarning, match="rebuild the training rows exactly") as told:
        small(1).fit(DIGITS[:50, 20:21])
    assert "ower encoding_dim" not in str(told[0].message)
