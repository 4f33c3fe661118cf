"""Files that are damaged, or forged, and what `load` makes of them.

    python -m benchmarks.fuzz                  # 10,000 files, five minutes; on Linux
    python -m benchmarks.fuzz --files 500      # a glimpse

Some estimators are saved, and each file is damaged in one of several ways. The last ones are what a
forger would write: what is described is changed at random, and the digests are those of the change.
Of a damaged file nothing may load that gives other numbers; a forged one may be another sound
model. No code may run, which an audit hook watches, nothing but `LoadError` may be raised, no
process may die, and memory is bounded. Exits with 1 where one of these ends is missed.
"""

import argparse
import json
import multiprocessing
import sys
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from copy import deepcopy
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from benchmarks.memory import kilobytes
from benchmarks.report import Report
from sklearn_ae import (
    AutoencoderImputer,
    AutoencoderOutlierDetector,
    AutoencoderTransformer,
    ConvAutoencoderTransformer,
    LatentDensity,
    VariationalAutoencoderTransformer,
    load,
    save,
)
from sklearn_ae.exceptions import LoadError

_FILES, _FILES_OF_A_PROCESS = 10_000, 250
# What code that runs would tell of.
_WATCHED = (
    "exec",
    "pickle.find_class",
    "os.system",
    "os.exec",
    "subprocess.Popen",
    "socket.connect",
)
_MOST_GROWTH = 300  # MB beyond what a process has after its first file

Damage = Callable[[bytearray, np.random.RandomState], bytes]


def estimators() -> dict[str, BaseEstimator]:
    """Give one of each kind, fitted."""
    X, y = load_digits(return_X_y=True)
    X, y = X[:100], y[:100]
    few: dict[str, Any] = {"hidden_layer_sizes": (6,), "max_epochs": 2, "random_state": 0}
    missing = np.where(np.random.RandomState(0).uniform(size=X.shape) < 0.1, np.nan, X)
    dense = AutoencoderTransformer(3, **few)
    return {
        "dense": dense.fit(X),
        "convolutional": ConvAutoencoderTransformer(
            3, image_shape=(8, 8), channels=(2,), **few
        ).fit(X),
        "variational": VariationalAutoencoderTransformer(3, **few).fit(X),
        "density": LatentDensity(dense).fit(X),
        "detector": AutoencoderOutlierDetector(dense, random_state=0).fit(X),
        "imputer": AutoencoderImputer(PCA(3, random_state=0), random_state=0).fit(missing),
        "pipeline": make_pipeline(SimpleImputer(), SelectKBest(k=40), clone(dense)).fit(X, y),
        "search": GridSearchCV(
            make_pipeline(dense, LogisticRegression(tol=1.0)),
            {"autoencodertransformer__lr": [1e-3]},
            scoring="accuracy",
            cv=2,
        ).fit(X, y),
    }


# Ways to damage a file


def cut(content: bytearray, rng: np.random.RandomState) -> bytes:
    return content[: rng.randint(len(content))]


def flip(content: bytearray, rng: np.random.RandomState) -> bytes:
    for _ in range(rng.choice([1, 1, 2, 10])):
        content[rng.randint(len(content))] ^= 1 << rng.randint(8)
    return content


def overwrite(content: bytearray, rng: np.random.RandomState) -> bytes:
    first = rng.randint(len(content))
    length = min(rng.choice([1, 16, 512, 4096]), len(content) - first)
    content[first : first + length] = rng.bytes(length) if rng.randint(2) else bytes(length)
    return content


def insert(content: bytearray, rng: np.random.RandomState) -> bytes:
    first = rng.randint(len(content))
    content[first:first] = rng.bytes(rng.choice([1, 100, 5000]))
    return content


def remove(content: bytearray, rng: np.random.RandomState) -> bytes:
    first = rng.randint(len(content))
    del content[first : first + rng.choice([1, 100, 5000])]
    return content


def swap(content: bytearray, rng: np.random.RandomState) -> bytes:
    one, other = sorted(rng.randint(len(content) - 512, size=2))
    content[one : one + 512], content[other : other + 512] = (
        content[other : other + 512],
        content[one : one + 512],
    )
    return content


# Ways to forge one: what is in it is changed, and the digests with it.


def members_of(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist() if name != "SHA256SUMS"}


