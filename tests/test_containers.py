"""What holds rows: frames with columns of every kind, arrays of objects, masks."""

import datetime
from decimal import Decimal
from fractions import Fraction

import numpy as np
import numpy.ma as ma
import pandas as pd
import pytest
import scipy.sparse
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

pytestmark = pytest.mark.one_autoencoder

USES = ["transform", "reconstruct", "reconstruction_error", "score_samples", "score"]
TAKE_OBSERVED = ["reconstruct", "reconstruction_error", "score"]

TIMES = pd.date_range("2024-01-31", periods=200)


def polars():
    return pytest.importorskip("polars", reason="frames of polars need polars")


@pytest.fixture
def rows(digits):
    """Six columns of whole numbers from 0 to 16."""
    return digits[:, [2, 3, 4, 10, 11, 12]]


def frame_with(rows, column):
    """Give a frame of pandas whose second column is another."""
    frame = pd.DataFrame(rows).add_prefix("pixel")
    return frame.assign(pixel1=column)


def polars_with(rows, values, dtype):
    pl = polars()
    names = [f"pixel{i}" for i in range(rows.shape[1])]
    column = pl.Series("pixel1", values, dtype=getattr(pl, dtype))
    return pl.DataFrame(rows, schema=names).with_columns(column)


def polars_of(values):
    """Give a frame of polars of an array of objects, where None is missing."""
    return polars().DataFrame({f"pixel{i}": column.tolist() for i, column in enumerate(values.T)})


def elementwise(function, otype=object):
    return np.vectorize(function, otypes=[otype])


# What converts to numbers

NUMBERS = {
    "categories": lambda rows: frame_with(rows, pd.Categorical(rows[:, 1])),
    "categories alone": lambda rows: pd.DataFrame(rows.astype(int)).astype("category"),
    "categories of digits": lambda rows: frame_with(rows, pd.Categorical(rows[:, 1].astype(str))),
    "words of digits": lambda rows: frame_with(rows, rows[:, 1].astype(str)),
    "nullable integers": lambda rows: pd.DataFrame(rows).astype("Int64"),
    "nullable floats": lambda rows: pd.DataFrame(rows).astype("Float64"),
    "nullable beside categories": lambda rows: frame_with(
        rows, pd.Categorical(rows[:, 1].astype(str))
    ).astype({"pixel2": "Int8"}),
    "booleans beside floats": lambda rows: frame_with(rows, rows[:, 1] > 8),
    "sparse columns": lambda rows: pd.DataFrame.sparse.from_spmatrix(scipy.sparse.csr_matrix(rows)),
    "objects": lambda rows: pd.DataFrame(rows, dtype=object),
    "an array of objects": lambda rows: rows.astype(object),
    "an array of digits": lambda rows: rows.astype(str),
    "an array of bytes": lambda rows: rows.astype(str).astype(bytes),
    "Decimal": elementwise(lambda value: Decimal(int(value))),
    "Fraction": elementwise(lambda value: Fraction(int(value))),
    "lists": lambda rows: rows.astype(int).tolist(),
    "lists of digits": lambda rows: rows.astype(str).tolist(),
    "lists of objects": lambda rows: rows.astype(object).tolist(),
    "a mask of nothing": lambda rows: ma.MaskedArray(rows, np.zeros(rows.shape, dtype=bool)),
    "polars": lambda rows: polars().DataFrame(rows),
    "polars, integers": lambda rows: polars().DataFrame(rows.astype(np.int64)),
    "polars, booleans": lambda rows: polars_with(rows, rows[:, 1] > 8, "Boolean"),
    "polars, words of digits": lambda rows: polars_with(rows, rows[:, 1].astype(str), "String"),
    "polars, categories of digits": lambda rows: polars_with(
        rows, rows[:, 1].astype(str), "Categorical"
    ),
}


@pytest.mark.parametrize("give", NUMBERS.values(), ids=NUMBERS)
def test_what_converts_to_numbers_gives_the_same_as_an_array_of_them(autoencoder, rows, give):
    X = give(rows)
    expected = np.array(X, dtype=np.float64)

    codes = autoencoder.fit_transform(X)

    assert_array_equal(codes, clone(autoencoder).fit_transform(expected))
    for method in USES:
        of_array = getattr(clone(autoencoder).fit(expected), method)(expected)
        assert_array_equal(getattr(autoencoder, method)(X), of_array)


