"""Estimators, and Pipelines of them, as graphs of ONNX."""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from functools import partial
from numbers import Integral
from threading import Lock
from typing import Any

import torch
from sklearn.base import BaseEstimator, is_classifier
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from sklearn_ae._compat import required
from sklearn_ae._exporting import Exportable
from sklearn_ae._training.surroundings import undisturbed

# What an estimator takes as float32, and as float64.
_HELD_BY_FLOAT32 = {"Boolean", "Float", "Int8", "Int16", "UInt8", "UInt16"}
_HELD_BY_FLOAT64 = {"Double", "Int32", "Int64", "UInt32", "UInt64"}
# torch exports one thing at a time.
_exporting = Lock()
# What estimators are called among those that skl2onnx converts.
_ALIAS = "SklearnAeModule"
# The first that torch exports to.
_LEAST_OPSET = 18
# Operators that onnxruntime has in float32 alone, on the CPU, or had; before 1.32 it made one of a
# sigmoid times what goes into it, too.
_IN_FLOAT32 = {
    *("Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "Cos", "Cosh", "Erf", "Sinh", "Tan"),
    *("Celu", "Elu", "Gelu", "HardSigmoid", "LeakyRelu", "PRelu", "Selu", "Sigmoid", "Softplus"),
    *("Softsign", "ThresholdedRelu", "Hardmax", "InstanceNormalization", "LRN"),
    *("MeanVarianceNormalization", "Conv", "ConvTranspose", "AveragePool", "LpPool"),
    *("GlobalAveragePool", "GlobalLpPool", "GlobalMaxPool", "Resize", "Upsample", "Mean", "Det"),
    *("Attention", "RotaryEmbedding", "Col2Im"),
}


def to_onnx(
    estimator: BaseEstimator,
    method: str | None = None,
    *,
    initial_types: Sequence[tuple[str, Any]] | None = None,
    target_opset: int = 20,
) -> Any:
    """Convert a fitted estimator, or a Pipeline that holds some, to a graph of ONNX.

    The graph takes any number of rows and does what the method does, scaling and all, without
    Python: onnxruntime runs it from many languages. It is for the CPU, wherever the estimator is.
    The packages `skl2onnx`, which converts what is of scikit-learn, and `onnxscript`, with which
    torch converts what is ours, are needed: both come with ``pip install 'sklearn-ae[onnx]'``.

    Parameters
    ----------
    estimator : estimator
        Any estimator of this package, a Pipeline or another composition of scikit-learn that
        skl2onnx converts, or a search, whose best estimator it is then.
    method : {"transform", "inverse_transform", "reconstruct", "score_samples", \
            "decision_function", "predict"}, default=None
        What the graph does, of those that the estimator, or the last step of a Pipeline, has. None
        is `transform`, or `score_samples` where there is none; of a detector, and of "predict", it
        is labels and what `decision_function` gives; of what ends with an estimator of
        scikit-learn it is what skl2onnx gives: of a classifier labels and probabilities.
    initial_types : list of (str, type of skl2onnx), default=None
        Names and types of what goes in, as `skl2onnx.to_onnx` takes them, such as a column each for
        a frame. None is one tensor "X" of float32, of shape (n_samples, n_features).
    target_opset : int, default=20
        Version of the operators of ONNX, from 18 to what skl2onnx knows, 22 at present.

    Returns
    -------
    model : onnx.ModelProto
        ``model.SerializeToString()`` gives its bytes. What comes out has the dtype that the method
        gives for rows of float32: codes and rows are float32, scores float64.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    ValueError
        If `method` is none that the last step has, or can't be converted, such as that of a
        detector whose autoencoder is not of this package; or another parameter is not sound.
    ImportError
        If skl2onnx or onnxscript are not installed.

    See Also
    --------
    register_onnx_converters : For `skl2onnx.to_onnx` itself.

    Notes
    -----
    Masked arrays have no equal: entries of rows are all known, but for NaN in an imputer. Rows
    that an estimator refuses, such as infinite ones, are not refused by a graph.

    Examples
    --------
    >>> import numpy as np
    >>> from onnxruntime import InferenceSession
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_ae import AutoencoderTransformer, to_onnx
    >>> X, _ = load_digits(return_X_y=True)
    >>> autoencoder = AutoencoderTransformer(8, random_state=0).fit(X)
    >>> model = to_onnx(autoencoder).SerializeToString()
    >>> session = InferenceSession(model, providers=["CPUExecutionProvider"])
    >>> rows = X[:5].astype(np.float32)
    >>> (codes,) = session.run(None, {"X": rows})
    >>> np.testing.assert_allclose(codes, autoencoder.transform(rows), rtol=1e-5, atol=1e-5)
    """
    from sklearn.frozen import FrozenEstimator
    from sklearn.pipeline import Pipeline

    check_is_fitted(estimator)
    register_onnx_converters()
    skl2onnx = _skl2onnx()
    exceptions = skl2onnx.common.exceptions
    greatest = skl2onnx.__max_supported_opset__
    if not (isinstance(target_opset, Integral) and _LEAST_OPSET <= target_opset <= greatest):
        raise ValueError(
            f"target_opset={target_opset!r}: must be an integer from {_LEAST_OPSET} to {greatest}."
        )
    last = estimator = getattr(estimator, "best_estimator_", estimator)
    while isinstance(last, Pipeline | FrozenEstimator):
        last = last.steps[-1][1] if isinstance(last, Pipeline) else last.estimator
        last = getattr(last, "best_estimator_", last)
    options: dict[Any, Any] = {}
    if method is not None:
        _check_method(estimator, last, method)
        options[id(last)] = {"method": method}
    elif is_classifier(last):
        options[id(last)] = {"zipmap": False}  # else a dict a row
    if initial_types is None:
        of_input = "encoding_dim_" if method == "inverse_transform" else "n_features_in_"
        width = getattr(estimator, of_input, None)
        if width is None:
            raise ValueError(
                f"initial_types=None: {estimator!r} does not say how many numbers a row of it has. "
                "Pass names and types of what goes in."
            )
        initial_types = [("X", skl2onnx.common.data_types.FloatTensorType([None, width]))]
    try:
        return skl2onnx.to_onnx(
            estimator, initial_types=list(initial_types), target_opset=target_opset, options=options
        )
    except (exceptions.MissingConverter, exceptions.MissingShapeCalculator) as error:
        raise ValueError(f"{estimator!r}: a step of it can't be converted: {error}") from error


def _check_method(estimator: BaseEstimator, last: BaseEstimator, method: str) -> None:
    if not isinstance(last, Exportable):
        raise ValueError(
            f"method={method!r}: {type(last).__name__} is not of this package. Leave method out "
            "for what skl2onnx makes of it."
        )
    there_are = [each for each in last._exported if hasattr(estimator, each)]
    if estimator is not last and "inverse_transform" in there_are:
        there_are.remove("inverse_transform")  # which would go through scikit-learn's steps
    if method not in there_are:
        raise ValueError(
            f"method={method!r}: of {type(estimator).__name__} there are {', '.join(there_are)}."
        )


def register_onnx_converters() -> None:
    """Have skl2onnx convert the estimators of this package, and those that are derived from them.

    :func:`to_onnx` does so itself: this is for `skl2onnx.to_onnx` and `convert_sklearn`, whose
    options have the method: ``options={id(detector): {"method": "score_samples"}}``.

    Raises
    ------
    ImportError
        If skl2onnx or onnxscript are not installed.

    Examples
    --------
    >>> import numpy as np
    >>> import skl2onnx
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn_ae import AutoencoderTransformer, register_onnx_converters
    >>> X, y = load_digits(return_X_y=True)
    >>> autoencoder = AutoencoderTransformer(8, random_state=0)
    >>> pipeline = make_pipeline(autoencoder, LogisticRegression(max_iter=1000)).fit(X, y)
    >>> register_onnx_converters()
    >>> model = skl2onnx.to_onnx(pipeline, X[:1].astype(np.float32), target_opset=20)
    >>> [output.name for output in model.graph.output]
    ['output_label', 'output_probability']
    """
    from sklearn.frozen import FrozenEstimator

    register: Any = partial(
        _skl2onnx().update_registered_converter,
        alias=_ALIAS,
        shape_fct=_infer,
        convert_fct=_convert,
        options={"method": None},
    )
    for kind in _derived(Exportable):
        if hasattr(kind, "_exported"):
            register(kind, parser=_parse)
    register(FrozenEstimator, parser=_parse_frozen)


def _skl2onnx() -> Any:
    required("onnxscript", "to convert", extra="onnx")
    return required("skl2onnx", "to convert", extra="onnx")


def _derived(base: type[Any]) -> Iterator[type[Any]]:
    for each in base.__subclasses__():
        yield each
        yield from _derived(each)


def _parse(scope: Any, model: Any, inputs: list[Any], custom_parsers: Any = None) -> list[Any]:
    """Declare the steps of an estimator, as skl2onnx asks for them."""
    # Its public one makes outputs of the graph of all that is between.
    from skl2onnx._parse import _parse_sklearn

    method = scope.get_options(model, {"method": None}, fail=False)["method"]
    method = method or model._exported[0]
    if method not in model._exported:
        raise ValueError(
            f"method={method!r}: of {type(model).__name__} there are {', '.join(model._exported)}."
        )
    for step in model._as_steps(method):
        if isinstance(step, nn.Module):
            inputs = _declare(scope, step, inputs)
            continue
        if not hasattr(step, "transform"):
            scope.add_options(id(step), {method: True})
        inputs = _parse_sklearn(scope, step, inputs, custom_parsers=custom_parsers)[-1:]
    return inputs


def _parse_frozen(
    scope: Any, model: Any, inputs: list[Any], custom_parsers: Any = None
) -> list[Any]:
    """Declare what is frozen, of which skl2onnx does not know."""
    from skl2onnx._parse import _parse_sklearn

    outputs: list[Any] = _parse_sklearn(scope, model.estimator, inputs, custom_parsers)
    return outputs


def _declare(scope: Any, module: nn.Module, inputs: list[Any]) -> list[Any]:
    """Declare a module, whose outputs are of known dtype but for those of halves."""
    operator = scope.declare_local_operator(_ALIAS, deepcopy(module).cpu().eval())
    operator.inputs = inputs
    types, of_input = _tensor_types(), _dtype(inputs)
    for name, dtype in getattr(module, "outputs", {"variable": None}).items():
        operator.outputs.append(scope.declare_local_variable(name, types[dtype or of_input]()))
    return operator.outputs


def _tensor_types() -> dict[torch.dtype, Any]:
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, Int64TensorType

    return {
        torch.float32: FloatTensorType,
        torch.float64: DoubleTensorType,
        torch.int64: Int64TensorType,
    }


def _dtype(inputs: list[Any]) -> torch.dtype:
    """Give the dtype that an estimator gives for what goes in: float32 where it holds all."""
    kinds = [type(each.type).__name__.removesuffix("TensorType") for each in inputs]
    for each, kind in zip(inputs, kinds, strict=True):
        if kind not in _HELD_BY_FLOAT32 | _HELD_BY_FLOAT64:
            raise ValueError(f"{each.raw_name} is of {each.type}: numbers are needed.")
    return torch.float32 if _HELD_BY_FLOAT32.issuperset(kinds) else torch.float64


def _example(operator: Any) -> Tensor:
    """Give two rows such as go into the module of an operator."""
    widths = [each.type.shape[1:] for each in operator.inputs]
    for each, width in zip(operator.inputs, widths, strict=True):
        if len(width) != 1 or not isinstance(width[0], int):
            raise ValueError(
                f"{each.raw_name} is of {each.type}: it has to say how many columns there are."
            )
    return torch.zeros(2, sum(width for (width,) in widths), dtype=_dtype(operator.inputs))


def _infer(operator: Any) -> None:
    """Set the types of what an operator gives, by trying it."""
    module, types = operator.raw_operator, _tensor_types()
    if not isinstance(module, nn.Module):
        raise ValueError(
            f"{module!r}: it can't be converted within an estimator that skl2onnx takes apart by "
            "itself. Use what is frozen."
        )
    rows = _example(operator)
    try:
        with undisturbed(inference=True):
            found = module(rows)
    except RuntimeError as error:
        raise ValueError(
            f"initial_types: {rows.shape[1]} columns are not what it takes."
        ) from error
    for variable, each in zip(
        operator.outputs, found if isinstance(found, tuple) else (found,), strict=True
    ):
        variable.type = types[each.dtype]([None, *each.shape[1:]])


def _convert(scope: Any, operator: Any, container: Any) -> None:
    """Put the graph of a module where skl2onnx wants that of an operator."""
    from onnx import TensorProto, compose

    if container.target_opset < _LEAST_OPSET:  # of who asks skl2onnx itself
        raise ValueError(f"target_opset={container.target_opset}: must be at least {_LEAST_OPSET}.")
    rows = _example(operator)
    model = _exported(operator.raw_operator, rows, container.target_opset)
    # No name of skl2onnx has a slash.
    model = compose.add_prefix(model, f"{scope.get_unique_operator_name('module')}/")
    graph = model.graph
    to = TensorProto.DOUBLE if rows.dtype == torch.float64 else TensorProto.FLOAT
    columns = [scope.get_unique_variable_name("columns") for _ in operator.inputs]
    for each, cast in zip(operator.inputs, columns, strict=True):
        container.add_node("Cast", each.onnx_name, cast, to=to)
    container.add_node("Concat", columns, graph.input[0].name, axis=1, op_version=13)
    container.nodes.extend(graph.node)
    container.initializers.extend(graph.initializer)
    for found, wanted in zip(graph.output, operator.outputs, strict=True):
        container.add_node("Identity", found.name, wanted.onnx_name)
    for opset in model.opset_import:
        container.node_domain_version_pair_sets.add((opset.domain, opset.version))


def _exported(module: nn.Module, rows: Tensor, opset: int) -> Any:
    """Give the graph of a module, for any number of rows."""
    from onnx import shape_inference

    with _exporting, _quiet():
        # torch.onnx.export would try other ways where the number of rows is not free, and fix it.
        program = torch.export.export(
            nn.Sequential(module),  # or names of its tensors may be those of operators
            (rows,),
            dynamic_shapes=({0: torch.export.Dim("n_samples")},),
        )
        # Its optimizer loses constants of rows that are clipped twice; onnxruntime has its own.
        exported: Any = torch.onnx.export(
            program, opset_version=opset, dynamo=True, optimize=False, verbose=False
        )
    model = shape_inference.infer_shapes(exported.model_proto)  # of dtypes, too
    _cast_what_needs_it(model.graph)
    return model


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep from users what torch has to say of torchvision, and of its own old functions."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*LeafSpec.* is deprecated", FutureWarning)
            yield
    finally:
        logger.setLevel(level)


