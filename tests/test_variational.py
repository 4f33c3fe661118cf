"""The variational autoencoder: its bound against the right answers, its draws, its codes."""

import pickle

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import kstest
from sklearn.datasets import load_digits, load_iris
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback
from torch import nn
from torch.distributions import Bernoulli, Independent, Laplace, Normal, kl_divergence

from sklearn_ae import VariationalAutoencoderTransformer
from sklearn_ae._training.variational import LIKELIHOODS, divergence_from_prior
from sklearn_ae.nn.variational import bounded

DIGITS = load_digits().data
BINARY = (DIGITS > 7).astype(np.float32)
pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:.*of the codes are of no use:UserWarning"),
]


def small(encoding_dim=4, **parameters):
    parameters = {
        "hidden_layer_sizes": (32,),
        "max_epochs": 3,
        "early_stopping": False,
        "random_state": 0,
        **parameters,
    }
    return VariationalAutoencoderTransformer(encoding_dim, **parameters)


def data_of(likelihood):
    return BINARY if likelihood == "bernoulli" else DIGITS


def distribution(likelihood, fitted, output):
    """Give what rows are drawn from, in the units of the network, as torch has it."""
    scale = fitted.net_.module_.scale.detach()
    made = {
        "gaussian": lambda: Normal(output, scale),
        "laplace": lambda: Laplace(output, scale),
        "bernoulli": lambda: Bernoulli(output),
    }
    return Independent(made[likelihood](), 1)


def posterior_of(fitted, X):
    module = fitted.net_.module_
    x = module.rescale(torch.from_numpy(X))
    with torch.no_grad():
        mean, log_variance = module.posterior(x)
    return x, Independent(Normal(mean, (log_variance / 2).exp()), 1)


every_likelihood = pytest.mark.parametrize("likelihood", LIKELIHOODS)


# Right answers


def test_the_divergence_is_that_of_torch():
    generator = torch.Generator().manual_seed(0)
    mean, log_variance = torch.randn(2, 50, 3, generator=generator, dtype=torch.float64)
    code = Normal(mean, (log_variance / 2).exp())
    expected = kl_divergence(code, Normal(torch.zeros(3), torch.ones(3)))
    torch.testing.assert_close(divergence_from_prior(mean, log_variance), expected)


@every_likelihood
def test_the_objective_is_minus_the_bound_that_torch_gives(likelihood):
    X = data_of(likelihood)[:300]
    fitted = small(likelihood=likelihood, beta=0.7).fit(X)
    net = fitted.net_
    x, posterior = posterior_of(fitted, X)
    generator = torch.Generator().manual_seed(net.seed)
    noise = torch.randn(posterior.mean.shape, generator=generator)
    with torch.no_grad():
        output = net.module_.decoder(posterior.mean + posterior.stddev * noise)
    prior = Independent(Normal(torch.zeros(4), torch.ones(4)), 1)
    misfit = -distribution(likelihood, fitted, output).log_prob(x)
    expected = (misfit + 0.7 * kl_divergence(posterior, prior)).mean().item()
    assert net.evaluate(net.get_dataset(X)) == pytest.approx(expected, rel=1e-5)


@every_likelihood
def test_scores_are_the_importance_weighted_bound_in_the_units_of_the_data(likelihood):
    X = data_of(likelihood)[:50]
    fitted = small(likelihood=likelihood, n_importance_samples=7).fit(X)
    net = fitted.net_
    x, posterior = posterior_of(fitted, X)
    prior = Independent(Normal(torch.zeros(4), torch.ones(4)), 1)
    generator, log_weights = torch.Generator().manual_seed(net.seed), []
    for _ in range(7):
        code = posterior.mean + posterior.stddev * torch.randn(4, generator=generator)
        with torch.no_grad():
            rows = distribution(likelihood, fitted, net.module_.decoder(code))
        log_weights.append(rows.log_prob(x) + prior.log_prob(code) - posterior.log_prob(code))
    expected = torch.stack(log_weights).logsumexp(dim=0) - np.log(7)
    if likelihood != "bernoulli":
        expected -= 64 * net.module_.rescale.scale.log()
    assert_allclose(fitted.score_samples(X), expected, rtol=1e-5)


