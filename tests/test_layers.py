"""Layers of this package and of the user, in an autoencoder that is fitted."""

from copy import deepcopy
from functools import partial
from typing import ClassVar

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from torch import nn

from sklearn_ae import AutoencoderTransformer
from sklearn_ae.nn import ACTIVATIONS, TransposedLinear

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

DIGITS = load_digits().data
X = DIGITS[:240]


def _fitted(X=X, encoding_dim=4, **parameters):
    parameters = {
        "hidden_layer_sizes": (16,),
        "optimizer": "adam",
        "lr": 3e-3,
        "batch_size": 40,
        "max_epochs": 10,
        "early_stopping": False,
        "random_state": 0,
        **parameters,
    }
    return AutoencoderTransformer(encoding_dim, **parameters).fit(X)


def _pca_loss(n_components):
    return 1 - PCA(n_components, svd_solver="full").fit(X).explained_variance_ratio_.sum()


# Of this package


@pytest.mark.parametrize(("given", "sizes"), [(7, [7]), ((), []), ([9, 5], [9, 5])])
def test_hidden_layers_have_the_sizes_asked_for_and_the_decoder_mirrors_them(given, sizes):
    module = _fitted(hidden_layer_sizes=given, max_epochs=1).net_.module_
    encoder, decoder = module.encoder.layers, module.decoder[0].layers
    assert [layer.out_features for layer in encoder[::2]] == [*sizes, 4]
    assert [layer.out_features for layer in decoder[::2]] == [*sizes[::-1], 64]


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("tied_weights", [False, True])
def test_every_activation_starts_at_pca_and_never_ends_above_it(activation, tied_weights):
    autoencoder = _fitted(activation=activation, tied_weights=tied_weights)
    assert autoencoder.pca_loss_ == pytest.approx(_pca_loss(4), rel=1e-4)
    assert 1 - autoencoder.score(X) <= _pca_loss(4) * (1 + 1e-5)


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS.keys() - {"identity"}))
def test_every_activation_improves_on_pca(activation):
    autoencoder = _fitted(activation=activation, lr=1e-2, max_epochs=40)
    assert autoencoder.best_loss_ < 0.9 * autoencoder.pca_loss_


# A sigmoid is nearly linear over the small codes of the start, where PCA is the best there is.
@pytest.mark.parametrize("activation", sorted(ACTIVATIONS.keys() - {"identity", "sigmoid"}))
def test_tied_weights_improve_on_pca(activation):
    autoencoder = _fitted(
        activation=activation, tied_weights=True, hidden_layer_sizes=(64,), max_epochs=60
    )
    assert autoencoder.best_loss_ < 0.9 * autoencoder.pca_loss_


def test_more_layers_are_much_better_than_pca():
    autoencoder = _fitted(DIGITS, 16, hidden_layer_sizes=(64,), max_epochs=40)
    assert autoencoder.best_loss_ < 0.6 * autoencoder.pca_loss_


@pytest.mark.parametrize("linear_shortcut", [True, False])
def test_tied_weights_stay_the_same_weights(linear_shortcut):
    module = _fitted(tied_weights=True, linear_shortcut=linear_shortcut).net_.module_
    tied = [layer for layer in module.decoder.modules() if isinstance(layer, TransposedLinear)]
    weights = [layer.weight for layer in module.encoder.modules() if isinstance(layer, nn.Linear)]
    assert len(tied) == (3 if linear_shortcut else 2)
    assert {id(layer.weight) for layer in tied} == {id(weight) for weight in weights}


def test_a_tied_linear_autoencoder_converges_to_the_error_of_pca():
    autoencoder = _fitted(
        hidden_layer_sizes=(),
        tied_weights=True,
        linear_shortcut=False,
        lr=2e-2,
        max_epochs=200,
    )
    assert _pca_loss(4) * 0.9999 < 1 - autoencoder.score(X) < _pca_loss(4) * 1.01


def test_more_codes_than_features_can_be_trained_without_the_shortcut():
    rows = X[:, 18:22]
    autoencoder = _fitted(rows, 9, linear_shortcut=False, lr=1e-2, max_epochs=30)
    assert autoencoder.n_iter_ == 30
    assert autoencoder.score(rows) > 0.5


# Of the user


def _mlp(in_features, out_features):
    return nn.Sequential(nn.Linear(in_features, 12), nn.Tanh(), nn.Linear(12, out_features))


def _normalised(in_features, out_features):
    return nn.Sequential(nn.BatchNorm1d(in_features), nn.Linear(in_features, out_features))


@pytest.mark.parametrize("half", [nn.Linear, _mlp, _normalised])
@pytest.mark.parametrize("names", [("encoder",), ("decoder",), ("encoder", "decoder")], ids=str)
def test_layers_of_the_user_start_at_pca_and_never_end_above_it(half, names):
    autoencoder = _fitted(**dict.fromkeys(names, half))
    assert autoencoder.pca_loss_ == pytest.approx(_pca_loss(4), rel=1e-4)
    assert 1 - autoencoder.score(X) <= _pca_loss(4) * (1 + 1e-5)


