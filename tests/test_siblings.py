"""Small siblings of the estimators: each changes one thing through its hook, and copies nothing."""

from typing import ClassVar

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA, FastICA
from torch import nn

from sklearn_ae._base import _BaseAutoencoder
from sklearn_ae._parameters import NETWORK, TRAINING
from sklearn_ae._training.batches import n_batches
from sklearn_ae._training.net import AutoencoderNet
from sklearn_ae._training.objective import Objective
from sklearn_ae._training.start import Start
from sklearn_ae.nn import Autoencoder, dense, shortcuts_of, with_shortcuts

DIGITS = load_digits().data[:400]
# Without the pixels that are always black, of which FastICA would take a sign.
X, X_VAL = np.split(DIGITS[:, np.ptp(DIGITS[:300], axis=0) > 0], [300])


class Sibling(_BaseAutoencoder):
    """What the siblings below have in common: a few parameters, and no objective to choose."""

    _parameter_constraints: ClassVar[dict] = {
        "encoding_dim": NETWORK["encoding_dim"],
        **{name: TRAINING[name] for name in ("lr", "max_epochs", "batch_size", "random_state")},
    }

    def __init__(self, encoding_dim=4, *, lr=1e-2, max_epochs=30, batch_size=50, random_state=None):
        self.encoding_dim = encoding_dim
        self.lr = lr
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.random_state = random_state

    def _build_module(self, n_features, generator):
        sizes = {"hidden_layer_sizes": (16,), "generator": generator}
        return (
            dense(n_features, self.encoding_dim, **sizes),
            dense(self.encoding_dim, n_features, **sizes),
        )


# A code that is not all that the encoder gives, and an objective of its own: 40 lines.


