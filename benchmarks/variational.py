"""The variational autoencoder on binarised images: its bound, and that of the published network.

    python -m benchmarks.variational           # some minutes
    python -m benchmarks.variational --long    # 784-400-40-400-784 for 200 epochs: an hour or two

Fashion-MNIST, a pixel is 1 above a half; bounds are of test images, in nats, and computed alike for
all. At one thread. It needs Debian's `dataset-fashion-mnist`, and for the long run `pythae`, and
exits with 1 where an end is missed.
"""

import argparse
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from torch import Tensor, nn
from torch.distributions import Bernoulli, Normal

from benchmarks.defaults import Split, fashion_mnist
from benchmarks.report import Report
from benchmarks.timing import threads, timed
from sklearn_ae import VariationalAutoencoderTransformer
from sklearn_ae.datasets import load_images

_N_DRAWS = 50
_LONG_EPOCHS = 200


class Model(NamedTuple):
    """What a bound asks of a variational autoencoder."""

    posterior: Callable[[Tensor], tuple[Tensor, Tensor]]
    probabilities: Callable[[Tensor], Tensor]


def binary(seed: int) -> Split:
    """Give 20,000 images to train on, and those to test."""
    train, test = fashion_mnist(seed)
    return (train > 0.5).astype(np.float32), (test > 0.5).astype(np.float32)


def all_binary() -> Split:
    """Give all images to train on, and those to test."""
    parts = (load_images(subset=subset).data > 127 for subset in ("train", "test"))
    train, test = (part.astype(np.float32) for part in parts)
    return train, test


def bounds(model: Model, X: NDArray) -> tuple[float, float]:
    """Give the evidence lower bound, and the importance-weighted one, by draws for each row."""
    generator = torch.Generator().manual_seed(0)
    found = []
    with torch.inference_mode():
        for x in torch.from_numpy(X).split(1_000):
            mean, log_variance = model.posterior(x)
            posterior, prior = Normal(mean, (log_variance / 2).exp()), Normal(0.0, 1.0)
            log_weights = torch.empty(_N_DRAWS, len(x))
            for log_weight in log_weights:
                noise = torch.randn(mean.shape, generator=generator)
                code = mean + posterior.scale * noise
                log_ratio = (prior.log_prob(code) - posterior.log_prob(code)).sum(dim=1)
                likelihood = Bernoulli(model.probabilities(code)).log_prob(x).sum(dim=1)
                log_weight.copy_(likelihood + log_ratio)
            bound = log_weights.logsumexp(dim=0) - np.log(_N_DRAWS)
            found.append(torch.stack([log_weights.mean(dim=0), bound], dim=1))
    elbo, bound = torch.cat(found).mean(dim=0).tolist()
    return elbo, bound


def own(train: NDArray, encoding_dim: int, **parameters: object) -> Model:
    """Train with this package."""
    fitted = VariationalAutoencoderTransformer(
        encoding_dim, likelihood="bernoulli", **parameters
    ).fit(train)
    module = fitted.net_.module_
    return Model(lambda x: module.posterior(module.rescale(x)), module.decode)


RECIPES: dict[str, dict] = {
    "defaults": {},
    "from random weights": {"linear_shortcut": False, "scaling": None},
}


def short(report: Report, seeds: range) -> None:
    """Train for 10 epochs, with the start at probabilistic PCA and without."""
    found: dict[str, list[tuple[float, float]]] = {}

    def lines() -> Iterator[tuple[object, ...]]:
        for name, parameters in RECIPES.items():
            seconds = []
            for seed in seeds:
                train, test = binary(seed)
                fit = partial(own, train, 20, max_epochs=10, random_state=seed, **parameters)
                taken, model = timed(fit)
                seconds.append(taken)
                found.setdefault(name, []).append(bounds(model, test))
            elbo, bound = np.mean(found[name], axis=0)
            yield name, f"{elbo:.2f}", f"{bound:.2f}", f"{np.median(seconds):.0f}"

    report.table(
        f"Binarised Fashion-MNIST, 20,000 images, 20 codes, 10 epochs, {len(seeds)} seeds",
        ("", "bound, nats", f"bound of {_N_DRAWS} draws", "s"),
        lines(),
    )
    least = np.mean(found["defaults"], axis=0)[0]
    report.end("evidence lower bound after 10 epochs", least, -132.0, at_least=True)


