"""Any network of timm as a backbone."""

import difflib
from typing import Any, cast

import torch
from torch import Tensor, nn

from sklearn_mfavb.backbones._base import Backbone
from sklearn_mfavb.backbones._layers import with_channels_last
from sklearn_mfavb.views import View

# Longest side in pixels up to which a ResNet keeps the resolution in its stem.
_SMALL_SIDE = 64
# Width of an embedding made of features alone: that of ResNet-18 and ResNet-34.
_FEATURE_EMBED_DIM = 512


class TimmBackbone(Backbone):
    """Network of timm, by name, that embeds every view alone.

    The embedding is what timm pools before its classifier. The features of frozen
    encoders, linearly projected, are added to it. Networks whose input size is fixed,
    such as vision transformers, are built for the size of the images.

    ResNets differ from timm's in two points:

    - Up to 64 pixels a 3x3 convolution of stride 1 replaces the stem. The usual one
      shrinks images fourfold (7x7 of stride 2, then max-pooling), and the last map of a
      32-pixel image is a single position. SCAN has the small stem for CIFAR (arXiv
      2005.12320), and CC (arXiv 2009.09687) needs it there, or images enlarged to 224
      pixels. The new convolution has random weights even if `pretrained`.
    - Random weights follow CC: normalizations start at scale one. timm's last scale of
      every residual branch is zero, which leaves the strided shortcuts: at 32 pixels
      the first embeddings would see one pixel in seven.

    Parameters
    ----------
    name : str
        Name of the network, such as ``"resnet34"``.
    image_size : tuple of int or None
        Height and width of the images in pixels. None if there are no pixels: no
        network is built, and the projected features are the embedding, 512 wide.
    n_channels : int
        Channels of the images.
    pretrained : bool, default=False
        Whether to start from timm's weights, which may be downloaded. Weights for other
        sizes or numbers of channels are adapted by timm.
    feature_dims : tuple of int, default=()
        Number of features of each encoder.

    Attributes
    ----------
    embed_dim : int
        Width of the embedding. It is timm's ``num_features``, or the width of the last
        layer where timm has one between pooling and classifier (as in MobileNet v3).

    Raises
    ------
    ValueError
        If timm has no such network or no weights for it, if it does not take images of
        that size, or if there are neither pixels nor features.

    Examples
    --------
    >>> import torch
    >>> from sklearn_mfavb.backbones import TimmBackbone
    >>> from sklearn_mfavb.views import View
    >>> resnet = TimmBackbone("resnet18", image_size=(8, 8), n_channels=1)
    >>> resnet(View(torch.zeros(3, 1, 8, 8))).shape
    torch.Size([3, 512])
    """

    def __init__(
        self,
        name: str,
        *,
        image_size: tuple[int, int] | None,
        n_channels: int,
        pretrained: bool = False,
        feature_dims: tuple[int, ...] = (),
    ) -> None:
        super().__init__()
        if image_size is None and not feature_dims:
            raise ValueError("A network without pixels needs features (feature_dims).")
        self.network: nn.Module | None = None
        self.embed_dim = _FEATURE_EMBED_DIM
        if image_size is not None:
            self.network, self.embed_dim = _build_network(
                name, image_size, n_channels, pretrained=pretrained
            )
        self.feature_projection = (
            nn.Linear(sum(feature_dims), self.embed_dim) if feature_dims else None
        )

    def forward(self, view: View) -> Tensor:
        """Embed single views; see `Backbone.forward`."""
        parts = []
        if self.network is not None:
            parts.append(self.network(self._arrange(cast(Tensor, view.images))))
        if self.feature_projection is not None:
            parts.append(self.feature_projection(view.features))
        return torch.stack(parts).sum(dim=0)

    def _arrange(self, images: Tensor) -> Tensor:
        """Put channels last for ResNets only.

        The backward pass of other networks (fastvit_t8 from 96 pixels on) then ended
        the process with a corrupted heap, on CPUs with torch 2.15.
        """
        from timm.models.resnet import ResNet

        is_resnet = isinstance(self.network, ResNet)
        return with_channels_last(images) if is_resnet else images


def _build_network(
    name: str, image_size: tuple[int, int], n_channels: int, *, pretrained: bool
) -> tuple[nn.Module, int]:
    """Build a network without classifier; return it with the width of its output."""
    import timm
    from timm.models.resnet import ResNet

    height, width = image_size
    size: dict[str, Any] = {}
    if _has_fixed_size(name, pretrained=pretrained):
        size["img_size"] = image_size
    try:
        network = timm.create_model(
            name, pretrained=pretrained, in_chans=n_channels, num_classes=0, **size
        )
        if isinstance(network, ResNet):
            if not pretrained:
                _start_at_scale_one(network)
            if max(image_size) <= _SMALL_SIDE:
                _keep_resolution_in_stem(network, n_channels)
        _check_patches(network, image_size)
        embed_dim = _measure_output(network, torch.zeros(1, n_channels, height, width))
    except (ArithmeticError, AssertionError, RuntimeError) as error:
        raise ValueError(
            f"backbone={name!r} does not take {n_channels}-channel images of {height} "
            f"x {width} pixels: {str(error) or type(error).__name__}. Other sizes may "
            "do (image_size), and a ResNet takes all."
        ) from error
    return network, embed_dim


def _has_fixed_size(name: str, *, pretrained: bool) -> bool:
    """Say whether a network has to be told the image size; raise if it is unknown."""
    import timm

    known = {*timm.list_models(), *timm.list_pretrained()}
    if name not in known:
        similar = difflib.get_close_matches(name, known, n=5, cutoff=0.5)
        raise ValueError(
            f"backbone={name!r} is not a network of timm. "
            f"Similar names: {', '.join(similar) if similar else 'none'}."
        )
    details = timm.get_pretrained_cfg(name)
    if pretrained and (details is None or not details.has_weights):
        raise ValueError(
            f"pretrained=True, but timm has no weights for backbone={name!r}."
        )
    return details is not None and details.fixed_input_size


def _start_at_scale_one(resnet: nn.Module) -> None:
    """Set the scale of all normalizations to one, as CC does."""
    for module in resnet.modules():
        if isinstance(module, nn.BatchNorm2d | nn.GroupNorm):
            nn.init.ones_(module.weight)


def _keep_resolution_in_stem(resnet: Any, n_channels: int) -> None:
    """Replace the stem of a ResNet by a 3x3 convolution of stride 1, not pooled."""
    stem = nn.Conv2d(
        n_channels, resnet.feature_info[0]["num_chs"], 3, padding=1, bias=False
    )
    nn.init.kaiming_normal_(stem.weight, mode="fan_out", nonlinearity="relu")
    resnet.conv1 = stem
    resnet.maxpool = nn.Identity()


def _check_patches(network: nn.Module, image_size: tuple[int, int]) -> None:
    """Raise if the patches of a transformer would leave out the last pixels."""
    from timm.layers import PatchEmbed

    for module in network.modules():
        if isinstance(module, PatchEmbed):
            height, width = module.patch_size
            if image_size[0] % height or image_size[1] % width:
                raise RuntimeError(
                    f"its patches of {height} x {width} pixels do not cover them evenly"
                )


def _measure_output(network: nn.Module, images: Tensor) -> int:
    """Run a network on images and return the width of its embeddings."""
    with torch.no_grad():
        shape = tuple(network.eval()(images).shape)
    network.train()
    if len(shape) != 2:
        raise RuntimeError(f"its output has the shape {shape} instead of two axes")
    return shape[1]