def test_layers_of_the_user_improve_on_pca():
    autoencoder = _fitted(encoder=_mlp, decoder=_mlp, lr=1e-2, max_epochs=40)
    assert autoencoder.best_loss_ < 0.9 * autoencoder.pca_loss_


def test_layers_of_the_user_are_all_there_is_without_the_shortcut():
    autoencoder = _fitted(encoder=nn.Linear, decoder=nn.Linear, linear_shortcut=False)
    encoder = autoencoder.net_.module_.encoder
    assert isinstance(encoder, nn.Linear)
    inside = (X - X.mean(axis=0)) / np.sqrt(X.var(axis=0).mean())
    expected = inside @ encoder.weight.detach().numpy().T + encoder.bias.detach().numpy()
    np.testing.assert_allclose(autoencoder.transform(X), expected, atol=1e-4)


def test_layers_of_the_user_train_in_the_precision_asked_for():
    module = _fitted(encoder=_mlp, precision="float64", max_epochs=1).net_.module_
    assert {parameter.dtype for parameter in module.parameters()} == {torch.float64}


def test_layers_of_the_user_may_have_a_precision_of_their_own():
    def double(in_features, out_features):
        return _mlp(in_features, out_features).double()

    module = _fitted(encoder=double, max_epochs=1).net_.module_
    assert {parameter.dtype for parameter in module.parameters()} == {torch.float32}


def test_layers_of_the_user_may_have_no_parameters():
    def first(in_features, out_features):
        return nn.Sequential(
            nn.Unflatten(1, (1, in_features)), nn.AdaptiveAvgPool1d(out_features), nn.Flatten()
        )

    autoencoder = _fitted(encoder=first)
    assert autoencoder.best_loss_ <= autoencoder.pca_loss_


def test_layers_of_the_user_that_give_more_than_codes_are_named():
    with pytest.raises(ValueError, match=r"encoder=.*(?i:tuple)"):
        _fitted(encoder=nn.LSTM)


def test_the_output_activation_ends_a_decoder_of_the_user_too():
    rebuilt = _fitted(X / 16, decoder=_mlp, output_activation="sigmoid").reconstruct(X / 16)
    assert 0 <= rebuilt.min() < rebuilt.max() <= 1


def test_dropout_is_off_in_use_and_on_in_training():
    class Dropout(nn.Dropout):
        modes: ClassVar[list[bool]] = []

        def forward(self, x):
            if len(x) > 2:  # two rows are tried, to see whether it draws
                self.modes.append(self.training)
            return super().forward(x)

    def dropping(in_features, out_features):
        return nn.Sequential(Dropout(0.5), nn.Linear(in_features, out_features))

    autoencoder = _fitted(encoder=dropping, max_epochs=1)
    assert sum(Dropout.modes) == 6  # the steps of an epoch
    Dropout.modes.clear()
    np.testing.assert_array_equal(autoencoder.transform(X), autoencoder.transform(X))
    assert not any(Dropout.modes)


def test_running_means_are_those_of_the_weights_kept():
    # At such a rate no epoch is better than the start, whose running mean is zero.
    autoencoder = _fitted(encoder=_normalised, lr=10.0, lr_schedule="constant", max_epochs=2)
    assert autoencoder.best_epoch_ == 0
    assert not autoencoder.net_.module_.encoder.layers[0].running_mean.any()


def _deep(in_features, out_features):
    return nn.Sequential(
        nn.BatchNorm1d(in_features),
        nn.Linear(in_features, 12),
        nn.Dropout(0.1),
        nn.Linear(12, out_features),
    )


def _deep_lazily(in_features, out_features):
    return nn.Sequential(
        nn.LazyBatchNorm1d(), nn.LazyLinear(12), nn.Dropout(0.1), nn.LazyLinear(out_features)
    )


@pytest.mark.parametrize("names", [("encoder",), ("decoder",), ("encoder", "decoder")], ids=str)
@pytest.mark.parametrize(
    ("eager", "lazy"),
    [(nn.Linear, lambda n_in, n_out: nn.LazyLinear(n_out)), (_deep, _deep_lazily)],
    ids=["linear", "deep"],
)
def test_lazy_layers_are_those_of_the_widths_that_they_see(eager, lazy, names):
    expected, autoencoder = (_fitted(**dict.fromkeys(names, half)) for half in (eager, lazy))
    assert autoencoder.loss_curve_ == expected.loss_curve_
    np.testing.assert_array_equal(autoencoder.transform(X), expected.transform(X))
    assert autoencoder.partial_fit(X).loss_ == expected.partial_fit(X).loss_


def _with_lazy_layers_aside(in_features, out_features):
    module = nn.Linear(in_features, out_features)
    module.aside = nn.LazyLinear(3)
    return module


def _with_a_generator(in_features, out_features):
    module = nn.Linear(in_features, out_features)
    module.lines = (line for line in "abc")
    return module


