r"""TURTLE: the labels that linear classifiers find easiest, in one or more spaces.

A linear layer :math:`\theta_k` in each space :math:`\phi_k`, whose weights are
normalized, labels the images; the mean of the softmaxes is :math:`\tau`. Classifiers
:math:`w_k` make ten steps towards these labels, and the labels one step down

.. math:: \sum_k \text{CE}(w_k \phi_k, \tau) - \gamma H(\bar\tau)

with the classifiers held (the first-order gradient), and so on in turns. Written from
the equations. Source: Gadetsky, Jiang, Brbić, Let Go of Your Labels with Unsupervised
Transfer, 2024, arXiv:2406.07236.
"""

from itertools import chain

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import weight_norm

__all__ = ["turtle"]

GAMMA = 10.0
LEARNING_RATE = 1e-3
N_INNER_STEPS = 10
WIDEST, N_KEPT = 512, 256

Layers = list[nn.Linear]


def turtle(
    rows: NDArray,
    n_clusters: int,
    *,
    seed: int,
    widths: tuple[int, ...] = (),
    prior_exponent: float = 0.0,
    n_steps: int = 2000,
) -> NDArray:
    """Search for the labels of rows, in spaces of some widths that lie side by side.

    With an exponent the entropy, which asks for equal sizes, becomes minus the
    divergence of the sorted sizes from ``rank ** -prior_exponent`` (1 is Zipf's law),
    in the manner of PET-TURTLE, but without its sparse logits. Source: Salazar Cavazos,
    PET-TURTLE, 2026, arXiv:2601.03237. The steps are a third of the paper's.

    Examples
    --------
    >>> import numpy as np
    >>> from benchmarks.accuracy.turtle import turtle
    >>> rows = np.repeat([[0.0, 9.0], [9.0, 0.0]], 5, axis=0)
    >>> labels = turtle(rows, 2, seed=0, n_steps=200)
    >>> np.unique(labels[:5]) != np.unique(labels[5:])
    array([ True])
    """
    if sum(widths) not in (0, rows.shape[1]):
        raise ValueError(
            f"widths={widths} must add up to the columns of rows, {rows.shape[1]}."
        )
    ends = np.cumsum(widths)[:-1]
    spaces = tuple(_narrow(space, seed) for space in np.split(rows, ends, axis=1))
    widths = tuple(space.shape[1] for space in spaces)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        labelers, outer = _layers(widths, n_clusters, normalized=True)
        for _ in range(n_steps):
            labels = _label(labelers, spaces)
            classifiers = _teach(spaces, labels.detach())
            loss = _misfit(classifiers, spaces, labels)
            outer.zero_grad()
            (loss + GAMMA * _imbalance(labels, prior_exponent)).backward()
            outer.step()
    return _label(labelers, spaces).argmax(dim=1).numpy()


def _narrow(space: NDArray, seed: int) -> Tensor:
    """Keep 256 principal components of a space that is wider than CLIP's.

    One step size serves all spaces, and classifiers fit any labels in a wide one.
    """
    if space.shape[1] > WIDEST:
        kept = PCA(min(N_KEPT, len(space)), random_state=seed)
        space = kept.fit_transform(space)
    return torch.from_numpy(space).float()


def _layers(
    widths: tuple[int, ...], n_clusters: int, *, normalized: bool = False
) -> tuple[Layers, torch.optim.Optimizer]:
    """Make a linear layer for each space, and what trains them."""
    layers = [nn.Linear(width, n_clusters) for width in widths]
    if normalized:
        layers = [weight_norm(layer) for layer in layers]
    parameters = chain.from_iterable(layer.parameters() for layer in layers)
    return layers, torch.optim.Adam(parameters, lr=LEARNING_RATE)


def _teach(spaces: tuple[Tensor, ...], labels: Tensor) -> Layers:
    """Train new classifiers some steps to labels ("cold start"), and hold them."""
    widths = tuple(space.shape[1] for space in spaces)
    classifiers, inner = _layers(widths, labels.shape[1])
    for _ in range(N_INNER_STEPS):
        inner.zero_grad()
        _misfit(classifiers, spaces, labels).backward()
        inner.step()
    return [classifier.requires_grad_(False) for classifier in classifiers]


def _label(layers: Layers, spaces: tuple[Tensor, ...]) -> Tensor:
    """Return the mean over spaces of the softmaxes."""
    pairs = zip(layers, spaces, strict=True)
    return torch.stack([f(x).softmax(1) for f, x in pairs]).mean(dim=0)


def _misfit(layers: Layers, spaces: tuple[Tensor, ...], labels: Tensor) -> Tensor:
    """Return the cross-entropy of soft labels, summed over spaces."""
    pairs = zip(layers, spaces, strict=True)
    return torch.stack([functional.cross_entropy(f(x), labels) for f, x in pairs]).sum()


def _imbalance(labels: Tensor, exponent: float) -> Tensor:
    """Return the divergence of the sizes from the power law, up to a constant."""
    sizes = labels.mean(dim=0).sort(descending=True).values
    ranks = torch.arange(1, len(sizes) + 1)
    expected = exponent * (sizes * ranks.log()).sum()
    return expected - torch.special.entr(sizes).sum()
