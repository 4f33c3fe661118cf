"""Images to try an autoencoder on: real ones, and noise that has nothing to learn."""

import gzip
import math
import os
import zlib
from collections.abc import Sequence
from numbers import Integral, Real
from pathlib import Path

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray
from sklearn.datasets import get_data_home, load_digits
from sklearn.utils import Bunch, check_random_state

from sklearn_ae._compat import Interval, StrOptions, validate_params

__all__ = ["load_images", "make_noise_images"]

# Where Debian's package dataset-fashion-mnist puts its four files.
_DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")

# OpenML's number of Fashion-MNIST's file. In fetch_openml's cache it names the file or the folder
# of the file, depending on the version of scikit-learn that wrote it.
_OPENML_FILE_ID = "18238735"

# Images, their classes, and how many from the first on are for training.
_Labelled = tuple[NDArray[np.uint8], NDArray[np.integer], int]


def _read_idx(path: Path, n_dims: int) -> NDArray[np.uint8]:
    """Read an idx file of bytes, the format of MNIST: a head that gives the shape, then values."""
    advice = "Replace the file: reinstall the package that it is from, or copy it anew."
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            content = file.read()
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{path} is no complete gzip file ({error}). {advice}") from error

    magic = bytes([0, 0, 8, n_dims])
    head_size = 4 + 4 * n_dims
    if content[:4] != magic or len(content) < head_size:
        raise ValueError(
            f"{path} is no idx file of bytes in {n_dims} dimensions: it has {len(content)} bytes "
            f"and begins with {content[:4].hex(' ')!r} instead of {magic.hex(' ')!r}. {advice}"
        )
    shape = tuple(np.frombuffer(content[4:head_size], dtype=">u4").tolist())
    if len(content) - head_size != math.prod(shape):
        raise ValueError(
            f"{path} should hold {math.prod(shape)} values, of shape {shape}, but holds "
            f"{len(content) - head_size}. {advice}"
        )
    # A copy, because bytes give an array that cannot be written to.
    return np.frombuffer(content, dtype=np.uint8, offset=head_size).reshape(shape).copy()


def _find_idx(folder: Path, name: str) -> Path:
    """Find an idx file, compressed or not."""
    for path in (folder / f"{name}.gz", folder / name):
        if path.is_file():
            return path
    raise FileNotFoundError(
        f"path={str(folder)!r} has no file {name}.gz or {name}: pass the folder that holds the "
        "four files of MNIST, Fashion-MNIST or a data set in their form."
    )


def _load_idx(folder: Path) -> _Labelled:
    """Load the images in the four files of MNIST or of a data set in its form."""
    images, target = {}, {}
    for prefix in ("train", "t10k"):
        images_path = _find_idx(folder, f"{prefix}-images-idx3-ubyte")
        target_path = _find_idx(folder, f"{prefix}-labels-idx1-ubyte")
        images[prefix], target[prefix] = _read_idx(images_path, 3), _read_idx(target_path, 1)
        if len(images[prefix]) != len(target[prefix]):
            raise ValueError(
                f"{target_path} has {len(target[prefix])} labels, but {images_path} has "
                f"{len(images[prefix])} images. Take the four files from one source."
            )
    if images["train"].shape[1:] != images["t10k"].shape[1:]:
        raise ValueError(
            f"path={str(folder)!r} has training images of shape {images['train'].shape[1:]} and "
            f"test images of shape {images['t10k'].shape[1:]}. Take the four files from one source."
        )
    n_train = len(images["train"])
    return np.concatenate([*images.values()]), np.concatenate([*target.values()]), n_train


def _find_openml(data_home: str | os.PathLike[str] | None) -> Path | None:
    """Find Fashion-MNIST among the files that `fetch_openml` has kept."""
    try:
        folder = Path(get_data_home(data_home)) / "openml"
    except OSError:  # it creates the folder, and a home may be read-only
        return None
    paths = (path for path in folder.rglob("*.gz") if _OPENML_FILE_ID in path.as_posix())
    return next(paths, None)


def _load_openml(path: Path) -> _Labelled:
    """Load Fashion-MNIST's 60,000 training and 10,000 test images, one a line, its class last."""
    try:
        table = np.loadtxt(path, dtype=np.uint8, delimiter=",", comments=["%", "@"], ndmin=2)
        images = table[:, :-1].reshape(len(table), 28, 28)
    except (gzip.BadGzipFile, EOFError, zlib.error, ValueError) as error:
        raise ValueError(
            f"{path} is not Fashion-MNIST as OpenML has it ({error}). Delete the file, and call "
            "sklearn.datasets.fetch_openml(data_id=40996) to have it again."
        ) from error
    return images, table[:, -1], 60_000


def _load_digits() -> _Labelled:
    """Load scikit-learn's digits, their 17 grey levels spread over 0 to 255 as in the others."""
    digits = load_digits()
    images = np.round(digits.images * (255 / 16)).astype(np.uint8)
    return images, digits.target, 1_437


