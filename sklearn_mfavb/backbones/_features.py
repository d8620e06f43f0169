"""The features of frozen encoders as the embedding, without a network."""

from typing import cast

from torch import Tensor

from sklearn_mfavb.backbones._base import Backbone
from sklearn_mfavb.views import View


class FeatureBackbone(Backbone):
    """Return the features of a view, for heads on frozen encoders.

    Parameters
    ----------
    feature_dims : tuple of int
        Number of features of each encoder.

    Examples
    --------
    >>> import torch
    >>> from sklearn_mfavb.backbones import FeatureBackbone
    >>> from sklearn_mfavb.views import View
    >>> FeatureBackbone((5,))(View(None, torch.zeros(3, 5))).shape
    torch.Size([3, 5])
    """

    def __init__(self, feature_dims: tuple[int, ...]) -> None:
        super().__init__()
        self.embed_dim = sum(feature_dims)

    def forward(self, view: View) -> Tensor:
        """Embed single views; see `Backbone.forward`."""
        return cast(Tensor, view.features)