def _cast_what_needs_it(graph: Any) -> None:
    """Have operators that there are in float32 alone take and give what they do."""
    from onnx import TensorProto, helper

    kinds = {tensor.name: tensor.data_type for tensor in graph.initializer}
    for each in (*graph.input, *graph.output, *graph.value_info):
        kinds[each.name] = each.type.tensor_type.elem_type
    nodes = []

    def cast(source: str, to: str, kind: int) -> None:
        nodes.append(helper.make_node("Cast", [source], [to], name=f"Cast_{to}", to=kind))

    for node in graph.node:
        (given, *_) = node.output
        if node.op_type == "CastLike":  # of which onnxruntime says that it can't fold it
            cast(node.input[0], given, kinds[given])
            continue
        if node.op_type not in _IN_FLOAT32 or kinds.get(given) != TensorProto.DOUBLE:
            nodes.append(node)
            continue
        for i, name in enumerate(node.input):
            if kinds.get(name) == TensorProto.DOUBLE:
                node.input[i] = f"{given}_input_{i}"
                cast(name, node.input[i], TensorProto.FLOAT)
        node.output[0] = f"{given}_in_float32"
        nodes.append(node)
        cast(node.output[0], given, TensorProto.DOUBLE)
    del graph.node[:]
    graph.node.extend(nodes)
