"""The convolutional autoencoder."""

from collections.abc import Sequence
from os import PathLike
from typing import Any, ClassVar, cast

import numpy as np
from numpy.typing import ArrayLike
from skorch.callbacks import Callback
from torch import Generator, nn
from torch.optim import Optimizer

from sklearn_ae._base import _BaseAutoencoder
from sklearn_ae._layers import conv_halves
from sklearn_ae._parameters import CONVOLUTIONS, LAYERS, NETWORK, OBJECTIVE, TRAINING
from sklearn_ae._training.losses import EntryLoss
from sklearn_ae.noise import OwnNoise


class ConvAutoencoderTransformer(_BaseAutoencoder):
    """Autoencoder of convolutions, for images or signals, that starts at PCA.

    Rows are raveled images. Strided convolutions and dense layers take them to a code of
    `encoding_dim` numbers, dense layers and convolutions that double the size take it back.
    Beside these, encoder and decoder have a linear map that is set to the principal
    components, so that training starts at PCA and goes on from there.

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
    output_activation : {"identity", "sigmoid", "softplus"}, default="identity"
        What ends the decoder.
    linear_shortcut : bool, default=True
        Whether encoder and decoder each add a linear map to their layers. It starts at the
        principal components, and the layers start at zero: by their last weights, or, tied
        ones and those of the user, by a factor.
    loss : {"squared_error", "absolute_error", "huber", "binary_cross_entropy", "poisson"} or \
            callable, default="squared_error"
        How far an output is from its row. It is measured in the units after `scaling`. A
        callable takes output and target, in the units of the data, and gives one value an
        entry.
    noise : {"gaussian", "clipped_gaussian", "masking", "salt_and_pepper", "patches"}, callable \
            or None, default=None
        What corrupts the rows that go in, while the clean ones stay the target. The second is
        clipped to the range of all entries, as images are. A callable takes a tensor of rows in
        the units of the data and a `torch.Generator` on the CPU, and gives one of the same shape.
    noise_level : float or array-like of shape (n_features,), default=0.5
        Standard deviation in the units of the data for Gaussian noise; for the others the
        share of the entries that are replaced, in [0, 1]: by the mean of their feature for
        "masking", by its least or greatest value for "salt_and_pepper", and by the means for
        "patches", a square of each image, which needs its `image_shape`. One level for all
        features, or one for each. A callable does without.
    sparsity_penalty : float, default=0.0
        Factor of the sum of the absolute codes of a row, added to its loss.
    contractive_penalty : float, default=0.0
        Factor of the squared Frobenius norm of the Jacobian of the code with respect to the
        row, both in the units of the network, added to its loss.
    target_weight : float, default=0.0
        Factor of how badly y is predicted from the code by a linear map that is trained with
        the network, added to the loss: cross-entropy over that of the classes' shares, or
        squared error over the variance of y. At 1 it has as much say as the reconstruction,
        which in "global" and "standard" units is a share of the variance too. With 0 y is
        ignored.
    trim : float, default=0.0
        Share of the rows of a batch, those of greatest loss, that do not count, in [0, 1).
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
        If codes are constant over the training rows, PCA rebuilds them exactly, or the
        processor gains nothing from bfloat16.

    See Also
    --------
    AutoencoderTransformer : Dense layers: faster, and nearly as good on small grey images.
    sklearn.feature_extraction.image.extract_patches_2d : Patches of large images.

    References
    ----------
    Masci, J. et al. (2011). Stacked convolutional auto-encoders for hierarchical feature
    extraction. ICANN.
    Shi, W. et al. (2016). Real-time single image and video super-resolution using an efficient
    sub-pixel convolutional neural network. CVPR.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_ae import ConvAutoencoderTransformer
    >>> X, _ = load_digits(return_X_y=True)
    >>> autoencoder = ConvAutoencoderTransformer(16, image_shape=(8, 8), random_state=0).fit(X)
    >>> autoencoder.transform(X).shape
    (1797, 16)
    >>> bool(autoencoder.best_loss_ < autoencoder.pca_loss_)
    True
    """

    _parameter_constraints: ClassVar[dict] = {
        **NETWORK,
        **CONVOLUTIONS,
        **LAYERS,
        **OBJECTIVE,
        **TRAINING,
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
        output_activation: str = "identity",
        linear_shortcut: bool = True,
        loss: str | EntryLoss = "squared_error",
        noise: str | OwnNoise | None = None,
        noise_level: float | ArrayLike = 0.5,
        sparsity_penalty: float = 0.0,
        contractive_penalty: float = 0.0,
        target_weight: float = 0.0,
        trim: float = 0.0,
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
        self.output_activation = output_activation
        self.linear_shortcut = linear_shortcut
        self.loss = loss
        self.noise = noise
        self.noise_level = noise_level
        self.sparsity_penalty = sparsity_penalty
        self.contractive_penalty = contractive_penalty
        self.target_weight = target_weight
        self.trim = trim
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

    def _build_module(self, n_features: int, generator: Generator) -> tuple[nn.Module, nn.Module]:
        encoding_dim = cast(int, self.encoding_dim)  # found by now
        encoder, decoder = conv_halves(
            n_features,
            image_shape=self.image_shape,
            channels=self.channels,
            kernel_size=self.kernel_size,
            hidden_layer_sizes=self.hidden_layer_sizes,
            activation=self.activation,
            generator=generator,
        )
        return self._joined(
            encoder(n_features, encoding_dim),
            decoder(encoding_dim, n_features),
            n_features,
            generator,
        )
