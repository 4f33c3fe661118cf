"""Metadata of a meta-estimator's fit, which go to the autoencoder's."""

from typing import Any

from sklearn import get_config
from sklearn.base import BaseEstimator
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing

from sklearn_ae._autoencoder import AutoencoderTransformer


class RoutingToFit:
    """What routes the metadata of `fit` to that of `estimator`."""

    estimator: BaseEstimator | None

    def get_metadata_routing(self) -> MetadataRouter:
        """Give what metadata goes where.

        Returns
        -------
        routing : MetadataRouter
            That of `fit` goes to the autoencoder's.
        """
        mapping = MethodMapping().add(caller="fit", callee="fit")
        estimator = AutoencoderTransformer() if self.estimator is None else self.estimator
        return MetadataRouter(owner=self).add(estimator=estimator, method_mapping=mapping)

    def _of_estimator(self, fit_params: dict[str, Any]) -> dict[str, Any]:
        """Give what the autoencoder's `fit` gets, which it requests where metadata are routed."""
        if get_config().get("enable_metadata_routing"):
            return dict(process_routing(self, "fit", **fit_params).estimator.fit)
        return fit_params