@pytest.mark.parametrize("units", [(1.0, 0.0), (1000.0, 5.0)])
def test_it_starts_at_the_likelihood_of_probabilistic_pca(units):
    X = DIGITS * units[0] + units[1]
    pca = PCA(8, svd_solver="full").fit(X)
    fitted = small(8, lr=1e-12, max_epochs=1).fit(X)
    # PCA divides by one row less.
    assert_allclose(fitted.score_samples(X).mean(), pca.score_samples(X).mean(), atol=1e-3)
    assert_allclose(fitted.score_samples(X), pca.score_samples(X), atol=0.1)
    left = 1 - pca.noise_variance_ / pca.explained_variance_  # by the prior
    expected = pca.mean_ + (pca.transform(X) * left) @ pca.components_
    assert_allclose(fitted.reconstruct(X), expected, atol=1e-2 * X.std())
    codes = fitted.transform(X)
    assert_allclose(
        np.cov(codes.T) + np.diag(fitted.transform_std(X)[0] ** 2), np.eye(8), atol=1e-2
    )


def test_the_first_posterior_has_the_curvature_of_the_likelihood():
    """That of Laplace's is 1 over the square of its scale, twice that of a normal one's."""
    pca = PCA(8, svd_solver="full").fit(DIGITS)
    ratios = pca.explained_variance_ / pca.noise_variance_
    for likelihood, curvature in (("gaussian", 1), ("laplace", 2)):
        fitted = small(8, likelihood=likelihood, lr=1e-12, max_epochs=1).fit(DIGITS)
        expected = (1 + curvature * (ratios - 1)) ** -0.5
        assert_allclose(fitted.transform_std(DIGITS)[0], expected, rtol=1e-4)


def test_trained_without_hidden_layers_it_stays_at_probabilistic_pca():
    """A linear variational autoencoder has no better likelihood than that."""
    X = StandardScaler().fit_transform(load_iris().data)
    pca = PCA(2, svd_solver="full").fit(X)
    found = small(
        2,
        hidden_layer_sizes=(),
        linear_shortcut=False,
        max_epochs=600,
        lr=3e-2,
        batch_size=150,
        optimizer="adam",
        precision="float64",
    ).fit(X)
    expected = pca.score_samples(X).mean()
    assert found.score_samples(X).mean() == pytest.approx(expected, abs=0.02)
    assert found.net_.module_.scale.item() == pytest.approx(pca.noise_variance_**0.5, rel=0.05)


def test_training_raises_the_likelihood_of_rows_that_it_has_not_seen():
    X, X_test = DIGITS[:1200], DIGITS[1200:]
    pca = PCA(8).fit(X)
    fitted = VariationalAutoencoderTransformer(8, random_state=0).fit(X)
    assert fitted.score_samples(X_test).mean() > pca.score_samples(X_test).mean() + 3
    assert fitted.best_loss_ < fitted.pca_loss_


def test_of_more_draws_the_bound_is_closer():
    fitted = small(likelihood="bernoulli", max_epochs=10).fit(BINARY)
    means = [
        fitted.set_params(n_importance_samples=n).score_samples(BINARY[:300]).mean()
        for n in (5, 50, 500)
    ]
    assert means[0] < means[1] < means[2]


def test_a_scaled_feature_has_its_own_volume():
    X = load_iris().data * [1.0, 10.0, 100.0, 0.1]
    pca = PCA(2).fit(StandardScaler().fit_transform(X))
    expected = pca.score_samples(StandardScaler().fit_transform(X)).mean() - np.log(X.std(0)).sum()
    fitted = small(2, scaling="standard", lr=1e-12, max_epochs=1).fit(X)
    assert fitted.score_samples(X).mean() == pytest.approx(expected, abs=0.02)


# Order, chunks, entries that are not observed


@every_likelihood
def test_a_score_depends_on_its_row_alone(likelihood):
    X = data_of(likelihood)
    fitted = small(likelihood=likelihood).fit(X)
    scores = fitted.score_samples(X)
    order = np.random.RandomState(0).permutation(len(X))
    assert_allclose(fitted.score_samples(X[order]), scores[order], rtol=1e-5)
    assert_allclose(fitted.score_samples(X[:3]), scores[:3], rtol=1e-5)
    assert_array_equal(fitted.score_samples(X), scores)


def test_entries_that_are_masked_count_for_nothing():
    X = np.ma.array(DIGITS[:300], mask=np.zeros((300, 64), bool))
    X[:, :8] = np.ma.masked
    fitted = small(lr=1e-12, max_epochs=1).fit(X)
    other = DIGITS[:300].copy()
    other[:, :8] = 1e3
    masked = np.ma.array(other, mask=X.mask)
    assert_allclose(fitted.score_samples(masked), fitted.score_samples(X))
    whole = small(lr=1e-12, max_epochs=1).fit(DIGITS[:300, 8:])
    n_lower = (fitted.score_samples(X) - whole.score_samples(DIGITS[:300, 8:])).mean()
    assert abs(n_lower) < 5  # the same entries, in another unit and with another scale


# Codes and draws


