"""Images that belong to no cluster: how normal each one is, and where normal ends."""

import math
from numbers import Real
from typing import Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array, gen_batches
from sklearn.utils._param_validation import Interval, StrOptions, validate_params
from torch import Tensor, nn
from torch.nn import functional

from sklearn_mfavb.neighbors import Table, nearest_neighbors

__all__ = ["OUTLIERS", "OutlierScorer"]

# What the parameter `outliers` may be.
OUTLIERS = [StrOptions({"auto"}), Interval(Real, 0, 0.5, closed="both")]

_N_NEIGHBORS = 10  # as for `score` of the estimators
_MOST_ROWS = 3000  # 6 MB of CLIP's features in a saved model
_BLOCK_ROWS = 4096
# A usual cut of robust statistics. Of 2 to 4, it found most strangers and spared most
# others on RSSCN7 and UC Merced, with strangers from each other and from CIFAR-10.
_FAR = 2.5
_LITTLE_IN_COMMON = 0.5
# Chosen on long-tailed draws of the same sets: where more is cut, it is whole classes.
_MOST_STRANGERS = 0.25
_MOST_ROUNDS = 10
_ROUNDING = 1e-6  # of a cosine in float32


class OutlierScorer(nn.Module):
    """Score how normal images are, by their features, and tell where normal ends.

    The score of an image is its mean cosine with 10 of the `typical` training images,
    the 2nd to 11th nearest. The nearest is left out because that of a training image is
    the image itself. So an image has the same score in `fit` and afterwards.

    Many outliers would be near neighbors of one another, so they must not count as
    typical. They are found because they lack what all others have in common: features
    of aerial photographs, for example, all point in similar directions. For each image
    the cosine with the mean feature is averaged over the image and its 10 nearest. The
    image is typical unless this is less than the median minus 2.5 scaled median
    absolute deviations. Mean, median and deviation are those of the typical images,
    repeated until nothing changes. All images are typical in two cases: if more than a
    quarter would be left out; and if features have little in common (two of them a mean
    cosine of up to 0.5), as in most embeddings.

    Parameters
    ----------
    typical : torch.Tensor of shape (n_typical, n_features)
        Features of typical images, of unit length.
    threshold : torch.Tensor of shape ()
        Images with a lower score are outliers.

    See Also
    --------
    sklearn.neighbors.LocalOutlierFactor : Compares densities of neighbors.

    Notes
    -----
    Pass features as an encoder gives them. Centered ones have lost what they have in
    common.

    Strangers that are alike, and have in common with the others what those share, are a
    cluster like any other; nothing here tells them apart. Nor are strangers told apart
    that are more than about a tenth of the images: they change what is usual.

    Examples
    --------
    >>> import numpy as np, torch
    >>> from sklearn_mfavb.outliers import OutlierScorer
    >>> features = np.random.default_rng(0).normal(size=(200, 8)) + 3
    >>> features[:5] *= -1
    >>> scorer = OutlierScorer.fit(features, outliers="auto")
    >>> scores = scorer(torch.tensor(features))
    >>> (scores < scorer.threshold)[:7].tolist()
    [True, True, True, True, True, False, False]
    """

    typical: Tensor
    threshold: Tensor

    def __init__(self, typical: Tensor, threshold: Tensor) -> None:
        super().__init__()
        self.register_buffer("typical", typical)
        self.register_buffer("threshold", threshold)

    @classmethod
    @validate_params(
        {"features": ["array-like"], "outliers": OUTLIERS},
        prefer_skip_nested_validation=True,
    )
    def fit(
        cls, features: ArrayLike, *, outliers: float | Literal["auto"] = "auto"
    ) -> "OutlierScorer":
        """Find the typical images and the threshold.

        Parameters
        ----------
        features : array-like of shape (n_samples, n_features)
            Features of the training images, of any length and not centered. Of more
            than 3000 images, 3000 drawn at random serve to find the typical ones.
        outliers : float or "auto", default="auto"
            Share of the training images that are outliers, from 0 to 0.5. ``"auto"``:
            those further from their neighbors (1 minus the score) than is usual among
            typical images: the logarithm is above the median by 2.5 scaled MAD.

        Returns
        -------
        OutlierScorer

        Raises
        ------
        ValueError
            If features are not a table of finite numbers with at least one row, or
            `outliers` is out of range.
        """
        table = check_array(features, dtype=np.float32, input_name="features")
        table = np.require(table, requirements="W")  # torch warns of others
        return cls.fit_rows(table, outliers=outliers)

    @classmethod
    def fit_rows(
        cls, table: Table, *, outliers: float | Literal["auto"] = "auto"
    ) -> "OutlierScorer":
        """Do what `fit` does, on rows that are read when they are indexed."""
        rows = torch.as_tensor(table[_draw_rows(table.shape[0])]).float()
        sample = functional.normalize(rows, dim=1)
        typical = sample[_find_typical(sample)]
        scorer = cls(typical, torch.tensor(-math.inf))
        if outliers == "auto":
            scorer.threshold = _usual_end(scorer(typical))
        elif outliers > 0:
            scores = torch.from_numpy(scorer.score_rows(table))
            scorer.threshold = _end_of_share(scores, outliers)
        return scorer

    @torch.no_grad()
    def forward(self, features: Tensor) -> Tensor:
        """Score images, each by itself.

        Parameters
        ----------
        features : torch.Tensor of shape (n_samples, n_features)
            Features from the same encoder as in `fit`, not centered, on the device of
            the scorer.

        Returns
        -------
        torch.Tensor of float32 of shape (n_samples,)
            From -1 to 1, the higher the more normal; NaN for rows with NaN.
        """
        return torch.cat([self._score(part) for part in features.split(_BLOCK_ROWS)])

    @torch.no_grad()
    def score_rows(self, table: Table) -> NDArray[np.float32]:
        """Score the rows of a table, which is read in blocks, (n_samples,)."""
        blocks = gen_batches(table.shape[0], _BLOCK_ROWS)
        device = self.typical.device
        scores = [self._score(torch.as_tensor(table[b]).to(device)) for b in blocks]
        return torch.cat(scores).cpu().numpy()

    def _score(self, features: Tensor) -> Tensor:
        """Score as many images as fit into memory beside the typical ones."""
        cosines = functional.normalize(features.float(), dim=1) @ self.typical.T
        nearest = cosines.topk(min(_N_NEIGHBORS + 1, len(self.typical)), dim=1).values
        return nearest[:, min(1, nearest.shape[1] - 1) :].mean(dim=1)


