"""Public names: each has one path, and a docstring that says what its signature says."""

import ast
import inspect
import re
from importlib import import_module
from itertools import combinations
from pkgutil import iter_modules

import pytest
from _testing import AUTOENCODERS, with_parameters
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import StrOptions

import sklearn_ae
from sklearn_ae import inspection
from sklearn_ae._training.losses import LOSSES
from sklearn_ae.noise import NOISES

pytestmark = pytest.mark.every_autoencoder

MODULES = [
    sklearn_ae,
    *(
        import_module(f"sklearn_ae.{module.name}")
        for module in iter_modules(sklearn_ae.__path__)
        if not module.name.startswith("_")
    ),
]


def names(module):
    """Give the public names of a module: what it exports, else what it defines."""
    if hasattr(module, "__all__"):
        return module.__all__
    own = (
        name
        for name, value in vars(module).items()
        if getattr(value, "__module__", None) == module.__name__
    )
    return [name for name in own if not name.startswith("_")]


PUBLIC = {
    f"{module.__name__}.{name}": getattr(module, name)
    for module in MODULES
    for name in names(module)
}
CLASSES = {path: public for path, public in PUBLIC.items() if inspect.isclass(public)}
FUNCTIONS = {path: public for path, public in PUBLIC.items() if inspect.isfunction(public)}
ESTIMATORS = {path: public for path, public in CLASSES.items() if issubclass(public, BaseEstimator)}


def own_methods(cls):
    """Give the public methods that are defined in this package, those of torch modules aside.

    Those take a batch and give one, which one line says.
    """
    for name, method in inspect.getmembers(cls, inspect.isroutine):
        defined_here = str(getattr(method, "__module__", "")).startswith("sklearn_ae.")
        if defined_here and not name.startswith("_") and "sklearn_ae.nn" not in cls.__module__:
            yield f"{cls.__name__}.{name}", method


METHODS = {path: method for cls in CLASSES.values() for path, method in own_methods(cls)}
# An error has the parameters of all errors.
ERRORS = {path for path, public in CLASSES.items() if issubclass(public, Exception)}
DOCUMENTED = {**CLASSES, **FUNCTIONS, **METHODS}
DOCUMENTED = {path: public for path, public in DOCUMENTED.items() if path not in ERRORS}


@pytest.fixture
def parse():
    """Read a docstring in its sections."""
    docscrape = pytest.importorskip("numpydoc.docscrape", reason="numpydoc reads the docstrings")
    return lambda documented: docscrape.NumpyDocString(inspect.getdoc(documented))


def documented_parameters(documentation):
    """Give name and type of each parameter, where several may share one entry."""
    sections = (*documentation["Parameters"], *documentation["Other Parameters"])
    return [
        (name.strip().lstrip("*"), parameter.type)
        for parameter in sections
        for name in parameter.name.split(",")
    ]


def parameters(documented):
    return [
        parameter
        for name, parameter in inspect.signature(documented).parameters.items()
        if name not in ("self", "cls")
    ]


def words(text):
    return " ".join(text.split())


# Paths


def test_the_public_names_are_found():
    assert "sklearn_ae.AutoencoderTransformer" in ESTIMATORS
    assert "sklearn_ae.inspection.ReconstructionDisplay" in CLASSES
    assert "sklearn_ae.noise.gaussian" in FUNCTIONS


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_what_a_module_exports_is_there(module):
    assert all(hasattr(module, name) for name in names(module))


def test_a_public_name_has_one_path():
    paths = {}
    for path, public in PUBLIC.items():
        paths.setdefault(id(public), []).append(path)

    assert [found for found in paths.values() if len(found) > 1] == []


# Docstrings


@pytest.mark.parametrize("path", DOCUMENTED)
def test_a_summary_is_one_sentence_on_one_line(path):
    first, *rest = inspect.getdoc(DOCUMENTED[path]).splitlines()

    assert first.endswith(".")
    assert not rest or not rest[0]


@pytest.mark.parametrize("path", DOCUMENTED)
def test_the_parameters_are_those_of_the_signature_in_its_order(path, parse):
    documented = [name for name, _ in documented_parameters(parse(DOCUMENTED[path]))]

    assert documented == [parameter.name for parameter in parameters(DOCUMENTED[path])]


@pytest.mark.parametrize("path", DOCUMENTED)
def test_the_defaults_are_those_of_the_signature(path, parse):
    types = dict(documented_parameters(parse(DOCUMENTED[path])))

    for parameter in parameters(DOCUMENTED[path]):
        found = re.search(r"default=(.*)$", words(types[parameter.name]))
        if parameter.default is not inspect.Parameter.empty:
            assert found, parameter.name
            if inspect.isclass(parameter.default):
                assert found[1] == f"torch.nn.{parameter.default.__name__}"
            elif isinstance(parameter.default, float):  # inf and nan are no literals
                assert repr(float(found[1])) == repr(parameter.default), parameter.name
            else:
                assert ast.literal_eval(found[1]) == parameter.default, parameter.name
        elif parameter.kind is not inspect.Parameter.VAR_KEYWORD:
            assert not found, parameter.name