def test_the_deviations_are_those_of_the_posterior():
    fitted = small().fit(DIGITS)
    _, posterior = posterior_of(fitted, DIGITS)
    assert_allclose(fitted.transform(DIGITS), posterior.mean, rtol=1e-5, atol=1e-5)
    assert_allclose(fitted.transform_std(DIGITS), posterior.stddev, rtol=1e-5)
    assert fitted.transform_std(DIGITS.astype(np.float32)).dtype == np.float32


def test_codes_of_rows_and_their_noise_are_as_the_prior_has_them():
    fitted = VariationalAutoencoderTransformer(4, random_state=0).fit(DIGITS)
    noise = np.random.RandomState(0).standard_normal((len(DIGITS), 4))
    drawn = fitted.transform(DIGITS) + fitted.transform_std(DIGITS) * noise
    assert_allclose(drawn.mean(axis=0), 0, atol=0.3)
    assert_allclose(drawn.std(axis=0), 1, atol=0.5)  # exactly so where training has converged


def test_samples_are_what_codes_of_the_prior_stand_for():
    fitted = small().fit(DIGITS)
    codes = np.random.RandomState(5).standard_normal((20, 4)).astype(np.float32)
    assert_array_equal(fitted.sample(20, random_state=5), fitted.inverse_transform(codes))
    assert fitted.sample().shape == (1, 64)
    assert fitted.sample(2).dtype == np.float32
    assert small(precision="float64").fit(DIGITS).sample(2).dtype == np.float64


def test_samples_are_as_bright_as_rows():
    fitted = VariationalAutoencoderTransformer(8, random_state=0).fit(DIGITS)
    drawn = fitted.sample(2000, random_state=0)
    assert_allclose(drawn.mean(axis=0), DIGITS.mean(axis=0), atol=2.5)
    assert kstest(drawn.sum(axis=1), DIGITS.sum(axis=1)).statistic < 0.2


def test_one_seed_gives_one_sample():
    fitted = small().fit(DIGITS)
    one, other = (fitted.sample(3, random_state=seed) for seed in (0, 1))
    assert_array_equal(one, fitted.sample(3, random_state=0))
    assert (one != other).any()


# What else is asked


def test_a_greater_beta_takes_codes_to_the_prior():
    loose, tight = (small(beta=beta, max_epochs=20).fit(DIGITS) for beta in (0.1, 30.0))
    divergences = [np.square(each.transform(DIGITS)).mean() for each in (loose, tight)]
    assert divergences[1] < 0.7 * divergences[0]
    assert tight.transform_std(DIGITS).mean() > 2 * loose.transform_std(DIGITS).mean()


@pytest.mark.parametrize("parameters", [{"kl_warmup": 4}, {"free_bits": 1.0}], ids=str)
def test_warm_up_and_free_bits_leave_the_codes_more(parameters):
    plain, helped = (
        small(16, max_epochs=4, beta=8.0, **each).fit(DIGITS) for each in ({}, parameters)
    )
    deviations = [each.transform_std(DIGITS).mean() for each in (plain, helped)]
    assert deviations[1] < 0.95 * deviations[0]


def test_losses_count_all_of_the_divergence_in_every_epoch():
    fitted = small(beta=2.0, kl_warmup=3, free_bits=5.0, lr=1e-12).fit(DIGITS)
    losses = fitted.loss_curve_
    assert_allclose(losses, losses[0], rtol=0.01)
    plain = small(beta=2.0, lr=1e-12).fit(DIGITS)
    assert_allclose(losses, plain.loss_curve_, rtol=1e-5)


def test_the_divergence_counts_more_from_epoch_to_epoch_of_a_warm_up():
    counts = []

    class Listening(Callback):
        def on_epoch_end(self, net, **kwargs):
            counts.append(net._warmth)

    small(kl_warmup=4, max_epochs=6, callbacks=[Listening()]).fit(DIGITS)
    assert counts == [0, 0.25, 0.5, 0.75, 1, 1]


def test_in_the_first_epoch_of_a_warm_up_the_divergence_does_not_train():
    """And in the second, whose weight is whole, it does."""
    warm, without = (small(kl_warmup=1, beta=5.0), small(beta=0.0))
    weights = []
    for _ in range(2):
        for each in (warm, without):
            each.partial_fit(DIGITS)
            weights.append(each.transform(DIGITS))
    assert_allclose(weights[0], weights[1], atol=1e-4)
    assert np.abs(weights[2] - weights[3]).max() > 0.01
    assert warm.loss_curve_[0] > without.loss_curve_[0] + 1  # of which all is told