def _draw_rows(n_samples: int) -> NDArray[np.int64]:
    """Return the positions of all rows, or of a sample, the same in every fit."""
    if n_samples <= _MOST_ROWS:
        return np.arange(n_samples)
    return np.random.default_rng(0).permutation(n_samples)[:_MOST_ROWS]


def _find_typical(rows: Tensor) -> Tensor:
    """Mark the rows of unit length that have in common what most have.

    Neighborhoods are judged, not rows: the mean of a few rows varies less, so what is
    left far below the others is a group that is unlike them.
    """
    everything = torch.ones(len(rows), dtype=torch.bool)
    if rows.mean(dim=0).square().sum() <= _LITTLE_IN_COMMON:
        return everything
    neighbors = torch.from_numpy(nearest_neighbors(rows, _N_NEIGHBORS, metric="cosine"))
    around = torch.cat([torch.arange(len(rows))[:, None], neighbors], dim=1)
    typical = everything
    for _ in range(_MOST_ROUNDS):
        in_common = rows @ rows[typical].mean(dim=0)
        middle, spread = _middle_and_spread(in_common[typical])
        found = in_common[around].mean(dim=1) >= middle - _FAR * spread
        if len(rows) - found.sum() > _MOST_STRANGERS * len(rows):
            return everything
        if found.equal(typical):
            break
        typical = found
    return typical


def _usual_end(scores: Tensor) -> Tensor:
    """Return the lowest usual score.

    Distances differ by factors, between clusters too: their logarithms are nearly
    symmetric, where the scores have a long tail of normal images.
    """
    middle, spread = _middle_and_spread((1 - scores).clamp_min(_ROUNDING).log())
    end = 1 - (middle + _FAR * spread).exp()
    # More than a few are no strangers, but a class that varies more than others.
    is_few = (scores < end).float().mean() <= _MOST_STRANGERS
    return end if is_few else torch.tensor(-math.inf)


def _end_of_share(scores: Tensor, share: float) -> Tensor:
    """Return what lies between the scores of a share of the images and the others."""
    n_outliers = round(share * len(scores))
    if n_outliers == 0:
        return torch.tensor(-math.inf)
    return scores.sort().values[n_outliers - 1 : n_outliers + 1].mean()


def _middle_and_spread(values: Tensor) -> tuple[Tensor, Tensor]:
    """Return the median and the MAD, scaled to the standard deviation of a normal.

    If more than half of the values are the same, nothing says what is unusual: the
    spread is infinite.
    """
    middle = values.median()
    spread = 1.4826 * (values - middle).abs().median()
    return middle, spread if spread > _ROUNDING else torch.tensor(math.inf)
