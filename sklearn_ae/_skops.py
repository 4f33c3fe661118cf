"""Estimators of scikit-learn as skops writes them, looked at before skops reads them.

skops asks which names to trust. What a name is used for is the file's to say, and so is how often:
that is looked at here.
"""

import json
import zipfile
from collections import Counter
from collections.abc import Collection, Iterator
from io import BytesIO
from typing import Any

import numpy as np

from sklearn_ae._archive import members_of
from sklearn_ae._compat import required
from sklearn_ae.exceptions import LoadError

_SCHEMA = "schema.json"
_KEYS = {"__class__", "__id__", "__loader__", "__module__", "__reduce__"}
# How many times as long as the file what is in it may become.
_MOST_TIMES = 10
# What skops asks about that is Python alone and does nothing but compute, and the one way in which
# each may be built. Trees, and what else has code in C that takes its numbers as they are, could be
# crafted to read beyond them.
_HARMLESS = {
    "numpy.dtype": "DTypeNode",
    **{f"numpy.{name}": "FunctionNode" for name in ("max", "mean", "median", "min")},
    **{
        f"sklearn.feature_selection.{name}": "FunctionNode"
        for name in (
            *(f"_mutual_info.mutual_info_{of}" for of in ("classif", "regression")),
            *(
                f"_univariate_selection.{name}"
                for name in ("chi2", "f_classif", "f_oneway", "f_regression", "r_regression")
            ),
        )
    },
    **{
        f"sklearn.{name}": "ObjectNode"
        for name in (
            *("calibration._CalibratedClassifier", "calibration._SigmoidCalibration"),
            "gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace",
            *(f"neural_network._stochastic_optimizers.{of}Optimizer" for of in ("Adam", "SGD")),
            *(
                f"gaussian_process.kernels.{name}"
                for name in (
                    *("CompoundKernel", "ConstantKernel", "DotProduct", "ExpSineSquared"),
                    *("Exponentiation", "Matern", "PairwiseKernel", "Product", "RBF"),
                    *("RationalQuadratic", "Sum", "WhiteKernel"),
                )
            ),
        )
    },
}
# What keys of a dict may be, whose types are called.
_KEY_TYPES = {f"builtins.{of}" for of in ("bool", "bytes", "float", "int", "str")} | {
    f"numpy.{of.__name__}" for of in np.sctypeDict.values() if issubclass(of, np.number | np.str_)
}


def skops_io() -> Any:
    """Give what writes and reads scikit-learn's estimators."""
    return required("skops.io", "for estimators of scikit-learn", extra="save")


def untrusted(content: bytes, name: str, trusted: Collection[str] = ()) -> list[str]:
    """Give what of a file of skops is to be trusted before it is read.

    Parameters
    ----------
    content : bytes
        The file.
    name : str
        Its name.
    trusted : collection of str, default=()
        What is trusted, however it is used.

    Raises
    ------
    LoadError
        If it is none, or what is in it is used in a way that no saved estimator has.
    """
    io = skops_io()
    members = members_of(content, name)
    if _SCHEMA not in members:
        raise LoadError(f"{name}: there is no {_SCHEMA}.")
    named: Counter[str] = Counter()
    kinds: dict[Any, tuple[str, Any]] = {}
    found = set()
    for node in _nodes(json.loads(members[_SCHEMA])):
        _check_node(node, name, trusted)
        of = _name(node), node.get("__loader__")
        if of[1] == "RandomGeneratorNode":  # whose seed may take any time
            found.add(of[0])
        if "__id__" in node and kinds.setdefault(node["__id__"], of) != of:
            raise LoadError(f"{name}: {of[0]} would take the place of something else.")
        if isinstance(node.get("file"), str):
            named[node["file"]] += 1
            _check_array(node, members.get(node["file"], b""), name)
    n_bytes = sum(n_times * _length(members.get(file, b"")) for file, n_times in named.items())
    if n_bytes > _MOST_TIMES * len(content):
        raise LoadError(f"{name}: what is in it would take more than {_MOST_TIMES} times its size.")
    found |= set(io.get_untrusted_types(data=content)) - _HARMLESS.keys()
    return sorted(found - set(trusted))