@validate_params(
    {
        "path": [str, os.PathLike, None],
        "subset": [StrOptions({"train", "test", "all"})],
        "data_home": [str, os.PathLike, None],
        "return_X_y": ["boolean"],
    },
    prefer_skip_nested_validation=True,
)
def load_images(
    path: str | os.PathLike[str] | None = None,
    *,
    subset: str = "train",
    data_home: str | os.PathLike[str] | None = None,
    return_X_y: bool = False,
) -> Bunch | tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Load real grey images: Fashion-MNIST where this machine has it, else the digits.

    Nothing is downloaded. Without `path`, the first of these that exists is loaded:

    1. Fashion-MNIST [1]_ as Debian's package `dataset-fashion-mnist` installs it, in
       `/usr/share/datasets/fashion-mnist`;
    2. Fashion-MNIST as `fetch_openml(data_id=40996)` has kept it in scikit-learn's data home;
    3. :func:`~sklearn.datasets.load_digits`, which every scikit-learn has.

    ============== ======== ============ ===========
    Images         Pixels   Training     Test
    ============== ======== ============ ===========
    Fashion-MNIST  28 x 28  60,000       10,000
    digits         8 x 8    first 1,437  last 360
    ============== ======== ============ ===========

    `source` and `image_shape` say which one it is.

    Parameters
    ----------
    path : str or path-like, default=None
        A folder with the four files of Fashion-MNIST, or of another data set in the form of MNIST:
        `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, `t10k-images-idx3-ubyte` and
        `t10k-labels-idx1-ubyte`, each as it is or compressed (`.gz`). None searches as above.

    subset : {"train", "test", "all"}, default="train"
        The images to load: those for training, those for testing, or first the former and then
        the latter. The digits are not shuffled: those for testing are by other writers.

    data_home : str or path-like, default=None
        The folder of scikit-learn's data; None for the one that
        :func:`~sklearn.datasets.get_data_home` gives.

    return_X_y : bool, default=False
        Whether to return `(data, target)` instead of a Bunch.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        data : ndarray of shape (n_samples, n_pixels), dtype uint8
            One raveled image a row, from 0 (black) to 255 (white).
        target : ndarray of shape (n_samples,), dtype int64
            The class of each image, from 0 to 9.
        images : ndarray of shape (n_samples, height, width), dtype uint8
            The images, the memory shared with `data`.
        image_shape : tuple of (int, int)
            The height and the width: (28, 28) or, for the digits, (8, 8).
        source : str
            What was loaded, and from where.
        DESCR : str
            A description.

    (data, target) : tuple if `return_X_y` is True
        The two arrays.

    Raises
    ------
    FileNotFoundError
        If a file is missing in `path`.
    ValueError
        If a file is damaged, or holds something else. The message names the file.

    References
    ----------
    .. [1] H. Xiao, K. Rasul and R. Vollgraf, "Fashion-MNIST: a novel image dataset for
       benchmarking machine learning algorithms", 2017, arXiv:1708.07747.

    Examples
    --------
    >>> from sklearn_ae.datasets import load_images
    >>> images = load_images(subset="test")
    >>> images.data.dtype
    dtype('uint8')
    >>> images.images.shape[1:] == images.image_shape
    True
    """
    if path is not None:
        source = f"images in {path}"
        images, target, n_train = _load_idx(Path(path))
    elif _DEBIAN_FOLDER.is_dir():
        source = f"Fashion-MNIST in {_DEBIAN_FOLDER}"
        images, target, n_train = _load_idx(_DEBIAN_FOLDER)
    elif (cached := _find_openml(data_home)) is not None:
        source = f"Fashion-MNIST in {cached}"
        images, target, n_train = _load_openml(cached)
    else:
        source = "digits in sklearn.datasets.load_digits"
        images, target, n_train = _load_digits()

    rows = {"train": slice(n_train), "test": slice(n_train, None), "all": slice(None)}[subset]
    images, target = images[rows], target[rows].astype(np.int64)
    n_samples, height, width = images.shape
    data = images.reshape(n_samples, height * width)
    if return_X_y:
        return data, target
    return Bunch(
        data=data,
        target=target,
        images=images,
        image_shape=(height, width),
        source=source,
        DESCR=f"{source}, subset {subset!r}: {n_samples} images of {height} x {width} pixels, "
        "grey levels from 0 (black) to 255 (white).",
    )


@validate_params(
    {
        "n_samples": [Interval(Integral, 1, None, closed="left")],
        "shape": [tuple, list],
        "noise_level": [Interval(Real, 0, None, closed="left")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def make_noise_images(
    n_samples: int = 100,
    shape: Sequence[int] = (28, 28),
    noise_level: float = 0.5,
    random_state: int | RandomState | None = None,
) -> NDArray[np.float64]:
    """Generate images of nothing but noise: mid-grey, with normal noise, clipped to [0, 1].

    Each pixel is independent of all others, so that there is no structure to learn: a code holds
    about as many pixels as it has numbers, and for the others there is no better answer than the
    mean. The mean squared error of a reconstruction therefore stays near the variance of the
    pixels, which clipping makes less than `noise_level ** 2`: 0.129 instead of 0.25 at the default.

    Parameters
    ----------
    n_samples : int, default=100
        The number of images, at least 1.

    shape : tuple of int, default=(28, 28)
        The shape of an image, each side at least 1.

    noise_level : float, default=0.5
        The standard deviation of the noise before clipping, in units of the range from black (0)
        to white (1), at least 0.

    random_state : int, RandomState instance or None, default=None
        Determines the noise. Pass an int for the same images in each call.
        See :term:`Glossary <random_state>`.

    Returns
    -------
    X : ndarray of shape (n_samples, n_pixels)
        One raveled image a row, in [0, 1]; `n_pixels` is the product of `shape`.

    Raises
    ------
    ValueError
        If a parameter is out of its range.

    Examples
    --------
    >>> from sklearn_ae.datasets import make_noise_images
    >>> X = make_noise_images(n_samples=1000, random_state=0)
    >>> X.shape
    (1000, 784)
    >>> print(f"{X.var():.3f}")
    0.129
    """
    if not shape or not all(isinstance(side, Integral) and side >= 1 for side in shape):
        raise ValueError(f"shape={shape!r}: each side must be an integer of at least 1.")
    noise = check_random_state(random_state).standard_normal((n_samples, math.prod(shape)))
    return np.clip(0.5 + noise_level * noise, 0, 1)
