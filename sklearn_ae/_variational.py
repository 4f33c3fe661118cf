"""The variational autoencoder."""

from collections.abc import Sequence
from os import PathLike
from typing import Any, ClassVar, Self, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted
from skorch.callbacks import Callback
from torch import Generator, Tensor, nn
from torch.optim import Optimizer

from sklearn_ae._base import _BaseAutoencoder, checked_output
from sklearn_ae._compat import StrOptions, warn
from sklearn_ae._holding_out import weight_dtype
from sklearn_ae._layers import Half, conv_halves, dense_halves, own_half
from sklearn_ae._parameters import CONVOLUTIONS, LAYERS, NETWORK, TRAINING, VARIATIONAL
from sklearn_ae._training.batches import Rows
from sklearn_ae._training.net import AutoencoderNet
from sklearn_ae._training.scores import LikelihoodScores
from sklearn_ae._training.start import Start, start_at_probabilistic_pca
from sklearn_ae._training.statistics import variance_of_codes
from sklearn_ae._training.surroundings import undisturbed
from sklearn_ae._training.variational import LIKELIHOODS, VariationalNet
from sklearn_ae.nn import OUTPUT_ACTIVATIONS, Autoencoder, VariationalAutoencoder

# Of a code that is of use: Burda, Grosse and Salakhutdinov (2016).
_LEAST_VARIANCE = 0.01


