"""The images that examples, tests and benchmarks use."""

import gzip
import struct

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.stats import norm
from sklearn import datasets as sklearn_datasets

from sklearn_ae import datasets
from sklearn_ae.datasets import load_images, make_noise_images

TRAIN_IMAGES = "train-images-idx3-ubyte"
TRAIN_LABELS = "train-labels-idx1-ubyte"


def write_idx(path, values):
    head = struct.pack(f">4B{values.ndim}I", 0, 0, 8, values.ndim, *values.shape)
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "wb") as file:
        file.write(head + values.tobytes())


@pytest.fixture(params=["", ".gz"], ids=["plain", "compressed"])
def folder(request, tmp_path):
    """A folder in the form of MNIST, with 5 training and 3 test images of 2 x 3 pixels."""
    images = np.arange(8 * 6, dtype=np.uint8).reshape(8, 2, 3)
    target = np.arange(8, dtype=np.uint8)
    for prefix, rows in [("train", slice(5)), ("t10k", slice(5, None))]:
        write_idx(tmp_path / f"{prefix}-images-idx3-ubyte{request.param}", images[rows])
        write_idx(tmp_path / f"{prefix}-labels-idx1-ubyte{request.param}", target[rows])
    return tmp_path


@pytest.fixture
def compressed(tmp_path):
    for prefix in ("train", "t10k"):
        write_idx(tmp_path / f"{prefix}-images-idx3-ubyte.gz", np.ones((4, 2, 3), np.uint8))
        write_idx(tmp_path / f"{prefix}-labels-idx1-ubyte.gz", np.ones(4, np.uint8))
    return tmp_path


@pytest.fixture
def no_fashion_mnist(monkeypatch, tmp_path):
    """A machine without Fashion-MNIST, whose scikit-learn data are in the folder given back."""
    monkeypatch.setattr(datasets, "_DEBIAN_FOLDER", tmp_path / "missing")
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("subset", "rows"), [("train", slice(5)), ("test", slice(5, 8)), ("all", slice(8))]
)
def test_a_folder_gives_the_images_and_labels_of_a_subset(folder, subset, rows):
    loaded = load_images(folder, subset=subset)

    assert_array_equal(loaded.data, np.arange(48).reshape(8, 6)[rows])
    assert_array_equal(loaded.target, np.arange(8)[rows])
    assert_array_equal(loaded.images, loaded.data.reshape(-1, 2, 3))
    assert loaded.image_shape == (2, 3)
    assert (loaded.data.dtype, loaded.target.dtype) == (np.uint8, np.int64)


def test_the_bunch_says_where_its_images_are_from(folder):
    loaded = load_images(folder)

    assert str(folder) in loaded.source
    assert "5 images of 2 x 3 pixels" in loaded.DESCR


def test_the_images_can_be_written_to(folder):
    loaded = load_images(folder)
    loaded.data[0] = 7
    assert_array_equal(loaded.images[0], 7)


def test_return_X_y_gives_the_rows_and_their_classes(folder):
    X, y = load_images(folder, return_X_y=True)
    loaded = load_images(folder)
    assert_array_equal(X, loaded.data)
    assert_array_equal(y, loaded.target)


@pytest.mark.skipif(
    not datasets._DEBIAN_FOLDER.is_dir(), reason="Debian's dataset-fashion-mnist is not installed"
)
def test_debians_fashion_mnist_is_found():
    loaded = load_images(subset="test")

    assert loaded.source == f"Fashion-MNIST in {datasets._DEBIAN_FOLDER}"
    assert loaded.data.shape == (10_000, 784)
    assert_array_equal(np.bincount(loaded.target), 1_000)


@pytest.mark.parametrize(
    "name",
    ["openml.org/data/v1/download/18238735.gz", "openml.org/data/v1/download/18238735/f.arff.gz"],
)
def test_what_fetch_openml_kept_is_found(no_fashion_mnist, name):
    path = no_fashion_mnist / "openml" / name
    path.parent.mkdir(parents=True)
    table = np.random.RandomState(0).randint(256, size=(3, 785))
    lines = [",".join(map(str, row)) for row in table]
    with gzip.open(path, "wt") as file:
        file.write("% Fashion-MNIST\n@ATTRIBUTE class {0,1}\n@DATA\n" + "\n".join(lines))

    loaded = load_images()

    assert str(path) in loaded.source
    assert loaded.image_shape == (28, 28)
    assert_array_equal(loaded.data, table[:, :-1])
    assert_array_equal(loaded.target, table[:, -1])


def test_without_fashion_mnist_it_is_the_digits_in_256_grey_levels(no_fashion_mnist):
    digits = sklearn_datasets.load_digits()

    loaded = load_images(subset="all")

    assert "digits" in loaded.source
    assert loaded.image_shape == (8, 8)
    assert (loaded.data.min(), loaded.data.max()) == (0, 255)
    assert_array_equal(np.round(loaded.data / 255 * 16), digits.data)
    assert_array_equal(loaded.target, digits.target)


def test_the_digits_for_testing_are_the_last_fifth(no_fashion_mnist):
    train, test = load_images(), load_images(subset="test")
    assert (len(train.data), len(test.data)) == (1437, 360)
    assert_array_equal(
        np.concatenate([train.target, test.target]), sklearn_datasets.load_digits().target
    )


