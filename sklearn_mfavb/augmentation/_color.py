"""Changes of color: jitter, grayscale and solarization."""

import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from sklearn_mfavb.augmentation._transform import (
    Transform,
    draw_events,
    draw_uniform,
    per_image,
)

# Pixels are chosen by `lerp` with weights of 0 and 1, which is exact: on one thread
# of a CPU, `where` took 10 times as long on masks that change from pixel to pixel.


class ColorJitterParameters(NamedTuple):
    """What `ColorJitter` draws, each of shape (batch_size,).

    Factors of 1 and a hue shift of 0 (in turns of the color circle) change nothing.
    """

    brightness: Tensor
    contrast: Tensor
    saturation: Tensor
    hue: Tensor


@dataclass(frozen=True, kw_only=True)
class ColorJitter(Transform):
    """Change brightness, contrast, saturation and hue, in this order.

    Each step is torchvision's (result clamped to [0, 1]); the order is fixed, whereas
    torchvision's ``ColorJitter`` shuffles it. Saturation and hue need three channels
    and are skipped otherwise; contrast then pivots on the mean of all channels
    instead of the mean luma. Source: Chen et al., SimCLR, 2020, arXiv:2002.05709,
    appendix A.

    Parameters
    ----------
    brightness, contrast, saturation : float, default=0.0
        Factors are uniform in [max(0, 1 - value), 1 + value].
    hue : float, default=0.0
        Shifts are uniform in [-hue, hue], in turns of the color circle; at most 0.5.
    probability : float, default=0.8
        Probability that an image is changed at all.

    Examples
    --------
    >>> import torch
    >>> from sklearn_mfavb.augmentation import ColorJitter
    >>> jitter = ColorJitter(brightness=0.4, contrast=0.4, saturation=0.2, hue=0.1)
    >>> jitter(torch.rand(8, 3, 32, 32)).shape
    torch.Size([8, 3, 32, 32])
    """

    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0
    probability: float = 0.8

    _limits: ClassVar = {
        **dict.fromkeys(("brightness", "contrast", "saturation"), (0, math.inf)),
        "hue": (0, 0.5),
        "probability": (0, 1),
    }

    def draw(self, images: Tensor) -> ColorJitterParameters:
        """Draw three factors and a shift; neutral ones where nothing happens."""
        applied = draw_events(images, self.probability)
        brightness, contrast, saturation = (
            draw_uniform(images, max(0.0, 1 - spread), 1 + spread).where(applied, 1.0)
            for spread in (self.brightness, self.contrast, self.saturation)
        )
        hue = draw_uniform(images, -self.hue, self.hue).where(applied, 0.0)
        return ColorJitterParameters(brightness, contrast, saturation, hue)

    def apply(self, images: Tensor, parameters: ColorJitterParameters) -> Tensor:
        """Apply the steps that the settings leave any room."""
        if self.brightness > 0:
            factor = per_image(parameters.brightness)
            images = (images * factor).clamp_(0.0, 1.0)
        if self.contrast > 0:
            images = adjust_contrast(images, parameters.contrast)
        if self.saturation > 0 and _is_rgb(images):
            images = _blend(images, luma(images), parameters.saturation)
        if self.hue > 0 and _is_rgb(images):
            images = adjust_hue(images, parameters.hue)
        return images


@dataclass(frozen=True, kw_only=True)
class Grayscale(Transform):
    """Replace three colors by their luma; other numbers of channels are left alone.

    Parameters
    ----------
    probability : float, default=0.2
        Probability that an image is changed.
    """

    probability: float = 0.2

    _limits: ClassVar = {"probability": (0, 1)}

    def draw(self, images: Tensor) -> Tensor:
        """Draw which images lose their color."""
        return draw_events(images, self.probability)

    def apply(self, images: Tensor, parameters: Tensor) -> Tensor:
        """Show the luma of the chosen images in all three channels."""
        if not _is_rgb(images):
            return images
        return torch.lerp(images, luma(images), per_image(parameters.to(images.dtype)))


