"""What holds on any rows: their error is never above that of PCA of the rows trained on."""

import warnings

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split

from sklearn_ae import AutoencoderTransformer
from sklearn_ae._training.random import seeds


@st.composite
def tables(draw):
    """Rows of any shape, rank, spread and offset, some of them alike."""
    n_samples, n_features = draw(st.integers(2, 40)), draw(st.integers(1, 12))
    rank = draw(st.integers(1, n_features))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    X = rng.standard_normal((n_samples, rank)) @ rng.standard_normal((rank, n_features))
    X **= draw(st.sampled_from([1, 3]))
    X = X[rng.integers(0, n_samples, n_samples)] if draw(st.booleans()) else X
    X *= 10.0 ** rng.integers(-3, 4, n_features) if draw(st.booleans()) else 1
    X = draw(st.sampled_from([1e-6, 1, 1e6])) * (X + draw(st.sampled_from([0, 5, 1e4])))
    return X.astype(draw(st.sampled_from([np.float32, np.float64])))


@settings(max_examples=60, deadline=None)
@given(
    X=tables(),
    encoding_dim=st.integers(1, 6),
    lr=st.sampled_from([1e-3, 0.1]),
    early_stopping=st.booleans(),
    tied_weights=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_the_error_is_never_above_that_of_pca_of_the_rows_trained_on(
    X, encoding_dim, lr, early_stopping, tied_weights, seed
):
    X64 = X.astype(np.float64)
    centred = X64 - X64.mean(axis=0)
    early_stopping = early_stopping and len(X) >= 20
    train = X64
    if early_stopping:
        (_, of_split), n_held_out = seeds(seed, 2), round(0.1 * len(X))
        train, _ = train_test_split(X64, test_size=n_held_out, random_state=of_split)
    rounding = 4 * np.finfo(X.dtype).eps * np.abs(train).max(axis=0)
    if (train.std(axis=0) <= rounding).all():
        return  # rows that are alike but for rounding are refused
    autoencoder = AutoencoderTransformer(
        encoding_dim,
        hidden_layer_sizes=(8,),
        lr=lr,
        batch_size=8,
        max_epochs=4,
        early_stopping=early_stopping,
        tied_weights=tied_weights,
        random_state=seed,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # too few epochs, constant codes
        autoencoder.fit(X)
    pca = PCA(min(encoding_dim, *train.shape), svd_solver="full").fit(train)
    of_pca = np.square(pca.inverse_transform(pca.transform(X64)) - X64).mean()

    error = np.square(autoencoder.reconstruct(X).astype(np.float64) - X64).mean()

    # Rounding of float32: of the network, and of rows that come and go in float32 themselves.
    rounding = 1e-5 * np.square(centred).mean()
    if X.dtype == np.float32:
        rounding += np.square(1e-6 * X64).mean()
    assert error <= of_pca * (1 + 1e-4) + rounding
