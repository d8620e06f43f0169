"""TURTLE: the labeling that linear classifiers find easiest, in one or more spaces."""

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
from torch.nn import functional

__all__ = ["TURTLE"]


class TURTLE(ClusterMixin, BaseEstimator):
    r"""Search for the labels that classifiers of maximal margin generalize to.

    A linear layer :math:`\theta_k` in each space labels the images, the labels being
    the mean :math:`\tau` of the softmaxes. Classifiers :math:`w_k` make `n_inner_steps`
    steps towards these labels. The labels then make one step down

    .. math:: \sum_k \text{CE}(w_k \phi_k, \tau) - \gamma H(\bar\tau)

    with :math:`w_k` held (the first-order gradient), and so on in turns. Written from
    the equations. Source: Gadetsky, Jiang, Brbić, Let Go of Your Labels with
    Unsupervised Transfer, 2024, arXiv:2406.07236.

    With `prior_exponent` above 0 the entropy :math:`H`, which asks for equal sizes,
    becomes minus the divergence of the sorted sizes from a power law, in the manner of
    PET-TURTLE (without its sparse logits). Source: Salazar Cavazos, PET-TURTLE, 2026,
    arXiv:2601.03237.

    Parameters
    ----------
    n_clusters : int
        Number of clusters.
    widths : tuple of int or None, default=None
        Columns of each space, in their order in X. None is one space.
    prior_exponent : float, default=0.0
        The size of the cluster of rank r is to be proportional to
        ``r ** -prior_exponent``. 0 asks for equal sizes, 1 is Zipf's law.
    n_steps : int, default=2000
        Steps of the labels. The paper makes 6,000.
    n_inner_steps : int, default=10
        Steps of the classifiers between two of the labels.
    learning_rate : float, default=0.001
        Step size of Adam, for both.
    gamma : float, default=10.0
        Weight of the sizes.
    random_state : int, RandomState instance or None, default=None
        Seed of the initial layers.

    Attributes
    ----------
    labels_ : ndarray of int of shape (n_samples,)
        The most probable label of each row.

    Examples
    --------
    >>> import numpy as np
    >>> from benchmarks.accuracy.turtle import TURTLE
    >>> rows = np.repeat([[0.0, 1.0], [1.0, 0.0]], 5, axis=0)
    >>> labels = TURTLE(2, learning_rate=0.1, n_steps=50).fit_predict(rows)
    >>> np.unique(labels[:5]) != np.unique(labels[5:])
    array([ True])
    """

    labels_: NDArray[np.int64]

    _parameter_constraints: ClassVar[dict] = {
        "n_clusters": [Interval(Integral, 1, None, closed="left")],
        "widths": [tuple, None],
        "prior_exponent": [Interval(Real, 0, None, closed="left")],
        "n_steps": [Interval(Integral, 1, None, closed="left")],
        "n_inner_steps": [Interval(Integral, 1, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "gamma": [Interval(Real, 0, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_clusters: int,
        *,
        widths: tuple[int, ...] | None = None,
        prior_exponent: float = 0.0,
        n_steps: int = 2000,
        n_inner_steps: int = 10,
        learning_rate: float = 1e-3,
        gamma: float = 10.0,
        random_state: Any = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.widths = widths
        self.prior_exponent = prior_exponent
        self.n_steps = n_steps
        self.n_inner_steps = n_inner_steps
        self.learning_rate = learning_rate
        self.gamma = gamma
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None) -> Self:
        """Find the labels of rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features, those of several spaces side by side.
        y : Ignored
            Not used; present for consistency with scikit-learn.
        """
        X = validate_data(self, X, dtype=np.float32)
        widths = self.widths or (X.shape[1],)
        if sum(widths) != X.shape[1]:
            raise ValueError(
                f"widths={widths} must add up to the columns of X, {X.shape[1]}."
            )
        seed = check_random_state(self.random_state).randint(2**31 - 1)
        spaces = list(torch.from_numpy(X).split(widths, dim=1))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.labels_ = self._search(spaces).argmax(dim=1).numpy()
        return self

    def _search(self, spaces: list[Tensor]) -> Tensor:
        """Return the probabilities (n_samples, n_clusters) after all steps."""
        labelers, classifiers = self._layers(spaces), self._layers(spaces)
        outer = torch.optim.Adam(labelers.parameters(), lr=self.learning_rate)
        # Classifiers go on from where they were ("warm start").
        inner = torch.optim.Adam(classifiers.parameters(), lr=self.learning_rate)
        for _ in range(self.n_steps):
            labels = _probabilities(labelers, spaces)
            for _ in range(self.n_inner_steps):
                inner.zero_grad()
                _misfit(classifiers, spaces, labels.detach()).backward()
                inner.step()
            loss = _misfit(classifiers.requires_grad_(False), spaces, labels)
            classifiers.requires_grad_(True)
            outer.zero_grad()
            (loss + self.gamma * self._imbalance(labels)).backward()
            outer.step()
        with torch.no_grad():
            return _probabilities(labelers, spaces)

    def _layers(self, spaces: list[Tensor]) -> nn.ModuleList:
        """Make a linear layer for each space."""
        return nn.ModuleList(
            nn.Linear(space.shape[1], self.n_clusters) for space in spaces
        )

    def _imbalance(self, labels: Tensor) -> Tensor:
        """Return the divergence of the sizes from the prior, up to a constant."""
        sizes = labels.mean(dim=0).sort(descending=True).values
        ranks = torch.arange(1, self.n_clusters + 1)
        expected = self.prior_exponent * (sizes * ranks.log()).sum()
        return expected - torch.special.entr(sizes).sum()


def _probabilities(layers: nn.ModuleList, spaces: list[Tensor]) -> Tensor:
    """Return the mean over spaces of the softmaxes."""
    pairs = zip(layers, spaces, strict=True)
    return torch.stack([layer(space).softmax(dim=1) for layer, space in pairs]).mean(0)


def _misfit(layers: nn.ModuleList, spaces: list[Tensor], labels: Tensor) -> Tensor:
    """Return the cross-entropy of soft labels, summed over spaces."""
    pairs = zip(layers, spaces, strict=True)
    losses = [functional.cross_entropy(layer(space), labels) for layer, space in pairs]
    return torch.stack(losses).sum()
