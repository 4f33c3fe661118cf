"""A density of codes: what it is fitted to, what is drawn from it, and what it takes."""

import numpy as np
import pytest
from _testing import small
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.mixture import BayesianGaussianMixture, GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_ae import LatentDensity, VariationalAutoencoderTransformer

X, Y = load_digits(return_X_y=True)
pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:.*of the codes are of no use:UserWarning"),
]
SMALL = {"hidden_layer_sizes": (32,), "max_epochs": 3, "early_stopping": False, "random_state": 0}


def test_scores_are_those_of_the_density_model_on_codes():
    fitted = LatentDensity(small(), density=GaussianMixture(5, random_state=0)).fit(X)
    codes = small().fit_transform(X)
    assert_array_equal(fitted.estimator_.transform(X), codes)
    mixture = GaussianMixture(5, random_state=0).fit(codes)
    assert_allclose(fitted.score_samples(X), mixture.score_samples(codes), rtol=1e-5)
    assert fitted.score(X) == pytest.approx(fitted.score_samples(X).mean())


@pytest.mark.parametrize(
    "estimator",
    [
        PCA(8),
        small(),
        make_pipeline(StandardScaler(), small()),
        VariationalAutoencoderTransformer(4, **SMALL),
        FrozenEstimator(small().fit(X)),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
@pytest.mark.parametrize(
    "density",
    [
        GaussianMixture(5, random_state=0),
        BayesianGaussianMixture(n_components=5, random_state=0),
        KernelDensity(bandwidth=0.5),
    ],
    ids=lambda density: type(density).__name__,
)
def test_any_of_them_draws_rows(estimator, density):
    fitted = LatentDensity(estimator, density=density).fit(X)
    drawn = fitted.sample(300, random_state=0)
    assert drawn.shape == (300, 64)
    assert_allclose(drawn.mean(axis=0), X.mean(axis=0), atol=2.5)
    assert_array_equal(fitted.sample(300, random_state=0), drawn)
    assert (fitted.sample(300, random_state=1) != drawn).any()
    again, other = (fitted.sample(3, random_state=np.random.RandomState(s)) for s in (5, 5))
    assert_array_equal(again, other)
    assert fitted.sample().shape == (1, 64)


def test_draws_are_in_no_order():
    """A mixture gives those of each component together."""
    two = np.r_[np.zeros((100, 3)), np.full((100, 3), 50.0)] + np.random.RandomState(0).rand(200, 3)
    fitted = LatentDensity(PCA(1), density=GaussianMixture(2, random_state=0)).fit(two)
    is_high = fitted.sample(200, random_state=0)[:, 0] > 25
    assert 60 < is_high.sum() < 140
    assert np.count_nonzero(np.diff(is_high)) > 50


def test_what_is_given_stays_as_it_is():
    estimator, density = small(), GaussianMixture(3, random_state=0)
    fitted = LatentDensity(estimator, density=density).fit(X)
    assert not hasattr(estimator, "net_")
    assert not hasattr(density, "means_")
    assert (estimator.random_state, density.random_state) == (0, 0)
    state = vars(fitted.density_).copy()
    fitted.sample(5, random_state=3)
    assert vars(fitted.density_) == state


def test_one_that_is_fitted_stays_fitted():
    autoencoder = small().fit(X)
    fitted = LatentDensity(FrozenEstimator(autoencoder)).fit(X[:500])
    assert_array_equal(fitted.estimator_.transform(X), autoencoder.transform(X))


@pytest.mark.parametrize(("n_rows", "n_components"), [(20, 1), (250, 2), (1797, 10)])
def test_the_mixture_has_a_component_for_each_hundred_rows(n_rows, n_components):
    fitted = LatentDensity(PCA(3)).fit(X[:n_rows])
    assert fitted.density_.n_components == n_components


def test_other_rows_are_less_dense():
    fitted = LatentDensity(small(8)).fit(X)
    shuffled = np.random.default_rng(0).permuted(X, axis=1)
    assert np.median(fitted.score_samples(shuffled)) < np.quantile(fitted.score_samples(X), 0.1)


def test_it_is_searched():
    search = GridSearchCV(
        LatentDensity(PCA(4), density=GaussianMixture(random_state=0)),
        {"density__n_components": [1, 5], "estimator__n_components": [2]},
        cv=2,
    ).fit(X[:400])
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_a_y_goes_to_the_autoencoder():
    plain, told = (LatentDensity(small(target_weight=weight)).fit(X, Y) for weight in (0, 4))
    assert (plain.estimator_.transform(X) != told.estimator_.transform(X)).any()


@pytest.mark.parametrize(
    ("parameters", "match"),
    [({"estimator": GaussianMixture()}, "'estimator' parameter"), ({"density": 3}, "'density'")],
)
def test_what_is_no_estimator_is_refused(parameters, match):
    with pytest.raises(ValueError, match=match):
        LatentDensity(**parameters).fit(X)


def test_a_failed_fit_keeps_the_old_density():
    fitted = LatentDensity(PCA(3)).fit(X)
    before = fitted.score_samples(X)
    with pytest.raises(ValueError, match="components"):
        fitted.set_params(density=GaussianMixture(500)).fit(X[:100])
    assert_array_equal(fitted.score_samples(X), before)


def test_draws_need_a_fit_a_number_and_a_model_that_draws():
    class NoDraws(GaussianMixture):
        sample = property()

    with pytest.raises(NotFittedError):
        LatentDensity().sample()
    with pytest.raises(ValueError, match="n_samples=0: must be at least 1"):
        LatentDensity(PCA(3)).fit(X[:100]).sample(0)
    with pytest.raises(AttributeError, match="has no sample"):
        LatentDensity(PCA(3), density=NoDraws()).fit(X[:100]).sample()