# The published network


def pythae(train: NDArray, lr: float) -> Model:
    """Train the same layers with pythae, which keeps its best weights by a tenth of the rows.

    The order and the draws are torch's own, its batches of 64 rows.
    """
    models, nn_of = import_module("pythae.models"), import_module("pythae.models.nn")
    output = import_module("pythae.models.base.base_utils").ModelOutput
    trainers, pipelines = import_module("pythae.trainers"), import_module("pythae.pipelines")

    class Encoder(nn_of.BaseEncoder):
        def __init__(self) -> None:
            super().__init__()
            self.hidden = nn.Sequential(nn.Linear(784, 400), nn.ReLU())
            self.mean, self.log_variance = nn.Linear(400, 40), nn.Linear(400, 40)

        def forward(self, x: Tensor) -> Any:
            hidden = self.hidden(x)
            return output(embedding=self.mean(hidden), log_covariance=self.log_variance(hidden))

    class Decoder(nn_of.BaseDecoder):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.Sequential(
                nn.Linear(40, 400), nn.ReLU(), nn.Linear(400, 784), nn.Sigmoid()
            )

        def forward(self, code: Tensor) -> Any:
            return output(reconstruction=self.layers(code))

    config = models.VAEConfig(input_dim=(784,), latent_dim=40, reconstruction_loss="bce")
    model = models.VAE(config, encoder=Encoder(), decoder=Decoder())
    kept, held_out = train_test_split(train, test_size=0.1, random_state=0)
    with tempfile.TemporaryDirectory() as folder:
        training = trainers.BaseTrainerConfig(
            output_dir=folder, num_epochs=_LONG_EPOCHS, learning_rate=lr, no_cuda=True
        )
        pipeline = pipelines.TrainingPipeline(training_config=training, model=model)
        pipeline(kept, eval_data=held_out)
    trained = pipeline.model.eval()

    def posterior(x: Tensor) -> tuple[Tensor, Tensor]:
        encoded = trained.encoder(x)
        return encoded.embedding, encoded.log_covariance

    return Model(posterior, lambda code: trained.decoder(code).reconstruction)


LONG: dict[str, Callable[[NDArray], Model]] = {
    "sklearn_ae": partial(
        own,
        encoding_dim=40,
        hidden_layer_sizes=(400,),
        activation="relu",
        max_epochs=_LONG_EPOCHS,
        random_state=0,
    ),
    "pythae, rate of 1e-4, its own": partial(pythae, lr=1e-4),
    "pythae, rate of 1e-3": partial(pythae, lr=1e-3),
}


def long(report: Report) -> None:
    """Train published layers for as many epochs as a study would, and pythae's beside them.

    Those of this package have the linear map beside them that they start at.
    """
    train, test = all_binary()
    found: dict[str, tuple[float, float]] = {}

    def lines() -> Iterator[tuple[object, ...]]:
        for name, fit in LONG.items():
            taken, model = timed(fit, train)
            found[name] = bounds(model, test)
            elbo, bound = found[name]
            yield name, f"{elbo:.2f}", f"{bound:.2f}", f"{taken / 3600:.2f}"

    report.table(
        f"Binarised Fashion-MNIST, 60,000 images, 784-400-40-400-784, {_LONG_EPOCHS} epochs",
        ("", "bound, nats", f"bound of {_N_DRAWS} draws", "hours"),
        lines(),
    )
    for which, what in enumerate(("evidence lower bound", f"bound of {_N_DRAWS} draws")):
        rival = max(of[which] for name, of in found.items() if name.startswith("pythae"))
        lead = found["sklearn_ae"][which] - rival
        report.end(f"{what}: nats above the best of pythae", lead, 0.0, at_least=True)


def main() -> int:
    """Run it, and give the number to exit with."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--long", action="store_true")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    warnings.filterwarnings("ignore", message=".*of the codes are of no use")
    report = Report("variational-long" if arguments.long else "variational")
    with threads(1):
        if arguments.long:
            long(report)
        else:
            short(report, range(arguments.seeds))
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