class VariationalAutoencoderTransformer(_BaseAutoencoder):
    """Variational autoencoder, dense or of convolutions, that starts at probabilistic PCA.

    The code of a row is a normal distribution, that of a new row a standard normal one: so rows
    can be drawn, and their likelihood has a lower bound, which training raises. What `transform`
    gives is the mean. Beside their layers, encoder and decoder have a linear map that is set to
    probabilistic PCA, so that training starts at its likelihood and goes on from there.

    Parameters
    ----------
    encoding_dim : int, float or "auto", default="auto"
        Width of the code. A float in (0, 1) is the share of the variance that as many
        principal components are to keep. "auto" is one less than the features that vary, and
        at most 32.
    image_shape : sequence of int, default=None
        Shape of the images that rows are: (height, width), or (height, width, channels) with
        the channels last, as scikit-image and matplotlib have them. None is dense layers for a
        variational autoencoder, and else signals of one channel, over which convolutions go along
        the features.
    channels : int or sequence of int, default=(16, 16)
        Channels after each convolution of the encoder, which halves height and width, rounded
        up; the decoder mirrors them.
    kernel_size : int, default=3
        Height and width of the kernels, odd.
    hidden_layer_sizes : int, sequence of int or "auto", default="auto"
        Widths of the encoder's dense hidden layers, which follow its convolutions where it has
        any; the decoder mirrors them. ``()`` is none. "auto" is (512, 256), and less where the
        first of them would have more than a million weights.
    activation : {"relu", "leaky_relu", "elu", "gelu", "silu", "tanh", "sigmoid", "identity"}, \
            default="gelu"
        What follows each hidden layer. The code itself is linear.
    linear_shortcut : bool, default=True
        Whether encoder and decoder each add a linear map to their layers. It starts at the
        principal components, and the layers start at zero: by their last weights, or, tied
        ones and those of the user, by a factor.
    encoder, decoder : callable, default=None
        Classes or functions called as ``encoder(n_features, encoding_dim)`` and
        ``decoder(encoding_dim, n_features)`` that give a module from (n, in) to (n, out), as
        `torch.nn.Linear` does; a variational encoder is asked for twice `encoding_dim`, means and
        then logarithms of variances. None is the layers above.
    likelihood : {"gaussian", "laplace", "bernoulli"}, default="gaussian"
        How rows are distributed around what the decoder gives: the first two with one scale
        for all features, in the units after `scaling`, that is learnt; "bernoulli" is for rows
        of 0 and 1, or between, whose probabilities the decoder gives.
    beta : float, default=1.0
        Factor of the divergence of the codes from the prior. More than 1 makes codes more
        independent of each other and of fewer use.
    kl_warmup : int, default=0
        Epochs over which that factor grows from zero, so that codes come to use before the
        prior takes them back.
    free_bits : float, default=0.0
        Divergence of each code of a row, in nats, that training does not make less. The losses
        that are recorded, and by which weights are kept, count all of it.
    n_importance_samples : int, default=50
        Draws of the code of a row by which `score_samples` comes to its bound. The more, the
        closer it is to the likelihood.
    optimizer : {"adam", "adamw", "sgd"} or class, default="adamw"
        How a step is taken. A class is one of `torch.optim`; `torch.optim.Adam`, `AdamW` and
        `SGD` are as fast as their names, with torch's own defaults.
    optimizer_params : dict, default=None
        Its further parameters. Weight decay acts on the weights of the layers alone; it is
        0.3 for "adamw" unless given. A group in "param_groups" may have a "lr" of its own.
    lr : float or "auto", default="auto"
        Learning rate, the greatest of a schedule. "auto" is 3e-3, or 1e-3 where
        cross-validation says so.
    lr_schedule : {"constant", "cosine", "one_cycle"}, default="one_cycle"
        How the rate moves over all steps of a fit. "cosine" takes it from `lr` to zero,
        "one_cycle" up to `lr` and then to zero.
    batch_size : int or "auto", default="auto"
        Rows in a step. "auto" is a fortieth of the rows, from 8 to 256; of few rows, where
        cross-validation says so, a twentieth, at least 16, or a fifth, at least 40.
    max_epochs : int or "auto", default="auto"
        How often a fit goes over the rows at most. "auto" is 20, or 45 where cross-validation
        says so.
    tol : float, default=1e-4
        Share of the least loss by which an epoch has to improve it to count as better. It does
        nothing with a schedule.
    n_iter_no_change : int, default=10
        With a constant rate, epochs in a row without improvement that end the fit. It does
        nothing with a schedule, which is gone through to its end.
    early_stopping : bool or "auto", default="auto"
        Whether to hold rows out and to keep the weights of least loss on them. The fit ends
        before `max_epochs` only with ``lr_schedule="constant"``, when that loss no longer
        falls. Where the fit starts at PCA, the weights kept may lie on the line from these back
        to the start. "auto" holds rows out from 1,000 up, since the tenth of fewer is too small
        to choose by, and where a callback looks at their loss; else three-fold cross-validation
        says how far to go on that line and, of 100 rows or more, how fast to train where that
        is left open. False does neither.
    validation_fraction : float, default=0.1
        Share of the rows that are held out, in (0, 1).
    warm_start : bool, default=False
        Whether a fit goes on from the weights of the last.
    random_state : int, RandomState instance or None, default=None
        Where initialisation, held-out rows, order and noise are drawn from. With None it is
        numpy's global generator, which an int leaves alone.
    scaling : {"auto", "global", "standard", "range", "spread"} or None, default="auto"
        Units of the network. "global" centres each feature and divides all by one scale;
        "standard" divides each by its own; "range" is one affine map to [0, 1], from the
        range of the type for unsigned images; "spread" divides all by one scale and leaves
        zero where it is. "auto" is "global" for an identity output, for a sigmoid "range"
        with integers and None with floats, and for a softplus "spread".
    device : {"cpu", "cuda", "mps", "auto"}, default="cpu"
        Where the network is.
    precision : {"float32", "float64", "bfloat16"}, default="float32"
        What it computes in. With "bfloat16" the layers train in that and the weights are kept,
        and used, in float32: faster for wide layers and large batches where the processor has
        instructions for it, slower for others.
    callbacks : list of skorch callbacks, default=None
        They listen to the training; copies of them are in ``net_.callbacks_``. Those that move
        the learning rate need ``lr_schedule="constant"``.
    checkpoint : str or path-like, default=None
        A file to keep the training in while it goes on, so that a fit to the same data with the
        same parameters goes on where a process was killed, and comes to the same weights. It
        stays after the fit. Another fit that finds it is refused, so that fits of a search have no
        common one. It does not go with callbacks and `warm_start`, and needs what :func:`save`
        does.
    checkpoint_every : int, default=1
        Epochs from one checkpoint to the next.
    verbose : int, default=0
        1 shows a progress bar, in a terminal or notebook; 2 prints a line an epoch.

    Attributes
    ----------
    net_ : skorch.NeuralNet
        The trained net: module, optimizer, history.
    encoding_dim_ : int
        Width of the code.
    encoder_, decoder_ : torch.nn.Module
        The halves of the module, in the units of the data.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Their names, where X has them.
    n_iter_ : int
        Number of epochs.
    loss_ : float
        Mean objective of the last epoch.
    loss_curve_ : list of float
        Mean objective of each epoch while training. The objective is in the units of the
        network: with scaling "global" a squared error is the share of the variance lost.
    validation_loss_curve_ : list of float or None
        Objective on the validation rows after each epoch, NaN for epochs that had none.
    active_units_ : ndarray of bool of shape (`encoding_dim_`,)
        Whether each code is of use: its mean varies by more than 0.01 over the training rows.
    best_loss_ : float
        Objective of the weights kept: on the validation rows if there are any, else over all
        rows. Without PCA to compare with it is, of the latter, the mean while training.
    best_epoch_ : int
        The epoch that they are of; 0 is the start.
    shrinkage_ : float or None
        How far the weights kept lie on the way from those of `best_epoch_` back to the start,
        from 0 to 1, by the rows held out or by cross-validation; None where neither chose it.
    pca_loss_ : float or None
        Objective of PCA at the same dimension, over the same rows; None where the fit did not
        start there.

    Warns
    -----
    ConvergenceWarning
        If the epochs end before the training converged.
    UserWarning
        If codes are of no use, or the processor gains nothing from bfloat16.

    See Also
    --------
    AutoencoderTransformer : Codes without a distribution, which rebuild rows better.
    sklearn.decomposition.PCA : Its `score_samples` is the likelihood that the fit starts at.

    References
    ----------
    Kingma, D. P. and Welling, M. (2014). Auto-encoding variational Bayes. ICLR.
    Higgins, I. et al. (2017). beta-VAE: Learning basic visual concepts with a constrained
    variational framework. ICLR.
    Kingma, D. P. et al. (2016). Improved variational inference with inverse autoregressive flow.
    NeurIPS. (Free bits.)
    Burda, Y., Grosse, R. and Salakhutdinov, R. (2016). Importance weighted autoencoders. ICLR.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_ae import VariationalAutoencoderTransformer
    >>> X, _ = load_digits(return_X_y=True)
    >>> autoencoder = VariationalAutoencoderTransformer(8, random_state=0).fit(X)
    >>> autoencoder.transform(X).shape
    (1797, 8)
    >>> autoencoder.sample(3, random_state=0).shape
    (3, 64)
    """

    net_: VariationalNet

    _module_class = VariationalAutoencoder
    _net_class = VariationalNet

    _parameter_constraints: ClassVar[dict] = {
        "encoding_dim": NETWORK["encoding_dim"],
        **CONVOLUTIONS,
        **LAYERS,
        "linear_shortcut": NETWORK["linear_shortcut"],
        "encoder": [callable, None],
        "decoder": [callable, None],
        "likelihood": [StrOptions(set(LIKELIHOODS))],
        **VARIATIONAL,
        **TRAINING,
        "scaling": NETWORK["scaling"],
        "precision": NETWORK["precision"],
    }

    def __init__(
        self,
        encoding_dim: int | float | str = "auto",
        *,
        image_shape: Sequence[int] | None = None,
        channels: int | Sequence[int] = (16, 16),
        kernel_size: int = 3,
        hidden_layer_sizes: int | Sequence[int] | str = "auto",
        activation: str = "gelu",
        linear_shortcut: bool = True,
        encoder: Half | None = None,
        decoder: Half | None = None,
        likelihood: str = "gaussian",
        beta: float = 1.0,
        kl_warmup: int = 0,
        free_bits: float = 0.0,
        n_importance_samples: int = 50,
        optimizer: str | type[Optimizer] = "adamw",
        optimizer_params: dict[str, Any] | None = None,
        lr: float | str = "auto",
        lr_schedule: str = "one_cycle",
        batch_size: int | str = "auto",
        max_epochs: int | str = "auto",
        tol: float = 1e-4,
        n_iter_no_change: int = 10,
        early_stopping: bool | str = "auto",
        validation_fraction: float = 0.1,
        warm_start: bool = False,
        random_state: int | np.random.RandomState | None = None,
        scaling: str | None = "auto",
        device: str = "cpu",
        precision: str = "float32",
        callbacks: list[Callback] | None = None,
        checkpoint: str | PathLike[str] | None = None,
        checkpoint_every: int = 1,
        verbose: int = 0,
    ) -> None:
        self.encoding_dim = encoding_dim
        self.image_shape = image_shape
        self.channels = channels
        self.kernel_size = kernel_size
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.linear_shortcut = linear_shortcut
        self.encoder = encoder
        self.decoder = decoder
        self.likelihood = likelihood
        self.beta = beta
        self.kl_warmup = kl_warmup
        self.free_bits = free_bits
        self.n_importance_samples = n_importance_samples
        self.optimizer = optimizer
        self.optimizer_params = optimizer_params
        self.lr = lr
        self.lr_schedule = lr_schedule
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.warm_start = warm_start
        self.random_state = random_state
        self.scaling = scaling
        self.device = device
        self.precision = precision
        self.callbacks = callbacks
        self.checkpoint = checkpoint
        self.checkpoint_every = checkpoint_every
        self.verbose = verbose

    # What follows from the likelihood

    @property
    def loss(self) -> str:  # type: ignore[override] # no parameter here
        """Loss of an entry, which `reconstruction_error` gives."""
        return LIKELIHOODS[self.likelihood].loss

    @property
    def output_activation(self) -> str:  # type: ignore[override] # neither
        """What ends the decoder."""
        return LIKELIHOODS[self.likelihood].output_activation

    def _build_module(self, n_features: int, generator: Generator) -> tuple[nn.Module, nn.Module]:
        encoding_dim = cast(int, self.encoding_dim)  # found by now
        layers: dict[str, Any] = {
            "hidden_layer_sizes": self.hidden_layer_sizes,
            "activation": self.activation,
            "generator": generator,
        }
        if self.image_shape is None:
            to_code, to_rows = dense_halves(n_features, **layers)
        else:
            to_code, to_rows = conv_halves(
                n_features,
                image_shape=self.image_shape,
                channels=self.channels,
                kernel_size=self.kernel_size,
                **layers,
            )
        if self.encoder is not None:
            to_code = own_half("encoder", self.encoder, generator)
        if self.decoder is not None:
            to_rows = own_half("decoder", self.decoder, generator)
        return self._joined(
            to_code(n_features, 2 * encoding_dim),
            to_rows(encoding_dim, n_features),
            n_features,
            generator,
            n_encoded=2 * encoding_dim,
            gated=(self.encoder is not None, self.decoder is not None),
        )

    def _net_parameters(self) -> dict[str, Any]:
        return {
            "likelihood": LIKELIHOODS[self.likelihood],
            **{name: getattr(self, name) for name in ("beta", "kl_warmup", "free_bits")},
        }

    def _start(self, module: Autoencoder, rows: Rows) -> Start | None:
        if not self.linear_shortcut:
            return None
        return start_at_probabilistic_pca(
            cast(VariationalAutoencoder, module),
            rows,
            OUTPUT_ACTIVATIONS[self.output_activation],
            LIKELIHOODS[self.likelihood],
        )

    def _ranges(self) -> dict[str, tuple[float, float]]:
        (range_of_output, range_of_loss) = super()._ranges().values()
        (low, high) = zip(range_of_output, range_of_loss, strict=True)
        return {f"likelihood={self.likelihood!r}": (max(low), min(high))}

    def _look_at_codes(self, net: AutoencoderNet, rows: Rows) -> None:
        variance = variance_of_codes(net.module_, rows, net.device)
        cast(VariationalNet, net).active_units_ = variance > _LEAST_VARIANCE

    def _warn_of_codes(self, net: AutoencoderNet, rows: Rows, *, is_lossless: bool) -> None:
        is_active = cast(VariationalNet, net).active_units_
        if not is_active.all():
            warn(
                f"encoding_dim={len(is_active)}: {(~is_active).sum()} of the codes are of no use, "
                "since all rows have nearly the same. Lower encoding_dim or beta, or raise "
                "kl_warmup or free_bits."
            )

    # Fitting. The code of each row is drawn, so that a weight of 2 would not be the row twice.

    def fit(  # without weights, and a y has nothing to say
        self,
        X: ArrayLike,
        y: object = None,
        *,
        observed: ArrayLike | None = None,
        X_val: ArrayLike | None = None,
        observed_val: ArrayLike | None = None,
    ) -> Self:
        """Train the autoencoder to make rows likely.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows. Sparse, integer and memory-mapped ones are converted batch by batch.
        y : object, default=None
            Ignored; present for API consistency by convention.
        observed : array-like of bool of shape (n_samples, n_features), default=None
            The entries that are known. What stands in the others, NaN included, does not
            matter: the mean of the feature goes in, and the likelihood is that of the known ones.
            None is all of them, but for those that a masked array masks.
        X_val : {array-like, sparse matrix} of shape (n_val, n_features), default=None
            Rows to judge the weights by, instead of some held out from X.
        observed_val : array-like of bool of shape (n_val, n_features), default=None
            The entries of X_val that are known.

        Returns
        -------
        self : object
            The fitted autoencoder.

        Raises
        ------
        ValueError
            If data and parameters do not fit together, or the loss becomes NaN. The
            estimator is then as it was.
        """
        return super().fit(X, y, observed=observed, X_val=X_val, observed_val=observed_val)

    def partial_fit(  # as fit
        self, X: ArrayLike, y: object = None, *, observed: ArrayLike | None = None
    ) -> Self:
        """Train for one epoch over rows, going on from the last.

        The first call sets units and start by its rows, and draws from `random_state`. The
        rate is `lr`, without a schedule, and the weights are those that the epoch ends with.
        After a `fit` the optimizer begins anew.
        Objective and training may have other parameters from one call to the next; layers,
        likelihood and units may not.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows.
        y : object, default=None
            Ignored; present for API consistency by convention.
        observed : array-like of bool of shape (n_samples, n_features), default=None
            The entries that are known. None is all of them, but for those that a masked
            array masks.

        Returns
        -------
        self : object
            The fitted autoencoder.

        Raises
        ------
        ValueError
            If `early_stopping` is True, or data and parameters do not fit together, or the
            loss becomes NaN. The estimator is then as it was.
        """
        return super().partial_fit(X, y, observed=observed)

    # Using

    def transform_std(self, X: ArrayLike) -> NDArray:
        """Give how uncertain the codes of rows are.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows.

        Returns
        -------
        deviations : ndarray of shape (n_samples, encoding_dim)
            Standard deviations of the normal distributions whose means `transform` gives.
        """
        rows = self._check_rows_to_use(X)
        module = self.net_.module_

        def deviations(x: Tensor) -> Tensor:
            _, log_variance = module.posterior(module.rescale(x))
            return (log_variance / 2).exp().to(x.dtype)

        return self._run(deviations, rows, module.encoding_dim)

    def score_samples(self, X: ArrayLike) -> NDArray:
        """Give a lower bound of the log-likelihood of each row.

        It is the importance-weighted bound, of `n_importance_samples` draws of the code, which are
        the same for every row. The mean of these is not what `score` gives, which is a share of
        the variance.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows. Entries that a masked array masks do not count.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            In nats; of densities in the units of the data, but for the likelihood "bernoulli".
            Greater is more typical.

        Raises
        ------
        ValueError
            If a row lies so far out that it has no likelihood that float64 holds.

        References
        ----------
        Burda, Y., Grosse, R. and Salakhutdinov, R. (2016). Importance weighted autoencoders. ICLR.
        """
        rows = self._check_rows_to_use(X)
        scores = np.empty(len(rows))
        with undisturbed(inference=True):
            for chunk, batch in self._batches(rows):
                bound = self.net_.log_likelihood(batch, self.n_importance_samples)
                scores[chunk] = bound.numpy()
        return checked_output(scores)

    def _scores_as_module(self) -> nn.Module:
        return LikelihoodScores(self.net_, self.n_importance_samples)

    def sample(
        self, n_samples: int = 1, random_state: int | np.random.RandomState | None = None
    ) -> NDArray:
        """Draw rows: what the decoder makes of codes that are drawn from the prior.

        Parameters
        ----------
        n_samples : int, default=1
            How many, at least 1.
        random_state : int, RandomState instance or None, default=None
            Where the codes are drawn from. None is numpy's global generator.

        Returns
        -------
        rows : ndarray of shape (n_samples, n_features)
            In the units of the data; float64 where `precision` is, else float32.

        Raises
        ------
        ValueError
            If `n_samples` is less than 1.
        """
        check_is_fitted(self)
        if n_samples < 1:
            raise ValueError(f"n_samples={n_samples!r}: must be at least 1.")
        shape = (n_samples, self.net_.module_.encoding_dim)
        codes = check_random_state(random_state).standard_normal(shape)
        return self.inverse_transform(codes.astype(weight_dtype(self)))

    @property
    def active_units_(self) -> NDArray[np.bool_]:
        """Whether each code is of use, by how much its mean varies over the training rows."""
        return self.net_.active_units_