@pytest.mark.filterwarnings("default:.*of the codes are of no use:UserWarning")
def test_codes_that_collapse_are_told_of():
    with pytest.warns(UserWarning, match="of the codes are of no use"):
        fitted = small(32, beta=100.0, max_epochs=20).fit(DIGITS)
    active = fitted.active_units_
    assert active.dtype == bool
    assert active.shape == (32,)
    assert_array_equal(active, fitted.transform(DIGITS).var(axis=0) > 0.01)
    assert not active.all()
    fitted.partial_fit(DIGITS[:100])
    assert_array_equal(fitted.active_units_, fitted.transform(DIGITS[:100]).var(axis=0) > 0.01)


# Layers


def test_images_may_have_convolutions():
    fitted = small(image_shape=(8, 8), channels=(4,)).fit(DIGITS)
    assert any(isinstance(each, nn.Conv2d) for each in fitted.net_.module_.modules())
    assert fitted.sample(2, random_state=0).shape == (2, 64)
    with pytest.raises(ValueError, match=r"image_shape=\(8, 9\) has 72 values, but a row has 64"):
        small(image_shape=(8, 9)).fit(DIGITS)


def test_an_encoder_of_ones_own_gives_means_and_log_variances():
    widths = []

    def encoder(in_features, out_features):
        widths.append((in_features, out_features))
        return nn.Linear(in_features, out_features)

    fitted = small(encoder=encoder, decoder=nn.Linear).fit(DIGITS)
    assert set(widths) == {(64, 8)}
    assert fitted.transform(DIGITS).shape == (len(DIGITS), 4)
    with pytest.raises(ValueError, match=r"decoder=.*is a module"):
        small(decoder=nn.Linear(4, 64)).fit(DIGITS)


def test_it_is_searched_in_a_pipeline_by_its_likelihood():
    class Typical(Pipeline):
        def score(self, X, y=None):
            return self.score_samples(X).mean()

    pipeline = Typical([("scale", StandardScaler()), ("ae", small())])
    search = GridSearchCV(pipeline, {"ae__beta": [0.5, 1.0], "ae__encoding_dim": [2, 4]}, cv=2)
    search.fit(DIGITS[:200])
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_it_goes_on_and_is_pickled():
    fitted = small().fit(DIGITS)
    copy = pickle.loads(pickle.dumps(fitted))
    assert_array_equal(copy.score_samples(DIGITS), fitted.score_samples(DIGITS))
    copy.set_params(beta=0.5).partial_fit(DIGITS)
    assert copy.n_iter_ == 4
    with pytest.raises(ValueError, match="likelihood='laplace'"):
        copy.set_params(likelihood="laplace").partial_fit(DIGITS)


# Numbers


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
@pytest.mark.parametrize("linear_shortcut", [True, False])
def test_no_clean_rows_give_nan(likelihood, linear_shortcut):
    """Rows without noise have no greatest likelihood: the scale has a bound."""
    factors = np.random.RandomState(0).rand(200, 2)
    X = factors @ np.random.RandomState(1).rand(2, 10) / 2
    fitted = small(
        2,
        likelihood=likelihood,
        linear_shortcut=linear_shortcut,
        scaling=None if likelihood == "bernoulli" else "auto",
        lr=0.03,
        max_epochs=60,
    ).fit(X)
    assert np.isfinite(fitted.loss_curve_).all()
    assert np.isfinite(fitted.score_samples(X)).all()
    assert np.isfinite(fitted.sample(10, random_state=0)).all()


def test_variances_are_bounded_and_keep_a_slope():
    x = torch.tensor([-1e4, -13.0, 0.5, 13.0, 1e4], requires_grad=True)
    within = bounded(x)
    assert within.abs().max() <= 14
    torch.testing.assert_close(within[2], x[2], rtol=1e-4, atol=1e-4)
    within[1:4].sum().backward()
    assert (x.grad[1:4] > 0.2).all()


def test_rows_beyond_a_likelihood_are_refused_by_its_name():
    with pytest.raises(ValueError, match="likelihood='bernoulli'"):
        small(likelihood="bernoulli").fit(DIGITS)


@pytest.mark.parametrize(
    ("parameters", "match"),
    [
        ({"beta": -1.0}, "'beta' parameter"),
        ({"likelihood": "normal"}, "'likelihood' parameter"),
        ({"n_importance_samples": 0}, "'n_importance_samples' parameter"),
        ({"kl_warmup": 0.5}, "'kl_warmup' parameter"),
    ],
)
def test_parameters_out_of_range_are_refused(parameters, match):
    with pytest.raises(ValueError, match=match):
        small(**parameters).fit(DIGITS)


def test_samples_need_a_fit_and_a_number():
    with pytest.raises(NotFittedError):
        small().sample()
    with pytest.raises(ValueError, match="n_samples=0: must be at least 1"):
        small().fit(DIGITS[:100]).sample(0)