def zipped(members: dict[str, bytes]) -> bytes:
    file = BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, of in members.items():
            archive.writestr(name, of)
    return file.getvalue()


def archived(members: dict[str, bytes]) -> bytes:
    digests = "".join(f"{sha256(of).hexdigest()}  {name}\n" for name, of in members.items())
    return zipped({**members, "SHA256SUMS": digests.encode()})


_STRANGE: list[Any] = [
    *(None, True, -1, 0, 10**9, 10**30, 0.5, -1e300, "", "x" * 1000, [], [[]], {}, "os.system"),
    *({"float": "nan"}, {"estimator": ["os.system", [], [], None]}, {"own": "builtins.eval"}),
    *({"record": ["subprocess.Popen", [["args", ["true"]]]]}, {"plain": ["os.system", []]}),
    *({"metric": "sklearn.metrics.accuracy_score"}, {"metric": "os.system"}),
    *({"requesting": [{"skops": "0.skops"}, None]}, "fit", "__array_interface__", "__reduce__"),
    *({"skops": "0.skops"}, {"tensor": ["0", "float32", [1]]}, {"class": "torch.nn.Linear"}),
]


def places(node: Any) -> Iterator[tuple[Any, Any]]:
    """Give each part of a tree, as what holds it and where."""
    for key in node if isinstance(node, dict) else range(len(node)):
        yield node, key
        if isinstance(node[key], dict | list):
            yield from places(node[key])


def forge_manifest(content: bytearray, rng: np.random.RandomState) -> bytes:
    members = members_of(content)
    manifest = json.loads(members["manifest.json"])
    for _ in range(rng.choice([1, 1, 3])):
        found = list(places(manifest))
        holder, key = found[rng.randint(len(found))]
        other, of_other = found[rng.randint(len(found))]
        strange = _STRANGE[rng.randint(len(_STRANGE))]
        changed = deepcopy(other[of_other] if rng.randint(2) else strange)
        if isinstance(changed, dict) and isinstance(holder[key], dict) and rng.randint(2):
            changed = {**holder[key], **changed}  # two things in one
        holder[key] = changed
    members["manifest.json"] = json.dumps(manifest).encode()
    return archived(members)


# What skops names, and by what it builds it.
_NAMES = ["numpy.mean", "numpy.dtype", "sklearn.gaussian_process.kernels.RBF", "os.system"]
_LOADERS = [
    *("ConstructorFromReduceNode", "DTypeNode", "DictNode", "FunctionNode", "JsonNode", "ListNode"),
    *("MethodNode", "NdArrayNode", "ObjectNode", "PartialNode", "SparseMatrixNode", "TypeNode"),
]


def forge_schema(content: bytearray, rng: np.random.RandomState) -> bytes:
    members = members_of(content)
    of_skops = [name for name in members if name.endswith(".skops")]
    if not of_skops:
        return forge_manifest(content, rng)
    name = of_skops[rng.randint(len(of_skops))]
    inner = members_of(members[name])
    schema = json.loads(inner["schema.json"])
    for _ in range(rng.choice([1, 1, 3])):
        found = list(places(schema))
        holder, key = found[rng.randint(len(found))]
        other, of_other = found[rng.randint(len(found))]
        if isinstance(holder[key], dict) and "__loader__" in holder[key]:
            module, _, called = _NAMES[rng.randint(len(_NAMES))].rpartition(".")
            changes = {"__module__": module, "__class__": called}
            loader = {"__loader__": _LOADERS[rng.randint(len(_LOADERS))]}
            holder[key] |= [loader, changes, loader | changes][rng.randint(3)]
        elif isinstance(holder, dict) and rng.randint(2):
            holder[["__array_interface__", "more", "__id__"][rng.randint(3)]] = deepcopy(
                other[of_other]
            )
        else:
            holder[key] = deepcopy(other[of_other])
    inner["schema.json"] = json.dumps(schema).encode()
    members[name] = zipped(inner)
    return archived(members)


def forge_member(content: bytearray, rng: np.random.RandomState) -> bytes:
    members = members_of(content)
    name = sorted(members)[rng.randint(len(members))]
    damage = DAMAGES[rng.choice(["flip", "overwrite", "cut", "insert"])]
    members[name] = bytes(damage(bytearray(members[name]), rng))
    return archived(members)


