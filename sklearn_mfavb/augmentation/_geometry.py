"""Crop, flips, turns and small affine changes in one resampling pass."""

import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from sklearn_mfavb.augmentation._transform import (
    Transform,
    draw_events,
    draw_uniform,
    is_picture,
)


class AffineCropParameters(NamedTuple):
    """What `AffineCrop` draws; every tensor has shape (batch_size,).

    Signs are those of ``torchvision.transforms.v2.functional.affine``.
    """

    top: Tensor  # of the part of the image that is kept, in whole pixels
    left: Tensor
    height: Tensor
    width: Tensor
    horizontal_flip: Tensor
    vertical_flip: Tensor
    quarter_turns: Tensor  # counter-clockwise, 0 to 3
    rotation: Tensor  # clockwise, in degrees
    shear: Tensor  # along the width, in degrees
    shift_x: Tensor  # to the right, as a share of the width
    shift_y: Tensor  # down, as a share of the height


@dataclass(frozen=True, kw_only=True)
class AffineCrop(Transform):
    """Crop each image at random, resize to the input size, flip, turn and warp.

    In this order: crop and bilinear resize, flips, quarter turns, then rotation,
    shear and translation about the center; all are composed into one affine map,
    so the pixels are interpolated once. Crops follow torchvision's
    ``RandomResizedCrop``: area uniform in `scale`, aspect ratio log-uniform in
    `ratio`, ten tries, then a central crop. Only with rotation, shear or translation is
    anything outside the crop seen: the image there, and its border pixels beyond.
    Images with a side below 4 pixels are left unchanged.

    Parameters
    ----------
    scale : tuple of float, default=(0.08, 1.0)
        Smallest and largest area of the crop, as a share of the image.
    ratio : tuple of float, default=(3 / 4, 4 / 3)
        Smallest and largest width / height of the crop.
    horizontal_flip_probability : float, default=0.5
        Probability of mirroring left and right.
    vertical_flip_probability : float, default=0.0
        Probability of mirroring top and bottom.
    quarter_turns : bool, default=False
        Whether to turn by 0, 90, 180 or 270 degrees with equal probability. The
        turned crop is fitted to the image, also when that is not square.
    max_rotation : float, default=0.0
        Largest rotation either way, in degrees.
    max_shear : float, default=0.0
        Largest shear either way along the width, in degrees below 90.
    max_shift : float, default=0.0
        Largest translation either way, as a share of each side.

    Examples
    --------
    >>> import torch
    >>> from sklearn_mfavb.augmentation import AffineCrop
    >>> crop = AffineCrop(scale=(0.2, 1.0))
    >>> images = torch.rand(8, 3, 32, 32)
    >>> parameters = crop.draw(images)
    >>> crop.apply(images, parameters).shape
    torch.Size([8, 3, 32, 32])
    """

    scale: tuple[float, float] = (0.08, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    horizontal_flip_probability: float = 0.5
    vertical_flip_probability: float = 0.0
    quarter_turns: bool = False
    max_rotation: float = 0.0
    max_shear: float = 0.0
    max_shift: float = 0.0

    _limits: ClassVar = {
        "scale": (0, 1),
        "ratio": (0, math.inf),
        "horizontal_flip_probability": (0, 1),
        "vertical_flip_probability": (0, 1),
        "max_rotation": (0, 180),
        "max_shear": (0, 89),
        "max_shift": (0, 1),
    }

    def draw(self, images: Tensor) -> AffineCropParameters:
        """Draw a box, flips, turns, angles and shifts for every image."""
        n_turns = 4 if self.quarter_turns else 1
        return AffineCropParameters(
            *_draw_boxes(images, scale=self.scale, ratio=self.ratio),
            horizontal_flip=draw_events(images, self.horizontal_flip_probability),
            vertical_flip=draw_events(images, self.vertical_flip_probability),
            quarter_turns=torch.randint(n_turns, (len(images),), device=images.device),
            rotation=draw_uniform(images, -self.max_rotation, self.max_rotation),
            shear=draw_uniform(images, -self.max_shear, self.max_shear),
            shift_x=draw_uniform(images, -self.max_shift, self.max_shift),
            shift_y=draw_uniform(images, -self.max_shift, self.max_shift),
        )

    def apply(self, images: Tensor, parameters: AffineCropParameters) -> Tensor:
        """Resample every image once, where its parameters say."""
        if not is_picture(images):
            return images
        height, width = images.shape[-2:]
        inside = max(self.max_rotation, self.max_shear, self.max_shift) == 0
        grid = _sampling_grid(parameters, image_size=(height, width), inside=inside)
        sampled = F.grid_sample(
            images, grid, mode="bilinear", padding_mode="border", align_corners=False
        )
        # The four weights may add up to a little more than one.
        return sampled.clamp_(0.0, 1.0)


def _draw_boxes(
    images: Tensor, *, scale: tuple[float, float], ratio: tuple[float, float]
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Draw all tries at once and keep the first box that fits, else the center.

    Return top, left, height and width.
    """
    height, width = images.shape[-2:]
    tries = images.new_empty(10, len(images))  # as many as in torchvision
    area = tries.uniform_(*scale) * (height * width)
    log_ratio = torch.empty_like(tries).uniform_(math.log(ratio[0]), math.log(ratio[1]))
    aspect = log_ratio.exp()
    widths = (area * aspect).sqrt().round()
    heights = (area / aspect).sqrt().round()
    fits = (widths > 0) & (widths <= width) & (heights > 0) & (heights <= height)

    first = fits.to(torch.uint8).argmax(dim=0, keepdim=True)
    found = fits.any(dim=0)
    central_height, central_width = _central_size(height, width, ratio=ratio)
    box_height = heights.gather(0, first)[0].where(found, central_height)
    box_width = widths.gather(0, first)[0].where(found, central_width)

    spare_height, spare_width = height - box_height, width - box_width
    top = (torch.rand_like(spare_height) * (spare_height + 1)).floor()
    left = (torch.rand_like(spare_width) * (spare_width + 1)).floor()
    top = top.where(found, (height - central_height) // 2)
    left = left.where(found, (width - central_width) // 2)
    return top, left, box_height, box_width


def _central_size(
    height: int, width: int, *, ratio: tuple[float, float]
) -> tuple[int, int]:
    """Return height and width of the largest box whose aspect ratio is allowed."""
    if width < height * ratio[0]:
        return round(width / ratio[0]), width
    if width > height * ratio[1]:
        return height, round(height * ratio[1])
    return height, width


def _sampling_grid(
    parameters: AffineCropParameters, *, image_size: tuple[int, int], inside: bool
) -> Tensor:
    """Return where each output pixel looks: (batch_size, height, width, 2), x first.

    Coordinates are those of grid_sample: -1 and 1 are the outer edges of the image.
    """
    height, width = image_size
    shift_x, shift_y = 2 * parameters.shift_x, 2 * parameters.shift_y
    u = _pixel_centers(width, like=shift_x) - shift_x[:, None]
    v = _pixel_centers(height, like=shift_y) - shift_y[:, None]
    per_u, per_v = _affine_columns(parameters, image_size=image_size)
    over_width = (u[:, :, None] * per_u[:, None])[:, None]  # (batch_size, 1, width, 2)
    over_height = (v[:, :, None] * per_v[:, None])[:, :, None]
    if inside:
        # Up to the outermost pixel centers of the crop. Each coordinate then follows
        # one output axis only, so the two terms, one of them 0, are clamped apart.
        limit = _x_and_y(
            (parameters.width - 1) / width, (parameters.height - 1) / height
        )
        over_width = over_width.clamp(-limit, limit)
        over_height = over_height.clamp(-limit, limit)
    center = _x_and_y(
        (2 * parameters.left + parameters.width) / width - 1,
        (2 * parameters.top + parameters.height) / height - 1,
    )
    return (over_width + center) + over_height


def _affine_columns(
    parameters: AffineCropParameters, *, image_size: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Return the input (x, y) per step in output u and in v, each (batch_size, 2).

    Scalars are composed by hand because matrix products may run in reduced precision
    (autocast, TF32), which is far too coarse for coordinates.
    """
    height, width = image_size
    rotation, tangent = parameters.rotation.deg2rad(), parameters.shear.deg2rad().tan()
    cosine, sine = rotation.cos(), rotation.sin()
    # Columns of the inverse of R(rotation) [[1, -tan(shear)], [0, 1]], taken in pixels.
    warp_u = (cosine - sine * tangent, -sine * (width / height))
    warp_v = ((cosine * tangent + sine) * (height / width), cosine)

    quarter = parameters.quarter_turns.to(rotation.dtype) * (math.pi / 2)
    turn_cosine, turn_sine = quarter.cos().round(), quarter.sin().round()
    sign_x = 1 - 2 * parameters.horizontal_flip.to(rotation.dtype)
    sign_y = 1 - 2 * parameters.vertical_flip.to(rotation.dtype)
    scale_x = sign_x * parameters.width / width
    scale_y = sign_y * parameters.height / height

    def turn_and_scale(x: Tensor, y: Tensor) -> Tensor:
        turned = turn_cosine * x - turn_sine * y, turn_sine * x + turn_cosine * y
        return torch.stack((scale_x * turned[0], scale_y * turned[1]), dim=-1)

    return turn_and_scale(*warp_u), turn_and_scale(*warp_v)


def _pixel_centers(side: int, *, like: Tensor) -> Tensor:
    """Return the centers of a row of pixels that spans [-1, 1]."""
    pixels = torch.arange(side, dtype=like.dtype, device=like.device)
    return (2 * pixels + 1) / side - 1


def _x_and_y(x: Tensor, y: Tensor) -> Tensor:
    """Return a pair per image that broadcasts over a grid: (batch_size, 1, 1, 2)."""
    return torch.stack((x, y), dim=-1)[:, None, None]