@pytest.mark.parametrize(
    "give",
    [
        lambda rows: pd.DataFrame(rows).astype("Float32"),
        lambda rows: pd.DataFrame(rows).astype({0: "Int8", 1: "UInt16", 2: "float32"}),
        lambda rows: polars().DataFrame(rows.astype(np.float32)),
        lambda rows: polars().DataFrame(rows.astype(np.int8)),
    ],
    ids=["Float32", "several", "polars float32", "polars int8"],
)
def test_columns_that_float32_holds_give_float32(autoencoder, rows, give):
    X = give(rows)
    narrow = all(str(dtype) != "float64" for dtype in X.dtypes)

    codes = autoencoder.fit_transform(X)

    assert codes.dtype == (np.float32 if narrow else np.float64)
    assert_array_equal(codes, clone(autoencoder).fit_transform(rows.astype(codes.dtype)))


class Held:
    """Holds an array that numpy asks for, and says nothing of it."""

    def __init__(self, rows):
        self.rows = rows

    def __len__(self):
        return len(self.rows)

    @property
    def shape(self):
        return self.rows.shape

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.rows, dtype=dtype)


@pytest.mark.parametrize("dtype", ["uint8", "int64", "object", "str", "longdouble"])
def test_what_gives_an_array_is_taken_for_it(autoencoder, rows, dtype):
    codes = autoencoder.fit_transform(Held(rows.astype(int).astype(dtype)))

    assert_array_equal(codes, clone(autoencoder).fit_transform(rows.astype(codes.dtype)))
    with pytest.raises(TypeError, match="X holds dates"):
        autoencoder.transform(Held(rows.astype("M8[D]")))


def test_the_net_takes_what_the_estimator_takes(autoencoder, rows):
    net = autoencoder.fit(rows).net_
    observed = rows > 3

    frame = pd.DataFrame(rows.astype(int).astype(str)).astype("category")
    assert_array_equal(net.predict(frame), net.predict(rows))
    assert_array_equal(net.get_dataset(ma.masked_array(rows, ~observed)).observed, observed)


# What does not

NO_NUMBERS = {
    "a word": (lambda rows: frame_with(rows, "seven"), "'seven'.*OneHotEncoder"),
    "a word among objects": (
        lambda rows: np.where(rows > 12, "seven", rows.astype(object)),
        "'seven'.*OneHotEncoder",
    ),
    "a category": (
        lambda rows: frame_with(rows, pd.Categorical(["seven"] * len(rows))),
        "'seven'.*OneHotEncoder",
    ),
    "a category beside a nullable": (
        lambda rows: frame_with(rows, pd.Categorical(["seven"] * len(rows))).convert_dtypes(),
        "OneHotEncoder",
    ),
    "a list of words": (lambda rows: [["seven", "eight"]] * 4, "'seven'.*OneHotEncoder"),
    "intervals": (lambda rows: frame_with(rows, pd.cut(rows[:, 1], 3)), "Interval.*middle"),
    "dates": (lambda rows: frame_with(rows, TIMES), "'pixel1' holds dates.*days"),
    "dates alone": (
        lambda rows: pd.DataFrame({"first": TIMES, "last": TIMES}),
        "'first' holds dates.*days",
    ),
    "dates of a zone": (
        lambda rows: frame_with(rows, TIMES.tz_localize("UTC")),
        "'pixel1' holds dates.*days",
    ),
    "categories of dates": (
        lambda rows: pd.DataFrame({"day": pd.Categorical(TIMES)}),
        "'day' holds dates.*days",
    ),
    "spans of time": (
        lambda rows: frame_with(rows, TIMES - TIMES[0]),
        "'pixel1' holds dates or spans.*days",
    ),
    "periods": (lambda rows: frame_with(rows, TIMES.to_period("D")), "Period.*days"),
    "an array of dates": (lambda rows: rows.astype("M8[D]"), "X holds dates.*days"),
    "an array of spans": (lambda rows: rows.astype("m8[s]"), "X holds dates or spans.*days"),
    "objects that are dates": (
        elementwise(lambda value: datetime.date(2024, 1, 1 + int(value))),
        "datetime.date.*days",
    ),
    "objects that are spans": (
        elementwise(lambda value: datetime.timedelta(int(value))),
        "datetime.timedelta.*days",
    ),
    "complex numbers": (lambda rows: rows + 1j, "Complex data not supported(?s:.*)real and imag"),
    "complex columns": (lambda rows: frame_with(rows, rows[:, 1] + 1j), "(?s:Complex.*)real and"),
    "complex objects": (lambda rows: (rows + 1j).astype(object), "complex.*Encode"),
    "sparse complex": (lambda rows: scipy.sparse.csr_array(rows + 1j), "(?s:Complex.*)real and"),
    "records": (
        lambda rows: np.ones(9, dtype=[("width", float), ("height", float)]),
        "width.*structured_to_unstructured",
    ),
    "bytes without a meaning": (lambda rows: np.zeros((9, 2), dtype="V8"), "dtype .V8"),
    "rows of several lengths": (lambda rows: [[1, 2, 3], [1, 2]], "must be one number"),
    "polars, a word": (
        lambda rows: polars_with(rows, ["seven"] * len(rows), "String"),
        "'seven'.*OneHotEncoder",
    ),
    "polars, a category": (
        lambda rows: polars_with(rows, ["seven"] * len(rows), "Categorical"),
        "'seven'.*OneHotEncoder",
    ),
    "polars, dates": (
        lambda rows: polars_with(rows, [datetime.date(2024, 1, 1)] * len(rows), "Date"),
        "'pixel1' holds dates.*days",
    ),
    "polars, times": (
        lambda rows: polars_with(rows, [datetime.time(7)] * len(rows), "Time"),
        "'pixel1' holds dates.*days",
    ),
    "polars, spans": (
        lambda rows: polars_with(rows, [datetime.timedelta(1)] * len(rows), "Duration"),
        "'pixel1' holds dates or spans.*days",
    ),
    "polars, lists": (
        lambda rows: polars_with(rows, [[1.0]] * len(rows), "List"),
        "must be one number",
    ),
}


