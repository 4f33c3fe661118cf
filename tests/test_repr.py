"""How an estimator shows itself."""

from functools import partial

import numpy as np
import pytest
from _testing import with_parameters
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_html_repr
from skorch.callbacks import EarlyStopping
from torch import nn

import sklearn_ae
from sklearn_ae.nn import dense

pytestmark = pytest.mark.every_autoencoder


@pytest.fixture
def name(autoencoder):
    return type(autoencoder).__name__


def test_the_text_names_what_was_changed(autoencoder, name):
    assert repr(type(autoencoder)(4, lr=0.5)) == f"{name}(encoding_dim=4, lr=0.5)"


def test_the_text_is_the_expression_that_gives_the_estimator(autoencoder):
    again = eval(repr(autoencoder), vars(sklearn_ae))

    assert again.get_params() == autoencoder.get_params()


def test_the_page_names_the_estimator_and_what_was_changed(autoencoder, name):
    page = estimator_html_repr(type(autoencoder)(4, lr=0.625))

    assert name in page
    assert "encoding_dim" in page
    assert "0.625" in page


def test_the_page_says_whether_it_is_fitted(autoencoder, digits):
    assert "<span>Not fitted</span>" in estimator_html_repr(autoencoder)
    assert "<span>Fitted</span>" in estimator_html_repr(clone(autoencoder).fit(digits))


def test_the_page_of_a_pipeline_shows_the_step(autoencoder, digits, name):
    pipeline = make_pipeline(StandardScaler(), autoencoder).fit(digits)

    page = estimator_html_repr(pipeline)

    assert "StandardScaler" in page
    assert name in page


def test_parts_of_the_users_own_are_shown(autoencoder, digits):
    with_parameters(
        autoencoder,
        encoder=partial(dense, hidden_layer_sizes=(8,)),
        decoder=nn.Linear,
        callbacks=[EarlyStopping(monitor="train_loss", patience=100)],
        random_state=np.random.RandomState(0),
    ).fit(digits)

    for shown in (repr(autoencoder), estimator_html_repr(autoencoder)):
        assert "torch.nn.modules.linear.Linear" in shown
        assert "EarlyStopping" in shown


def test_a_notebook_gets_the_page(autoencoder):
    shown = autoencoder._repr_mimebundle_()

    assert type(autoencoder).__name__ in shown["text/html"]
    assert shown["text/plain"] == repr(autoencoder)