class Mean(nn.Module):
    """The first half of what the encoder gives."""

    def forward(self, encoded):
        return encoded[:, : encoded.shape[1] // 2]


class VariationalModule(Autoencoder):
    def __init__(self, *arguments):
        super().__init__(*arguments, head=Mean())


class VariationalNet(AutoencoderNet):
    def __init__(self, *arguments, beta=1.0, **parameters):
        self.beta = beta
        super().__init__(*arguments, **parameters)

    def row_loss(self, batch, generator):
        mean, log_variance = self.module_.encoder(self.corrupted(batch, generator)).chunk(2, dim=1)
        noise = torch.randn(mean.shape, generator=generator)
        code = mean + (log_variance / 2).exp() * noise
        output = self.module_.decoder(code)
        rebuilt = self.criterion_.row_losses(self.module_, batch.target, code, output, batch)
        divergence = (mean**2 + log_variance.exp() - log_variance - 1).sum(dim=1) / 2
        return rebuilt + self.beta * divergence / output.shape[1], output


class Variational(Sibling):
    _module_class = VariationalModule
    _net_class = VariationalNet

    def __init__(
        self, encoding_dim=4, *, beta=0.1, lr=1e-2, max_epochs=30, batch_size=50, random_state=None
    ):
        super().__init__(
            encoding_dim,
            lr=lr,
            max_epochs=max_epochs,
            batch_size=batch_size,
            random_state=random_state,
        )
        self.beta = beta

    _parameter_constraints: ClassVar[dict] = {**Sibling._parameter_constraints, "beta": [float]}

    def _build_module(self, n_features, generator):
        encoder = dense(n_features, 2 * self.encoding_dim, generator=generator)
        return encoder, dense(self.encoding_dim, n_features, generator=generator)

    def _net_parameters(self):
        return {"beta": self.beta}


# A start of its own: at the axes of another method.


class StartsAtICA(Sibling):
    def _build_module(self, n_features, generator):
        encoder, decoder = super()._build_module(n_features, generator)
        return with_shortcuts(encoder, decoder, n_features, self.encoding_dim, generator=generator)

    @torch.no_grad()
    def _start(self, module, rows):
        x = np.concatenate([batch.target for batch in rows.batches(100, rescale=module.rescale)])
        ica = FastICA(self.encoding_dim, random_state=0, max_iter=1000).fit(x)
        into, back = shortcuts_of(module)
        into.weight.copy_(torch.from_numpy(ica.components_))
        into.bias.copy_(torch.from_numpy(-ica.components_ @ ica.mean_))
        back.weight.copy_(torch.from_numpy(ica.mixing_))
        back.bias.copy_(torch.from_numpy(ica.mean_))
        return Start()


# Batches in which each row is with a probability of its own, whose loss is divided by the
# number that is expected: no row's share depends on another's being there.


class Sum(Objective):
    def __init__(self, loss, *, expected, **parameters):
        super().__init__(loss, **parameters)
        self.expected = expected

    def shares(self, row_losses, weight=None):
        assert weight is None
        return 1 / self.expected


class PoissonNet(AutoencoderNet):
    def draw_batches(self, n_samples):
        n_times = n_batches(n_samples, self.batch_size)
        drawn = torch.rand(n_times, n_samples, generator=self.generator_)
        in_batch = drawn < self.batch_size / n_samples
        return in_batch.nonzero()[:, 1].numpy(), in_batch.sum(dim=1).tolist()


class Poisson(Sibling):
    _net_class = PoissonNet

    def _net_parameters(self):
        return {"criterion": Sum, "criterion__expected": self.batch_size}


SIBLINGS = [Variational, StartsAtICA, Poisson]
every_sibling = pytest.mark.parametrize("Sibling", SIBLINGS)
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


# All of them are estimators in full


@every_sibling
def test_a_sibling_can_be_used_in_every_way(Sibling):
    fitted = Sibling(random_state=0).fit(X, X_val=X_VAL)
    codes = fitted.transform(X)
    assert codes.shape == (300, 4)
    assert_array_equal(fitted.inverse_transform(codes), fitted.reconstruct(X))
    errors = np.square(fitted.reconstruct(X) - X)
    assert_allclose(fitted.reconstruction_error(X, per_feature=True), errors, rtol=1e-3, atol=1e-3)
    assert_allclose(fitted.score_samples(X), -errors.mean(axis=1), rtol=1e-4)
    lost = errors.sum() / (X.var(axis=0).sum() * len(X))
    assert fitted.score(X) == pytest.approx(1 - lost, rel=1e-4)
    with torch.no_grad():
        assert_allclose(fitted.encoder_(torch.from_numpy(X)), codes, rtol=1e-4, atol=1e-5)
        assert_allclose(fitted.decoder_(torch.from_numpy(codes)), fitted.reconstruct(X), atol=1e-4)


@every_sibling
def test_a_sibling_learns(Sibling):
    fitted = Sibling(random_state=0).fit(X)
    assert fitted.score(X) > 0.3
    assert fitted.loss_ < 0.7 * fitted.loss_curve_[0] or fitted.best_loss_ < fitted.loss_curve_[0]


@every_sibling
def test_a_sibling_is_repeatable_and_goes_on(Sibling):
    one, other = (Sibling(random_state=3, max_epochs=2).fit(X).partial_fit(X) for _ in range(2))
    assert_array_equal(one.transform(X), other.transform(X))
    assert one.n_iter_ == 3
    one.set_params(lr=1e-3).partial_fit(X)
    assert one.net_.optimizer_.param_groups[0]["lr"] == 1e-3


@every_sibling
def test_the_net_of_a_sibling_is_built_anew_without_rows(Sibling):
    net = Sibling(random_state=0, max_epochs=2).fit(X).net_
    rebuilt = clone(net).initialize()
    assert type(rebuilt.module_) is type(net.module_)
    assert rebuilt.module_.state_dict().keys() == net.module_.state_dict().keys()
    assert len(rebuilt.fit(X).history) == 2


@every_sibling
def test_the_rows_in_memory_are_the_users(Sibling):
    rows = X.copy()
    Sibling(random_state=0, max_epochs=2).fit(rows).score(rows)
    assert_array_equal(rows, X)


# What is special to each


def test_a_variational_code_is_the_mean_and_its_parameter_arrives():
    fitted = Variational(beta=0.5, random_state=0).fit(X)
    module = fitted.net_.module_
    with torch.no_grad():
        encoded = module.encoder(module.rescale(torch.from_numpy(X)))
    assert encoded.shape == (300, 8)
    assert_allclose(fitted.transform(X), encoded[:, :4], atol=1e-5)
    assert fitted.net_.beta == 0.5


def test_a_variational_code_is_the_closer_to_a_normal_one_the_greater_beta():
    loose, tight = (Variational(beta=beta, random_state=0).fit(X) for beta in (0.01, 100.0))
    assert np.square(tight.transform(X)).mean() < 0.1 * np.square(loose.transform(X)).mean()


def test_an_objective_of_its_own_is_what_is_evaluated():
    fitted = Variational(beta=0.5, random_state=0, max_epochs=3).fit(X, X_val=X_VAL)
    net = fitted.net_
    x = net.module_.rescale(torch.from_numpy(X_VAL))
    with torch.no_grad():
        mean, log_variance = net.module_.encoder(x).chunk(2, dim=1)
        noise = torch.randn(mean.shape, generator=torch.Generator().manual_seed(net.seed))
        code = torch.distributions.Normal(mean, (log_variance / 2).exp())
        output = net.module_.decoder(mean + code.stddev * noise)
        divergence = torch.distributions.kl_divergence(code, torch.distributions.Normal(0, 1))
        expected = (output - x).square().mean() + 0.5 * divergence.sum(dim=1).mean() / X.shape[1]
    best = fitted.validation_loss_curve_[fitted.best_epoch_ - 1]
    assert fitted.best_loss_ == best == pytest.approx(expected.item(), rel=1e-5)


def test_a_start_of_its_own_is_where_the_training_begins():
    fitted = StartsAtICA(lr=1e-12, max_epochs=1, random_state=0).fit(X)
    pca = PCA(4, svd_solver="full").fit(X)  # whose plane ICA keeps
    assert 1 - fitted.score(X) == pytest.approx(1 - pca.explained_variance_ratio_.sum(), rel=1e-3)
    codes = fitted.transform(X)
    assert_allclose(np.corrcoef(codes.T), np.eye(4), atol=1e-3)
    kurtosis = np.mean(((codes - codes.mean(0)) / codes.std(0)) ** 4, axis=0) - 3
    of_pca = pca.transform(X) / pca.transform(X).std(axis=0)
    assert np.abs(kurtosis).sum() > np.abs(np.mean(of_pca**4, axis=0) - 3).sum()


def test_a_start_of_its_own_is_a_candidate_and_not_called_pca():
    fitted = StartsAtICA(lr=10.0, max_epochs=2, random_state=0).fit(X)
    assert fitted.best_epoch_ == 0
    assert fitted.best_loss_ == fitted.net_.start_loss_
    assert fitted.pca_loss_ is None


def test_poisson_batches_vary_in_size_around_the_number_asked_for():
    net = Poisson(random_state=0, batch_size=20, max_epochs=1).fit(X).net_
    sizes = [size for _ in range(200) for size in net.draw_batches(300)[1]]
    assert len(sizes) == 200 * 15
    assert np.mean(sizes) == pytest.approx(20, rel=0.02)
    assert np.var(sizes) == pytest.approx(20 * (1 - 20 / 300), rel=0.1)


def test_batches_that_are_drawn_may_be_empty():
    fitted = Poisson(random_state=0, batch_size=1, max_epochs=2).fit(X[:40])
    assert 0 in fitted.net_.draw_batches(40)[1]
    assert np.isfinite(fitted.loss_curve_).all()


def test_the_gradient_of_a_row_may_depend_on_no_other():
    net = Poisson(random_state=0, max_epochs=1).fit(X).net_

    def gradient(rows):
        (batch,) = net.get_dataset(rows).batches(len(rows), rescale=net.module_.rescale)
        row_losses, _ = net.row_loss(batch, net.generator_)
        loss = net.criterion_.reduce(row_losses)
        return torch.cat([g.ravel() for g in torch.autograd.grad(loss, net.module_.parameters())])

    alone = gradient(X[:1]) + gradient(X[1:7])
    torch.testing.assert_close(gradient(X[:7]), alone, rtol=1e-4, atol=1e-6)