@pytest.mark.filterwarnings("ignore:X has feature names")
@pytest.mark.parametrize("method", ["fit", "partial_fit", "transform", "score_samples"])
@pytest.mark.parametrize(("give", "message"), NO_NUMBERS.values(), ids=NO_NUMBERS)
def test_what_is_no_number_is_named_with_what_to_do(autoencoder, rows, give, message, method):
    if method not in ("fit", "partial_fit"):
        autoencoder.fit(rows)

    with pytest.raises((TypeError, ValueError), match=f"(?s:{message})"):
        getattr(autoencoder, method)(give(rows))


@pytest.mark.parametrize("give", [np.array, np.asfortranarray, scipy.sparse.csr_array])
def test_longdoubles_beyond_float64_are_no_numbers_either(autoencoder, rows, give):
    X = give(rows.astype(np.longdouble) * np.longdouble("1e4000"))
    if np.isinf(X.max()):
        pytest.skip("longdouble is float64 here")

    with pytest.raises(ValueError, match="infinity or a value too large for dtype"):
        autoencoder.fit(X)


# What is missing

MISSING = {
    "nullable": lambda rows, seen: pd.DataFrame(rows).astype("Float64").where(seen),
    "nullable integers": lambda rows, seen: pd.DataFrame(rows).astype("Int16").where(seen),
    "nullable booleans": lambda rows, seen: pd.DataFrame(rows > 0).astype("boolean").where(seen),
    "categories": lambda rows, seen: pd.DataFrame(rows).where(seen).astype("category"),
    "objects": lambda rows, seen: np.where(seen, rows.astype(object), None),
    "sparse": lambda rows, seen: scipy.sparse.csr_array(np.where(seen, rows, np.nan)),
    "polars": lambda rows, seen: polars_of(np.where(seen, rows.astype(object), None)),
    "polars, booleans": lambda rows, seen: polars_of(np.where(seen, rows > 0, None)),
}
every_missing = pytest.mark.parametrize("give", MISSING.values(), ids=MISSING)


def drawn(rows, seed=0):
    """Give a mask of a share of the entries, among them one of each row."""
    observed = np.random.default_rng(seed).random(rows.shape) < 0.8
    observed[:, 0] = True
    return observed


@pytest.fixture
def seen(rows):
    return drawn(rows)