@dataclass(frozen=True, kw_only=True)
class Solarize(Transform):
    """Invert the values that reach a threshold, in any number of channels.

    Source: Grill et al., BYOL, 2020, arXiv:2006.07733, appendix B.

    Parameters
    ----------
    threshold : float, default=0.5
        Smallest value that is inverted.
    probability : float, default=0.2
        Probability that an image is changed.

    Examples
    --------
    >>> import torch
    >>> from sklearn_mfavb.augmentation import Solarize
    >>> Solarize(probability=1.0)(torch.tensor([0.25, 0.75]).reshape(1, 1, 1, 2))
    tensor([[[[0.2500, 0.2500]]]])
    """

    threshold: float = 0.5
    probability: float = 0.2

    _limits: ClassVar = {"threshold": (0, 1), "probability": (0, 1)}

    def draw(self, images: Tensor) -> Tensor:
        """Draw the threshold of every image; infinite where nothing happens."""
        applied = draw_events(images, self.probability)
        thresholds = torch.full_like(applied, self.threshold, dtype=images.dtype)
        return thresholds.where(applied, math.inf)

    def apply(self, images: Tensor, parameters: Tensor) -> Tensor:
        """Invert what reaches the threshold."""
        inverted = (images - per_image(parameters)).ge_(0.0)
        return torch.lerp(images, 1 - images, inverted)


def adjust_contrast(images: Tensor, factor: Tensor) -> Tensor:
    """Move each image away from its mean luma (its mean, when it is not RGB)."""
    means = images.mean(dim=(-2, -1), keepdim=True)
    pivot = luma(means) if _is_rgb(images) else means.mean(dim=1, keepdim=True)
    return _blend(images, pivot, factor)


def adjust_hue(images: Tensor, shift: Tensor) -> Tensor:
    """Turn the hue of each RGB image by a shift in turns of the color circle.

    The largest and the smallest channel stay: a channel is low + chroma * weight, and
    the weight is a trapezium over the hue, counted in sixths of the circle.
    """
    red, green, blue = images.unbind(dim=1)
    high = torch.maximum(torch.maximum(red, green), blue)
    low = torch.minimum(torch.minimum(red, green), blue)
    chroma = high - low
    red_below, green_below = (high - red).sign_(), (high - green).sign_()
    hue = torch.lerp(
        (blue - red).add_(chroma, alpha=2),
        (red - green).add_(chroma, alpha=4),
        green_below,
    )
    hue = torch.lerp(green - blue, hue, red_below)
    # Gray pixels have no hue: 0 / tiny = 0.
    hue.div_(chroma.clamp(min=torch.finfo(hue.dtype).tiny)).add_(
        6 * shift[:, None, None]
    )
    hue.sub_(torch.floor(hue / 6), alpha=6)
    weights = torch.stack(
        (
            (hue - 3).abs_().sub_(1),
            (hue - 2).abs_().neg_().add_(2),
            (hue - 4).abs_().neg_().add_(2),
        ),
        dim=1,
    ).clamp_(0.0, 1.0)
    return weights.mul_(chroma[:, None]).add_(low[:, None])


def _blend(images: Tensor, pivot: Tensor, factor: Tensor) -> Tensor:
    """Return factor * images + (1 - factor) * pivot, clamped to [0, 1]."""
    factor = per_image(factor)
    return (images * factor).add_(pivot * (1 - factor)).clamp_(0.0, 1.0)


def luma(images: Tensor) -> Tensor:
    """Weigh three channels into one: (batch_size, 3, ...) to (batch_size, 1, ...)."""
    red, green, blue = images.split(1, dim=1)
    # ITU-R BT.601, rounded as in torchvision.
    return (red * 0.2989).add_(green, alpha=0.587).add_(blue, alpha=0.114)


def _is_rgb(images: Tensor) -> bool:
    """Whether the images have three channels."""
    return images.shape[1] == 3