@pytest.mark.parametrize("path", {**FUNCTIONS, **METHODS})
def test_what_is_returned_is_named_and_described(path, parse):
    documented = {**FUNCTIONS, **METHODS}[path]
    gives_nothing = inspect.signature(documented).return_annotation is None

    returns = parse(documented)["Returns"]

    assert bool(returns) is not gives_nothing
    assert all(value.name and value.type for value in returns)


@pytest.mark.parametrize("path", {**CLASSES, **FUNCTIONS})
def test_there_is_an_example(path, parse):
    example = "\n".join(parse({**CLASSES, **FUNCTIONS}[path])["Examples"])

    assert f"import {path.split('.')[-1]}" in example or f"{path.split('.')[-1]}(" in example


# Estimators


@pytest.mark.parametrize("path", ESTIMATORS)
def test_an_estimator_names_where_its_method_comes_from(path, parse):
    documentation = parse(ESTIMATORS[path])

    assert documentation["References"]
    assert documentation["See Also"]


@pytest.mark.parametrize("path", ESTIMATORS)
def test_only_the_first_parameter_comes_by_position(path):
    first, *rest = parameters(ESTIMATORS[path])

    assert first.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
    assert all(parameter.kind is inspect.Parameter.KEYWORD_ONLY for parameter in rest)


@pytest.mark.parametrize("path", ESTIMATORS)
def test_every_option_that_is_accepted_is_documented(path, parse):
    types = dict(documented_parameters(parse(ESTIMATORS[path])))

    for name, constraints in ESTIMATORS[path]._parameter_constraints.items():
        accepted = {
            option
            for constraint in constraints
            if isinstance(constraint, StrOptions)
            for option in constraint.options
        }
        named = set(re.findall(r'"(\w+)"', types[name]))
        assert named == accepted, name


@pytest.mark.parametrize(("name", "table"), [("loss", LOSSES), ("noise", NOISES)])
def test_all_of_a_table_can_be_chosen(autoencoder, name, table):
    with_parameters(autoencoder, **dict.fromkeys([name]))

    assert autoencoder._parameter_constraints[name][0].options == set(table)


def test_the_fitted_attributes_are_those_that_are_documented(autoencoder, digits, parse):
    documented = {
        name.strip()
        for attribute in parse(type(autoencoder))["Attributes"]
        for name in attribute.name.split(",")
    }
    fitted = autoencoder.fit(digits)
    properties = inspect.getmembers(type(fitted), lambda member: isinstance(member, property))
    found = {*vars(fitted), *(name for name, _ in properties)}

    public = {name for name in found if name.endswith("_") and not name.startswith("_")}
    assert documented - {"feature_names_in_"} == public


def test_shared_parameters_come_in_one_order_with_one_default_and_one_text(parse):
    for one, other in combinations(ESTIMATORS.values(), 2):
        first, second = ({p.name: p for p in parameters(each)} for each in (one, other))
        shared = [name for name in first if name in second]
        assert shared == [name for name in second if name in first]
        if not {one, other} <= set(AUTOENCODERS):  # what has to move little is another thing
            shared = [name for name in shared if name != "tol"]
        assert [first[name].default for name in shared] == [second[name].default for name in shared]
        types, texts = (
            [
                {entry.name: words(read(entry)) for entry in parse(each)["Parameters"]}
                for each in (one, other)
            ]
            for read in (lambda entry: entry.type, lambda entry: " ".join(entry.desc))
        )
        both = (types[0].keys() & types[1].keys()) - ({"tol"} - set(shared))
        assert {n: types[0][n] for n in both} == {n: types[1][n] for n in both}
        # What goes into an estimator of any kind, and is drawn, is that one's own.
        if {one, other} <= set(AUTOENCODERS):
            assert {n: texts[0][n] for n in both} == {n: texts[1][n] for n in both}


# Losses and noises


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_has_the_name_of_its_function(name):
    assert LOSSES[name].entries.__name__ == name
    assert inspect.getdoc(LOSSES[name].entries)


@pytest.mark.parametrize("name", NOISES)
def test_a_noise_has_the_name_of_its_function(name):
    corrupt = NOISES[name].corrupt
    assert corrupt is getattr(sklearn_ae.noise, name)
    names = list(inspect.signature(corrupt).parameters)
    of_images = ["image_shape"] if NOISES[name].is_of_images else []
    assert names == ["x", "level", "generator", "typical", *of_images]


# Displays


@pytest.mark.parametrize("name", inspection.__all__)
def test_a_display_stores_computes_and_draws_in_scikit_learns_form(name):
    Display = getattr(inspection, name)

    assert name.endswith("Display")
    from_estimator = inspect.signature(Display.from_estimator).parameters
    drawn = inspect.signature(Display.plot).parameters
    assert next(iter(from_estimator)) in ("estimator", "estimators")
    assert drawn["ax"].default is None
    assert set(drawn) - {"self"} <= set(from_estimator)
