"""A Gaussian mixture with balanced sizes, evaluated as one linear layer."""

import warnings
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import normalize
from torch import Tensor, nn
from torch.nn import functional

_MOST_ROUNDS = 40
_SETTLED = 1e-4  # share of labels that still change when it stops
_BALANCE_ROUNDS = 20
_BLOCK_ROWS = 4096
_MOST_ROWS, _ROWS_PER_CLUSTER = 100_000, 200  # the greater of both


class MixtureAssigner(nn.Module):
    r"""Gaussian mixture on embeddings with one covariance and balanced sizes.

    Embeddings are centered and brought to unit length, :math:`x`. With means
    :math:`\mu_k` and the covariance :math:`\Sigma` that all clusters share, the
    posterior is linear in :math:`x`:

    .. math::

        p_k \propto \exp\bigl(b_k + \tfrac{1}{T} \mu_k^\top \Sigma^{-1}
        (x - \mu_k / 2)\bigr) .

    `fit` is classification EM: from the labels of k-means it alternates between the
    means and the covariance of what is labeled alike, and the likeliest labels. Three
    departures from the textbook, each for a weakness of mixtures in a hundred
    dimensions: the covariance is shrunk towards the sphere; the posterior has a
    temperature, as a density in many dimensions is far too confident; and the
    offsets :math:`b_k` give every cluster the same mass, as in optimal transport, to
    the extent of `balance`. With soft labels instead, the means of clusters that
    overlap run into one another.

    Parameters
    ----------
    embed_dim : int
        Width of the embedding.
    n_clusters : int
        Number of clusters.
    balance : float, default=1.0
        From 0, mixture weights as the data have them, to 1, clusters of equal mass.
    temperature : float, default=2.0
        Divisor of the log-densities.
    shrinkage : float, default=1.0
        What is added to the diagonal of the covariance, in units of the mean variance
        of an entry of all embeddings.

    References
    ----------
    Celeux and Govaert, "A Classification EM Algorithm for Clustering and Two Stochastic
    Versions", 1992, section 2. Cuturi, "Sinkhorn Distances", 2013, arXiv:1306.0895, for
    the offsets.

    Examples
    --------
    >>> import numpy as np, torch
    >>> from sklearn_mfavb.assignment import MixtureAssigner
    >>> embedding = np.repeat(np.eye(3, dtype=np.float32), 4, axis=0)
    >>> assigner = MixtureAssigner(3, 3).fit(embedding, random_state=0)
    >>> assigner(torch.eye(3)).argmax(dim=1).unique().tolist()
    [0, 1, 2]
    """

    center: Tensor
    weight: Tensor
    bias: Tensor

    def __init__(
        self,
        embed_dim: int,
        n_clusters: int,
        *,
        balance: float = 1.0,
        temperature: float = 2.0,
        shrinkage: float = 1.0,
    ) -> None:
        super().__init__()
        self.balance = balance
        self.temperature = temperature
        self.shrinkage = shrinkage
        self.register_buffer("center", torch.zeros(embed_dim))
        self.register_buffer("weight", torch.zeros(n_clusters, embed_dim))
        self.register_buffer("bias", torch.zeros(n_clusters))

    def forward(self, embedding: Tensor) -> Tensor:
        """Assign: (batch_size, embed_dim) to (batch_size, n_clusters)."""
        rows = functional.normalize(embedding.float() - self.center, dim=1)
        return torch.softmax(functional.linear(rows, self.weight, self.bias), dim=1)

    def label(self, embedding: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return the likeliest cluster of each embedding, (n_samples,)."""
        blocks = [torch.from_numpy(embedding[b]) for b in _blocks(len(embedding))]
        return torch.cat([self(block).argmax(dim=1) for block in blocks]).numpy()

    def fit(
        self,
        embedding: NDArray[np.float32],
        *,
        random_state: int,
        labels: NDArray[np.int64] | None = None,
    ) -> "MixtureAssigner":
        """Find the clusters of embeddings.

        Parameters
        ----------
        embedding : ndarray of float32 of shape (n_samples, embed_dim)
            At least as many rows as clusters. Of more than 100,000, and of 200 for
            each cluster, so many are drawn.
        random_state : int
            Seed of k-means.
        labels : ndarray of int64 of shape (n_samples,), default=None
            Clusters to start from. None: those of k-means.

        Returns
        -------
        MixtureAssigner
            The module itself.

        Raises
        ------
        FloatingPointError
            If an embedding is NaN or infinite.
        """
        most = max(_MOST_ROWS, _ROWS_PER_CLUSTER * len(self.bias))
        if len(embedding) > most:
            rng = np.random.default_rng(random_state)
            drawn = np.sort(rng.permutation(len(embedding))[:most])
            embedding = embedding[drawn]
            labels = None if labels is None else labels[drawn]
        check_finite(embedding)
        center = embedding.mean(axis=0, dtype=np.float64).astype(np.float32)
        rows = normalize(embedding - center, copy=False)
        n_clusters = len(self.bias)
        if labels is None:
            labels = kmeans_labels(rows, n_clusters, random_state)
        moments = _second_moments(rows)
        for _ in range(_MOST_ROUNDS):
            weight, bias = self._maximize(rows, labels, moments)
            before, labels = labels, _likeliest(rows, weight, bias)
            if (labels != before).mean() <= _SETTLED:
                break
        self.center.copy_(torch.from_numpy(center))
        self.weight.copy_(torch.from_numpy(weight))
        self.bias.copy_(torch.from_numpy(bias))
        return self

    def _maximize(
        self,
        rows: NDArray[np.float32],
        labels: NDArray[np.int64],
        moments: NDArray[np.float64],
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Estimate the mixture from labels, as weight and bias of a layer."""
        n_samples, embed_dim = rows.shape
        n_clusters = len(self.bias)
        sums = np.zeros((n_clusters, embed_dim))
        for block in _blocks(n_samples):
            sums += np.eye(n_clusters)[labels[block]].T @ rows[block]
        # A cluster may have lost its last member.
        mass = np.bincount(labels, minlength=n_clusters) + 1e-9
        means = sums / mass[:, None]
        within = (moments - (means.T * mass) @ means) / n_samples
        variance = np.diag(moments) / n_samples - (sums.sum(axis=0) / n_samples) ** 2
        spread = max(float(variance.mean()), 1e-12)
        covariance = within + self.shrinkage * spread * np.eye(embed_dim)
        precise = np.linalg.solve(covariance, means.T).T  # (n_clusters, embed_dim)
        weight = precise / self.temperature
        offset = -0.5 * (precise * means).sum(axis=1) / self.temperature
        level = np.zeros(n_clusters)
        if self.balance:
            level = self.balance * _balancing_offset(rows, weight, offset)
        share = (1 - self.balance) * np.log(mass / n_samples) / self.temperature
        return weight, offset + level + share


def check_finite(embedding: NDArray[np.float32]) -> None:
    """Raise FloatingPointError for embeddings of a network that has diverged."""
    if not np.isfinite(embedding).all():
        raise FloatingPointError(
            "Embeddings are not finite: the network has diverged. Try a lower "
            "learning_rate or precision='float32'."
        )


def _blocks(n_samples: int) -> Iterator[slice]:
    """Split rows into blocks, so that memory does not grow with rows times clusters."""
    starts = range(0, n_samples, _BLOCK_ROWS)
    return (slice(start, start + _BLOCK_ROWS) for start in starts)


def _second_moments(rows: NDArray[np.float32]) -> NDArray[np.float64]:
    """Add up the outer products of all rows with themselves."""
    parts = (rows[block].astype(np.float64) for block in _blocks(len(rows)))
    return sum((part.T @ part for part in parts), np.zeros((rows.shape[1],) * 2))


def _likeliest(
    rows: NDArray[np.float32], weight: NDArray[np.float64], bias: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Return the cluster of the largest logit for every row."""
    parts = [
        (rows[block] @ weight.T + bias).argmax(axis=1) for block in _blocks(len(rows))
    ]
    return np.concatenate(parts)


def _balancing_offset(
    rows: NDArray[np.float32], weight: NDArray[np.float64], offset: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Find what to add to the logits so that all clusters get the same mass."""
    n_clusters = len(offset)
    level = np.zeros(n_clusters)
    for _ in range(_BALANCE_ROUNDS):
        mass = np.zeros(n_clusters)
        for block in _blocks(len(rows)):
            logits = rows[block] @ weight.T + (offset + level)
            mass += softmax(logits, axis=1).sum(axis=0)
        level -= np.log(n_clusters * mass / len(rows) + 1e-12)
    return level


def kmeans_labels(
    rows: NDArray[np.float32], n_clusters: int, random_state: int
) -> NDArray[np.int64]:
    """Label rows by k-means.

    Fewer distinct rows than clusters are no reason to warn here: the estimator warns of
    empty clusters.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        kmeans = KMeans(n_clusters, n_init=10, random_state=random_state)
        return kmeans.fit_predict(rows).astype(np.int64)
