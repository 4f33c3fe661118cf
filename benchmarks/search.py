"""Time of a grid search over small models: two processes over one."""

import numpy as np
from joblib import Parallel, delayed
from sklearn.model_selection import GridSearchCV

from benchmarks.cases import digits
from benchmarks.report import Report
from benchmarks.timing import Ratio, in_pairs, threads, timed
from sklearn_ae import AutoencoderTransformer

_GRID = {
    "encoding_dim": [4, 8, 16],
    "lr": [3e-4, 1e-3, 3e-3],
    "hidden_layer_sizes": [(32,), (48,)],
}


def grid_search(report: Report, n_rounds: int | None = None) -> None:
    """Time the same search with one process and with two, in pairs."""
    X, _ = digits()
    small = AutoencoderTransformer(
        batch_size=32, max_epochs=50, early_stopping=False, random_state=0
    )

    def search(n_jobs: int) -> float:
        return timed(GridSearchCV(small, _GRID, cv=3, n_jobs=n_jobs).fit, X)[0]

    with threads(1):
        # What starts once in a process, and the processes themselves, are no cost of a search.
        small.fit(X[:64])
        Parallel(n_jobs=2)(delayed(small.fit)(X[:64]) for _ in range(4))
        two, one = in_pairs(lambda: search(2), lambda: search(1), n_rounds or 3)
    ratio = Ratio.of(two, one)
    n_fits = 3 * np.prod([len(values) for values in _GRID.values()])
    report.measured["search"] = {"n_jobs=1": one, "n_jobs=2": two}
    report.table(
        f"GridSearchCV: {n_fits} fits of 50 epochs on digits, {len(one)} pairs",
        ("n_jobs=1, s", "n_jobs=2, s", "ratio"),
        [(f"{np.median(one):.1f}", f"{np.median(two):.1f}", ratio)],
    )
    report.end("GridSearchCV: time of n_jobs=2 over n_jobs=1", ratio, 0.6)