def read(content: bytes, trusted: Collection[str]) -> Any:
    """Give the estimator of a file of which nothing is untrusted."""
    return skops_io().loads(content, trusted=sorted({*trusted, *_HARMLESS}))


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    if isinstance(tree, dict):
        yield tree
    if isinstance(tree, dict | list):
        for part in tree.values() if isinstance(tree, dict) else tree:
            yield from _nodes(part)


def _name(node: dict[str, Any]) -> str:
    return f"{node.get('__module__')}.{node.get('__class__')}"


def _check_node(node: dict[str, Any], name: str, trusted: Collection[str]) -> None:
    special = {key for key in node if key.startswith("__")} - _KEYS
    if special:
        raise LoadError(f"{name}: an attribute {min(special)} means something to others.")
    loader, of = node.get("__loader__"), _name(node)
    content: Any = node.get("content")
    if "__id__" in node and loader is None:
        raise LoadError(f"{name}: it names again what is not there in full.")
    if of in trusted:
        return
    if loader == "ConstructorFromReduceNode" or _HARMLESS.get(of, loader) != loader:
        raise LoadError(f"{name}: {of} would be called, by {loader}.")
    match loader:
        case "ObjectNode":
            is_sound = _loader(content) in (None, "DictNode", "TupleNode") or (
                _loader(content) == "JsonNode" and content["content"] == "null"
            )
        case "DictNode":  # which calls the types of its keys
            types = node.get("key_types", {})
            is_sound = _loader(types) == "ListNode" and all(map(_is_type, types["content"]))
        case "RandomStateNode":
            state = content["content"]["state"]
            place = json.loads(state["content"]["pos"]["content"])
            is_sound = _loader(content) == _loader(state) == "DictNode" and place in range(625)
        case "NdArrayNode" if node.get("type") == "json" and len(node["shape"]["content"]) > 1:
            # numpy takes what is in them apart.
            ids = [leaf.get("__id__") for leaf in _leaves(content) if "__id__" in leaf]
            is_sound = len(set(ids)) == len(ids) and all(map(_is_leaf, _leaves(content)))
        case _:
            is_sound = True
    if not is_sound:
        raise LoadError(f"{name}: {of} is not what any saved estimator has.")


def _loader(node: Any) -> Any:
    return node.get("__loader__") if isinstance(node, dict) else None


def _is_type(node: Any) -> bool:
    return _loader(node) == "TypeNode" and _name(node) in _KEY_TYPES


def _leaves(items: Any) -> Iterator[Any]:
    for item in items:
        if _loader(item) == "ListNode":
            yield from _leaves(item["content"])
        else:
            yield item


def _is_leaf(node: Any) -> bool:
    if _loader(node) == "JsonNode":
        return not isinstance(json.loads(node["content"]), dict | list)
    return _loader(node) == "ObjectNode"


def _check_array(node: dict[str, Any], content: bytes, name: str) -> None:
    """Check that an array is as long as it says, and of a type that is one number where it is."""
    if node.get("__loader__") != "NdArrayNode":
        return
    file = BytesIO(content)
    version = np.lib.format.read_magic(file)
    header = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    shape, _, dtype = header[version](file)
    is_number = shape == () and f"numpy.{dtype.type.__name__}" == _name(node)
    if not (dtype.itemsize and (is_number or _name(node) == "numpy.ndarray")):
        raise LoadError(f"{name}: {_name(node)} is made of an array of {dtype} and shape {shape}.")


def _length(content: bytes) -> int:
    """Give how long a member is once it is read: sparse arrays are compressed."""
    if not zipfile.is_zipfile(BytesIO(content)):
        return len(content)
    with zipfile.ZipFile(BytesIO(content)) as archive:
        return sum(info.file_size for info in archive.infolist())
