"""TEMI: heads that tell which cluster an image shares with its neighbors."""

from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClusterMixin, _fit_context
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import validate_data
from torch import Tensor, nn

from sklearn_mfavb.neighbors import nearest_neighbors

__all__ = ["TEMI"]

# As published: of the softmaxes, of the teachers and of their mean sizes.
_TEMPERATURE = 0.1
_TEACHER_MOMENTUM = 0.996
_SIZES_MOMENTUM = 0.9
_WEIGHT_DECAY = 1e-4


class TEMI(ClusterMixin, BaseEstimator):
    r"""Maximize the pointwise mutual information of images and their neighbors.

    Every head is a student :math:`q_s` and a teacher :math:`q_t`, its moving average,
    with the mean sizes :math:`\tilde q_t`. For an image and one of its neighbors

    .. math::

        \text{pmi}(x, x') = \log \sum_c
            \frac{(q_s(c|x) q_t(c|x'))^\beta}{\tilde q_t(c)}

    is maximized in both directions, weighted by the probability, as the teachers of all
    heads see it, that the two share a cluster. The head of the lowest loss labels.
    Written from the equations; heads are one linear layer. Source: Adaloglou, Michels,
    Kalisch, Kollmann, Exploring the Limits of Deep Image Clustering using Pretrained
    Models, 2023, arXiv:2303.17896.

    Parameters
    ----------
    n_clusters : int
        Number of clusters.
    n_heads : int, default=16
        Number of heads.
    n_neighbors : int, default=50
        Neighbors of each row; all other rows if there are fewer.
    beta : float, default=0.6
        Exponent of the probabilities: below 1 it asks for equal sizes.
    learning_rate : float, default=0.001
        Step size of AdamW. The paper has 0.0001, for sets that are 30 times as large:
        on a few thousand images its steps are too few to learn from.
    max_epochs : int, default=200
        Passes over the images.
    batch_size : int, default=512
        Images in a step.
    random_state : int, RandomState instance or None, default=None
        Seed of the heads, the order of images and the choice of neighbors.

    Attributes
    ----------
    labels_ : ndarray of int of shape (n_samples,)
        The most probable cluster of each row.

    Examples
    --------
    >>> import numpy as np
    >>> from benchmarks.accuracy.temi import TEMI
    >>> rows = np.repeat([[-1.0, 1.0], [1.0, -1.0]], 5, axis=0)
    >>> labels = TEMI(2, n_neighbors=4, random_state=0).fit_predict(rows)
    >>> np.unique(labels[:5]) != np.unique(labels[5:])
    array([ True])
    """

    labels_: NDArray[np.int64]

    _parameter_constraints: ClassVar[dict] = {
        "n_clusters": [Interval(Integral, 1, None, closed="left")],
        "n_heads": [Interval(Integral, 1, None, closed="left")],
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "beta": [Interval(Real, 0, 1, closed="right")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_clusters: int,
        *,
        n_heads: int = 16,
        n_neighbors: int = 50,
        beta: float = 0.6,
        learning_rate: float = 1e-3,
        max_epochs: int = 200,
        batch_size: int = 512,
        random_state: Any = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.n_heads = n_heads
        self.n_neighbors = n_neighbors
        self.beta = beta
        self.learning_rate = learning_rate
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None) -> Self:
        """Train the heads on rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features, at least two rows, whose neighbors are found by cosine.
        y : Ignored
            Not used; present for consistency with scikit-learn.
        """
        X = validate_data(self, X, dtype=np.float32, ensure_min_samples=2)
        seed = check_random_state(self.random_state).randint(2**31 - 1)
        found = nearest_neighbors(X, self.n_neighbors, metric="cosine")
        rows, neighbors = torch.from_numpy(X), torch.from_numpy(found)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.labels_ = self._train(rows, neighbors).argmax(dim=1).numpy()
        return self

    def _train(self, rows: Tensor, neighbors: Tensor) -> Tensor:
        """Return log-probabilities (n_samples, n_clusters) by the best teacher."""
        student = nn.Linear(rows.shape[1], self.n_heads * self.n_clusters)
        average = torch.optim.swa_utils.get_ema_multi_avg_fn(_TEACHER_MOMENTUM)
        teacher = torch.optim.swa_utils.AveragedModel(student, multi_avg_fn=average)
        optimizer = torch.optim.AdamW(
            student.parameters(), lr=self.learning_rate, weight_decay=_WEIGHT_DECAY
        )
        sizes = torch.full((self.n_heads, self.n_clusters), 1 / self.n_clusters)
        for _ in range(self.max_epochs):
            losses = torch.zeros(self.n_heads)
            for batch in torch.randperm(len(rows)).split(self.batch_size):
                drawn = torch.randint(neighbors.shape[1], (len(batch),))
                pair = torch.stack([rows[batch], rows[neighbors[batch, drawn]]])
                with torch.no_grad():
                    taught = self._log_probabilities(teacher, pair)
                    sizes.lerp_(taught.exp().mean(dim=(0, 1)), 1 - _SIZES_MOMENTUM)
                loss = self._loss(self._log_probabilities(student, pair), taught, sizes)
                optimizer.zero_grad()
                loss.mean().backward()
                optimizer.step()
                teacher.update_parameters(student)
                losses += loss.detach() * len(batch)
        with torch.no_grad():
            return self._log_probabilities(teacher, rows)[:, losses.argmin()]

    def _log_probabilities(self, heads: nn.Module, rows: Tensor) -> Tensor:
        """Return what heads tell, as logarithms: (..., n_heads, n_clusters)."""
        logits = heads(rows).unflatten(-1, (self.n_heads, self.n_clusters))
        return (logits / _TEMPERATURE).log_softmax(dim=-1)

    def _loss(self, student: Tensor, teacher: Tensor, sizes: Tensor) -> Tensor:
        """Return the mean loss of each head; both tell of (2, n_images) of pairs."""
        weights = teacher.sum(dim=0).exp().sum(dim=-1).mean(dim=-1)  # (n_images,)
        joint = self.beta * (student + teacher.flip(0)) - sizes.log()
        information = joint.logsumexp(dim=-1).mean(dim=0)  # (n_images, n_heads)
        return -(weights[:, None] * information).mean(dim=0)