DAMAGES: dict[str, Damage] = {
    function.__name__: function for function in (cut, flip, overwrite, insert, remove, swap)
}
FORGERIES: dict[str, Damage] = {
    function.__name__: function for function in (forge_manifest, forge_schema, forge_member)
}


# What becomes of them


def outcome(path: Path, rows: np.ndarray, expected: np.ndarray, told: list[str]) -> str:
    """Load a file, and say what came of it."""
    told.clear()
    try:
        loaded = load(path)
    except LoadError:
        return "CODE RAN" if told else "refused"
    except BaseException as error:
        return f"{type(error).__name__.upper()}: {error}"[:200]
    if told:
        return "CODE RAN"
    try:
        is_same = np.array_equal(numbers_of(loaded, rows), expected)
    except Exception:
        is_same = False
    return "the same model" if is_same else "another model"


def numbers_of(estimator: BaseEstimator, rows: np.ndarray) -> np.ndarray:
    methods = ("score_samples", "predict_proba", "transform")
    method = next(name for name in methods if hasattr(estimator, name))
    return getattr(estimator, method)(rows)


def work(folder: str, seed: int, n_files: int, results: Any) -> None:
    """Damage and load files, and send each outcome as it is known."""
    warnings.simplefilter("ignore")
    rows = load_digits().data[:20]
    ways, rng = {**DAMAGES, **FORGERIES}, np.random.RandomState(seed)
    saved = {path.stem: path.read_bytes() for path in sorted(Path(folder).glob("*.skae"))}
    expected = {name: numbers_of(load(Path(folder, f"{name}.skae")), rows) for name in saved}
    with torch.device("meta"):
        repr(torch.zeros(1))  # torch imports more of itself the first time, as errors do later
    told: list[str] = []
    sys.addaudithook(lambda event, args: told.append(event) if event in _WATCHED else None)
    before = kilobytes("VmHWM")
    path = Path(folder, f"damaged-{seed}")
    for _ in range(n_files):
        name, way = rng.choice(sorted(saved)), rng.choice(sorted(ways))
        path.write_bytes(ways[way](bytearray(saved[name]), rng))
        results.send((way, outcome(path, rows, expected[name], told)))
    results.send(("memory", (kilobytes("VmHWM") - before) / 1024))
    results.close()


def fuzz(report: Report, n_files: int) -> None:
    """Print what became of damaged files, by how they were damaged."""
    found: dict[str, Counter[str]] = {way: Counter() for way in (*DAMAGES, *FORGERIES)}
    greatest, n_died = 0.0, 0
    context = multiprocessing.get_context("spawn")
    with TemporaryDirectory() as folder:
        for name, estimator in estimators().items():
            save(estimator, Path(folder, f"{name}.skae"))
        for seed in range(-(-n_files // _FILES_OF_A_PROCESS)):
            receiver, sender = context.Pipe(duplex=False)
            process = context.Process(
                target=work, args=(folder, seed, min(n_files, _FILES_OF_A_PROCESS), sender)
            )
            process.start()
            sender.close()
            while True:
                try:
                    way, said = receiver.recv()
                except EOFError:
                    break
                if way == "memory":
                    greatest = max(greatest, said)
                else:
                    found[way][said] += 1
            process.join()
            n_died += process.exitcode != 0
    outcomes = sorted({said for of_way in found.values() for said in of_way})
    report.table(
        "Damaged and forged files: what came of each",
        ("", "files", *outcomes),
        ((way, of.total(), *(of[said] for said in outcomes)) for way, of in found.items()),
    )
    damaged = sum((found[way] for way in DAMAGES), Counter())
    every = sum(found.values(), Counter())
    known = {"refused", "the same model", "another model"}
    report.end("damaged files that load as another model", damaged["another model"], 0)
    report.end("files of which code ran", every["CODE RAN"], 0)
    raised = sum(of for said, of in every.items() if said not in known | {"CODE RAN"})
    report.end("files that raise something else", raised, 0)
    report.end("processes that died", n_died, 0)
    report.end("MB that a process grew by", greatest, _MOST_GROWTH)


def main() -> int:
    """Run it, and give the number to exit with."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=_FILES)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    report = Report("fuzz")
    fuzz(report, arguments.files)
    return report.close(is_glimpse=arguments.files < _FILES)


if __name__ == "__main__":
    sys.exit(main())