def test_a_home_that_cannot_be_written_to_still_gives_the_digits(no_fashion_mnist, monkeypatch):
    def refuse(data_home):
        raise PermissionError(data_home)

    monkeypatch.setattr(datasets, "get_data_home", refuse)
    assert "digits" in load_images().source


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=rf"{TRAIN_IMAGES}.*pass the folder") as error:
        load_images(tmp_path)
    assert str(tmp_path) in str(error.value)


def test_a_truncated_file_is_named(compressed):
    path = compressed / f"{TRAIN_IMAGES}.gz"
    path.write_bytes(path.read_bytes()[:-12])
    with pytest.raises(ValueError, match=rf"{path} is no complete gzip file.*Replace the file"):
        load_images(compressed)


def test_a_corrupted_file_is_named(compressed):
    path = compressed / f"{TRAIN_IMAGES}.gz"
    content = bytearray(path.read_bytes())
    content[-10] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"{path} is no complete gzip file"):
        load_images(compressed)


def test_a_file_that_is_not_compressed_but_named_so_is_named(compressed):
    path = compressed / f"{TRAIN_IMAGES}.gz"
    path.write_bytes(b"not found")
    with pytest.raises(ValueError, match=rf"{path} is no complete gzip file"):
        load_images(compressed)


@pytest.mark.parametrize("content", [b"", b"\0\0\x08\x03\0\0", b"\0\0\x0d\x03" + bytes(12)])
def test_a_file_of_another_format_is_named(compressed, content):
    path = compressed / f"{TRAIN_IMAGES}.gz"
    path.write_bytes(gzip.compress(content))
    with pytest.raises(ValueError, match=rf"{path} is no idx file.*Replace the file"):
        load_images(compressed)


@pytest.mark.parametrize("n_bytes", [23, 25])
def test_a_file_of_another_size_than_its_head_says_is_named(compressed, n_bytes):
    path = compressed / f"{TRAIN_IMAGES}.gz"
    head = struct.pack(">4B3I", 0, 0, 8, 3, 4, 2, 3)
    path.write_bytes(gzip.compress(head + bytes(n_bytes)))
    with pytest.raises(ValueError, match=rf"{path} should hold 24 values.*holds {n_bytes}"):
        load_images(compressed)


def test_files_that_do_not_belong_together_are_named(compressed):
    path = compressed / f"{TRAIN_LABELS}.gz"
    write_idx(path, np.ones(3, np.uint8))
    with pytest.raises(ValueError, match=rf"{path} has 3 labels.*4 images"):
        load_images(compressed)


def test_training_and_test_images_of_two_sizes_are_refused(compressed):
    write_idx(compressed / f"{TRAIN_IMAGES}.gz", np.ones((4, 5, 5), np.uint8))
    with pytest.raises(ValueError, match=r"shape \(5, 5\) and test images of shape \(2, 3\)"):
        load_images(compressed)


@pytest.mark.parametrize("text", ["1,2,3\n4,5,6\n", "a,b,c\n"])
def test_a_file_of_fetch_openml_with_something_else_is_named(no_fashion_mnist, text):
    path = no_fashion_mnist / "openml" / "18238735.gz"
    path.parent.mkdir()
    path.write_bytes(gzip.compress(text.encode()))
    with pytest.raises(ValueError, match=rf"{path} is not Fashion-MNIST.*fetch_openml"):
        load_images()


def test_an_unknown_subset_is_refused():
    with pytest.raises(ValueError, match=r"'subset' parameter.*'validation'"):
        load_images(subset="validation")


def test_noise_images_are_raveled_and_in_the_range_of_grey():
    X = make_noise_images(20, (3, 5), random_state=0)
    assert X.shape == (20, 15)
    assert (X.min(), X.max()) == (0, 1)


def test_noise_images_depend_on_the_random_state_alone():
    first, second, other = (make_noise_images(3, random_state=seed) for seed in (0, 0, 1))
    assert_array_equal(first, second)
    assert (first != other).any()


@pytest.mark.parametrize("noise_level", [0.1, 0.5, 2.0])
def test_the_variance_of_noise_images_is_that_of_a_clipped_normal(noise_level):
    X = make_noise_images(1_000, noise_level=noise_level, random_state=0)

    pixel = norm(0.5, noise_level)
    variance = pixel.expect(lambda value: (np.clip(value, 0, 1) - 0.5) ** 2, -20, 21, limit=200)
    assert X.var() == pytest.approx(variance, rel=0.01)


def test_the_pixels_of_noise_images_are_uncorrelated():
    correlation = np.corrcoef(make_noise_images(5_000, (4, 4), random_state=0), rowvar=False)
    assert abs(correlation - np.eye(16)).max() < 0.06  # 4 standard deviations of the estimate


def test_noise_of_level_zero_is_grey():
    assert_array_equal(make_noise_images(2, (2, 2), noise_level=0), 0.5)


@pytest.mark.parametrize("shape", [(0, 28), (), (2.5, 3)])
def test_a_shape_without_pixels_is_refused(shape):
    with pytest.raises(ValueError, match=r"shape=\(.*at least 1"):
        make_noise_images(shape=shape)


@pytest.mark.parametrize("parameter", ["n_samples", "noise_level"])
def test_a_negative_parameter_of_noise_images_is_refused(parameter):
    with pytest.raises(ValueError, match=f"'{parameter}' parameter.*-1"):
        make_noise_images(**{parameter: -1})