class _WithWidth(nn.Linear):
    def __init__(self, in_features, out_features, width):
        super().__init__(in_features, out_features)


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize(
    ("half", "message"),
    [
        (lambda *widths: torch.jit.script(nn.Linear(*widths)), "no copy.*can be trained"),
        (
            lambda *widths: nn.Sequential(torch.jit.script(nn.Linear(*widths))),
            "no copy.*can be trained",
        ),
        (
            lambda *widths: torch.jit.trace(nn.Linear(*widths), torch.zeros(2, widths[0])),
            "no copy.*can be trained",
        ),
        (_with_lazy_layers_aside, "lazy layers that no row goes through"),
        (_with_a_generator, "can't be copied: .*generator"),
        (_WithWidth, r"as encoder\(64, 4\).*'width'.*functools\.partial"),
        (lambda: nn.Linear(64, 4), r"as encoder\(64, 4\).*takes 0 positional"),
        (lambda n_in, n_out: nn.Embedding(n_in, n_out), "failed on two rows of 64 features"),
        (lambda n_in, n_out: nn.Linear(n_in, n_out, device="meta"), "failed on two rows"),
    ],
)
def test_layers_that_can_not_be_trained_are_named_with_why(half, message):
    with pytest.raises(ValueError, match=f"(?s)encoder=.*{message}"):
        _fitted(encoder=half)


class _Counting(nn.Module):
    """Has buffers of each kind, and writes into them while it trains."""

    def __init__(self, in_features, out_features):
        super().__init__()
        self.layer = nn.Linear(in_features, out_features)
        self.register_buffer("n_steps", torch.zeros((), dtype=torch.int64))
        self.register_buffer("mean", torch.zeros(in_features), persistent=False)
        self.register_buffer("nothing", None)

    def forward(self, x):
        if self.training:
            self.n_steps += 1
            self.mean = x.detach().mean(dim=0)
        return self.layer(x - self.mean)


def _compiled(in_features, out_features):
    return torch.compile(nn.Linear(in_features, out_features), backend="eager")


def _compiled_in_place(in_features, out_features):
    module = nn.Linear(in_features, out_features)
    module.compile(backend="eager")
    return module


def _hooked(in_features, out_features):
    module = nn.Linear(in_features, out_features)
    module.register_forward_hook(lambda module, x, y: 2 * y)
    return module


def _normed(in_features, out_features):
    return nn.utils.parametrizations.weight_norm(nn.Linear(in_features, out_features))


def _frozen(in_features, out_features):
    return nn.Linear(in_features, out_features).requires_grad_(False)


@pytest.mark.parametrize(
    "half",
    [
        partial(_WithWidth, width=3),
        _Counting,
        _compiled,
        _compiled_in_place,
        _hooked,
        _normed,
        _frozen,
    ],
)
def test_layers_of_every_kind_are_trained_copied_and_go_on(half):
    autoencoder = _fitted(encoder=half, warm_start=True, max_epochs=2)
    assert autoencoder.best_loss_ <= autoencoder.pca_loss_

    copied = deepcopy(autoencoder).partial_fit(X)
    assert copied.loss_ == autoencoder.partial_fit(X).loss_
    np.testing.assert_array_equal(copied.transform(X), autoencoder.transform(X))
    assert autoencoder.fit(X).n_iter_ == 5


def test_a_module_that_a_function_gives_each_time_stays_the_users():
    own = nn.Linear(64, 4)
    before = own.weight.clone()
    autoencoder = _fitted(encoder=lambda *widths: own)
    np.testing.assert_array_equal(own.weight.detach(), before.detach())
    assert own.training
    np.testing.assert_array_equal(
        _fitted(encoder=lambda *widths: own).transform(X), autoencoder.transform(X)
    )


# Codes that carry nothing


class _Dead(nn.Sequential):
    """Codes of which the last never fires."""

    def __init__(self, in_features, out_features):
        super().__init__(nn.Linear(in_features, out_features), nn.ReLU())
        nn.init.constant_(self[0].bias[-1:], -1e6)
        nn.init.constant_(self[0].bias[:-1], 5.0)


def test_a_unit_that_never_fires_is_counted_as_a_constant_code():
    with pytest.warns(UserWarning, match=r"1 of the 4 codes are constant.*Lower encoding_dim"):
        _fitted(encoder=_Dead, linear_shortcut=False)


def test_a_penalty_that_leaves_nothing_of_the_codes_gives_a_warning_that_counts_them():
    parameters = {"encoding_dim": 8, "linear_shortcut": False, "lr": 1e-2, "max_epochs": 30}
    with pytest.warns(UserWarning, match="8 of the 8 codes are constant.*penalties"):
        autoencoder = _fitted(sparsity_penalty=1.0, **parameters)
    # That they carry nothing is seen from what they rebuild: the mean.
    assert abs(autoencoder.score(X)) < 1e-3
    assert _fitted(**parameters).score(X) > 0.5
