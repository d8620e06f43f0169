"""No network at all: the features of a frozen encoder are the embedding."""

from typing import cast

from torch import Tensor

from sklearn_mfavb.backbones._base import Backbone
from sklearn_mfavb.views import View


class FeatureBackbone(Backbone):
    """Hand on the features of a view, for heads on a frozen encoder.

    Parameters
    ----------
    feature_dim : int
        Length of the features of a view.

    Examples
    --------
    >>> import torch
    >>> from sklearn_mfavb.backbones import FeatureBackbone
    >>> from sklearn_mfavb.views import View
    >>> FeatureBackbone(5)(View(None, torch.zeros(3, 5))).shape
    torch.Size([3, 5])
    """

    def __init__(self, feature_dim: int) -> None:
        super().__init__()
        self.embed_dim = feature_dim

    def forward(self, view: View) -> Tensor:
        """Embed single views; see `Backbone.forward`."""
        return cast(Tensor, view.features)
