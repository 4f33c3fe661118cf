"""Too little memory, many threads, and workers."""

import multiprocessing
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from _testing import small

OUT_OF_MEMORY = """
import resource, warnings
from pathlib import Path
import numpy as np
from sklearn_ae import AutoencoderTransformer

warnings.simplefilter("ignore")
X = np.random.RandomState(0).standard_normal((20_000, 50)).astype(np.float32)
autoencoder = AutoencoderTransformer(
    2, hidden_layer_sizes=(8,), max_epochs=1, early_stopping=False, random_state=0
).fit(X[:100])
before = autoencoder.transform(X[:100])
status = Path("/proc/self/status").read_text().splitlines()
used = next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmSize"))
unlimited = resource.getrlimit(resource.RLIMIT_AS)
resource.setrlimit(resource.RLIMIT_AS, (used + 400 * 2**20, unlimited[1]))
autoencoder.set_params(hidden_layer_sizes=(8000,), batch_size=20_000)
try:
    autoencoder.fit(X)
except MemoryError as error:
    assert str(error).startswith("batch_size=20000: a batch of so many rows of 50 features"), error
    assert "Lower batch_size" in str(error)
else:
    raise AssertionError("there was enough memory")
resource.setrlimit(resource.RLIMIT_AS, unlimited)
assert (autoencoder.transform(X[:100]) == before).all()
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is limited as Linux does")
def test_a_batch_that_does_not_fit_into_memory_says_what_to_lower():
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", OUT_OF_MEMORY]
    subprocess.run(command, check=True, timeout=300, env=environment)


def test_threads_that_use_one_estimator_get_what_one_would(digits):
    fitted = small().fit(digits)
    codes = [fitted.transform(row[None]) for row in digits]

    def use(first):
        return [fitted.transform(digits[i % 200][None]) for i in range(first, first + 1_000)]

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(use, range(8)))
    for first, of_thread in enumerate(found):
        expected = [codes[i % 200] for i in range(first, first + 1_000)]
        np.testing.assert_array_equal(of_thread, expected)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_get_what_their_parent_would(digits, method):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"there is no {method} here")
    fitted = small().fit(digits)
    with multiprocessing.get_context(method).Pool(2) as pool:
        found = pool.map(fitted.transform, [digits[:100], digits[100:]])
    np.testing.assert_array_equal(np.concatenate(found), fitted.transform(digits))