@every_missing
def test_what_is_missing_may_be_left_out_by_observed(autoencoder, rows, seen, give):
    rows = (rows > 8).astype(float)  # what every one of them holds
    X = give(rows, seen)

    codes = autoencoder.fit_transform(X, observed=seen)

    expected = np.where(seen, rows, 7).astype(codes.dtype)
    other = clone(autoencoder)
    assert_array_equal(codes, other.fit_transform(expected, observed=seen))
    for method in TAKE_OBSERVED:
        assert_array_equal(
            getattr(autoencoder, method)(X, observed=seen),
            getattr(other, method)(expected, observed=seen),
        )


@every_missing
def test_the_error_about_what_is_missing_says_how_to_leave_it_out(autoencoder, rows, seen, give):
    with pytest.raises(ValueError, match=r"X contains NaN(?s:.*)masked_invalid.*observed="):
        autoencoder.fit(give(rows, seen))


# Masks


def masked(rows, seen, fill=np.nan):
    return ma.MaskedArray(np.where(seen, rows, fill), ~seen)


@pytest.mark.parametrize("fill", [np.nan, 1e300, -999])
def test_what_is_masked_is_not_observed(autoencoder, rows, seen, fill):
    X, array = masked(rows, seen, fill), np.where(seen, rows, 5)

    codes = autoencoder.fit_transform(X)

    other = clone(autoencoder)
    assert_array_equal(codes, other.fit_transform(array, observed=seen))
    assert_array_equal(codes, autoencoder.transform(X))
    for method in TAKE_OBSERVED:
        assert_array_equal(
            getattr(autoencoder, method)(X), getattr(other, method)(array, observed=seen)
        )
    assert_array_equal(
        autoencoder.score_samples(X), -other.reconstruction_error(array, observed=seen)
    )
    once, again = (
        clone(autoencoder).partial_fit(given, observed=observed).transform(rows)
        for given, observed in ((X, None), (array, seen))
    )
    assert_array_equal(once, again)


def test_a_mask_and_observed_both_hold(autoencoder, rows, seen):
    also = drawn(rows, seed=1)
    X, array = masked(rows, seen), np.where(seen & also, rows, 5)

    codes = autoencoder.fit_transform(X, observed=also)

    other = clone(autoencoder)
    assert_array_equal(codes, other.fit_transform(array, observed=seen & also))
    for method in TAKE_OBSERVED:
        assert_array_equal(
            getattr(autoencoder, method)(X, observed=also),
            getattr(other, method)(array, observed=seen & also),
        )


def test_the_mask_of_validation_rows_holds(autoencoder, rows, seen):
    X_val, array = masked(rows, seen)[:50], np.where(seen, rows, 5)[:50]

    autoencoder.fit(rows, X_val=X_val)

    other = clone(autoencoder).fit(rows, X_val=array, observed_val=seen[:50])
    assert autoencoder.validation_loss_curve_ == other.validation_loss_curve_


@pytest.mark.parametrize("dtype", ["uint8", "int64", "float32", "object"])
def test_a_masked_array_of_any_dtype_has_its_mask(autoencoder, rows, seen, dtype):
    X = ma.MaskedArray(rows.astype(dtype), ~seen)

    codes = autoencoder.fit_transform(X)

    expected = clone(autoencoder).fit_transform(rows.astype(codes.dtype), observed=seen)
    assert_array_equal(codes, expected)


def test_a_mask_goes_through_a_pipeline(autoencoder, rows, seen):
    X = masked(rows, seen)

    codes = make_pipeline(FunctionTransformer(), autoencoder).fit(X).transform(X)

    assert_array_equal(codes, clone(autoencoder).fit_transform(X))


@pytest.mark.parametrize("name", ["sample_weight", "observed"])
def test_a_mask_over_what_comes_with_rows_is_refused(autoencoder, rows, name):
    whole = {"sample_weight": np.ones(len(rows)), "observed": np.ones(rows.shape, dtype=bool)}[name]
    mask = np.zeros(whole.shape, dtype=bool)
    mask[3] = True

    with pytest.raises(ValueError, match=f"{name} has masked entries"):
        autoencoder.fit(rows, **{name: ma.MaskedArray(whole, mask)})


def test_masked_codes_stand_for_no_row(autoencoder, rows):
    codes = autoencoder.fit_transform(rows)

    with pytest.raises(ValueError, match="X has masked entries"):
        autoencoder.inverse_transform(ma.masked_less(codes, codes.mean()))
