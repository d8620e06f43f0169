"""A scikit-learn clusterer or mixture as the source of labels."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import clone
from torch import Tensor, nn


class EstimatorAssigner(nn.Module):
    """Assign embeddings with a clusterer or mixture that has `predict`.

    Probabilities are those of its `predict_proba`; without that method they are one for
    the predicted cluster and zero for the others.

    Parameters
    ----------
    estimator : object
        A clusterer or mixture of scikit-learn; it is cloned.

    Attributes
    ----------
    n_outputs : int
        Number of clusters.
    """

    def __init__(self, estimator: Any) -> None:
        super().__init__()
        self.estimator = clone(estimator)
        self.n_outputs = 0

    def fit(self, embedding: NDArray[np.float32], *, seed: int) -> "EstimatorAssigner":
        """Fit the estimator; a `random_state` of None becomes the seed."""
        if self.estimator.get_params().get("random_state", seed) is None:
            self.estimator.set_params(random_state=seed)
        self.estimator.fit(embedding)
        self.n_outputs = int(self.estimator.predict(embedding).max()) + 1
        return self

    def forward(self, embedding: Tensor) -> Tensor:
        """Assign: (batch_size, embed_dim) to (batch_size, n_clusters)."""
        rows = embedding.float().cpu().numpy()
        if hasattr(self.estimator, "predict_proba"):
            probabilities = self.estimator.predict_proba(rows)
        else:
            labels = self.estimator.predict(rows)
            probabilities = np.arange(self.n_outputs) == labels[:, None]
        probabilities = torch.from_numpy(np.asarray(probabilities, dtype=np.float32))
        return probabilities.to(embedding.device)
