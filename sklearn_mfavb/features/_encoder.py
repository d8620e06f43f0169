"""A frozen image encoder and its preprocessing, for batches of tensors."""

import copy
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self, get_args

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, pad

from sklearn_mfavb.training import autocast, resolve_autocast

# Library, model (of timm with the tag of its weights) and config: what open_clip knows
# of the model, which may be one that the user registered; empty for timm.
Architecture = dict[str, Any]
Size = tuple[int, int]
ResizeMode = Literal["shortest", "longest", "squash"]
Interpolation = Literal["bicubic", "bilinear"]

# No encoder sees larger images, and a forged description could ask for any size.
LARGEST_SIDE = 4096


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """Bring images to the size and the statistics that an encoder was trained with.

    An image is resized to cover `resized` (`resize_mode` "shortest") or to fit inside
    it ("longest"), with its aspect ratio kept, or is stretched to it ("squash"). Then
    the center of `size` is cut out, on a gray level of `fill` in [0, 1] where the image
    is smaller. `mean` and `std` are those of the channels of pixels in [0, 1].
    """

    size: Size
    resized: Size
    resize_mode: ResizeMode
    interpolation: Interpolation
    mean: tuple[float, ...]
    std: tuple[float, ...]
    fill: float = 0.0

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Self:
        """Build from the values of ``dataclasses.asdict``, also after JSON."""
        try:
            values: dict[str, Any] = {
                k: tuple(v) if isinstance(v, list) else v for k, v in told.items()
            }
            made = cls(**values)
            sides = (*made.size, *made.resized)
            is_sound = (
                (len(sides), len(made.mean), len(made.std)) == (4, 3, 3)
                and all(isinstance(side, int) for side in sides)
                and 1 <= min(sides) <= max(sides) <= LARGEST_SIDE
                and made.resize_mode in get_args(ResizeMode)
                and made.interpolation in get_args(Interpolation)
                and math.isfinite(sum((*made.mean, *made.std, made.fill)))
            )
        except (AttributeError, TypeError, ValueError):
            is_sound = False
        if not is_sound:
            raise ValueError(f"{told!r} does not describe a preprocessing of images.")
        return made

    def resize(self, images: Tensor, size: Size | None = None) -> Tensor:
        """Resize a batch, and crop or pad it to the encoder's size; float32 in [0, 1].

        `size` is what an `ImageSource` passes, and ignored.
        """
        white = 255 if images.dtype == torch.uint8 else 1
        pixels = images.float() / white
        resized = self._size_before_crop(*pixels.shape[-2:])
        if pixels.shape[-2:] != resized:
            # Not rounded to bytes, as Pillow does it: enlarged images have no fine
            # detail but the rounding. With it, features of 32-pixel images had a mean
            # cosine of 0.982 to those of exact pixels.
            pixels = interpolate(
                pixels, size=resized, mode=self.interpolation, antialias=True
            )
        # Bicubic resampling overshoots.
        return _crop_or_pad(pixels.clamp(0, 1), self.size, self.fill)

    def normalize(self, images: Tensor) -> Tensor:
        """Standardize resized images of 1 or 3 channels, as float32 of 3 channels."""
        # The type is given, as torch's default may be another one.
        options: dict[str, Any] = {"dtype": torch.float32, "device": images.device}
        mean = torch.tensor(self.mean, **options)[:, None, None]
        std = torch.tensor(self.std, **options)[:, None, None]
        return (images.expand(-1, 3, -1, -1) - mean) / std

    def _size_before_crop(self, height: int, width: int) -> Size:
        """Return the size before the crop; rounded as torchvision and timm do."""
        # A row of numbers is no picture: a crop would keep one pixel of it.
        if self.resize_mode == "squash" or 1 in (height, width):
            return self.resized
        ratios = self.resized[0] / height, self.resized[1] / width
        if self.resize_mode == "longest" or self.resized[0] != self.resized[1]:
            scale = min(ratios) if self.resize_mode == "longest" else max(ratios)
            return max(1, round(height * scale)), max(1, round(width * scale))
        side = self.resized[0]
        long_side = int(side * max(height, width) / min(height, width))
        return (side, long_side) if height <= width else (long_side, side)


def _crop_or_pad(images: Tensor, size: Size, fill: float) -> Tensor:
    """Return the center of the images, on a gray page where they are smaller."""
    if images.shape[-2:] == size:
        return images
    # Negative padding crops. Left is rounded as torchvision and timm do.
    edges = []
    for target, length in zip(size[::-1], images.shape[:-3:-1], strict=True):
        extra = target - length
        before = extra // 2 if extra > 0 else -round(-extra / 2)
        edges += [before, extra - before]
    return pad(images, edges, value=fill)


Precision = Literal["auto", "float32", "bfloat16"]

# Smaller encoders are fast anyway, and stay exact.
MIN_PARAMETERS = 10_000_000

# Images that pass a CPU at once. Activations of more are given back to the system
# after every operation and taken from it page by page for the next: 64 images of
# ViT-B/16 made 2.2 million page faults. Images/s with 64, 16, 8 and 4 at a time, two
# cores: ViT-B/32 59, 71, 71, 68 and RN50 22, 34, 36, 36 (bfloat16); RN50 in float32 8,
# 14, 17, 21.
ROWS_ON_CPU = 8


class Encoder(nn.Module):
    """Embed images with a pretrained network, which is never trained.

    It is pickled with its weights, on the CPU, so that it embeds new images without the
    file that they came from, and on machines without a GPU. `tower` maps standardized
    images to features, or to a tuple that begins with them.
    """

    _place: Tensor

    def __init__(
        self,
        tower: nn.Module,
        preprocessing: Preprocessing,
        *,
        fingerprint: str,
        architecture: Architecture | None = None,
    ) -> None:
        super().__init__()
        self.tower = tower.float().requires_grad_(False).eval()
        self.preprocessing = preprocessing
        self.fingerprint = fingerprint
        self.architecture = architecture
        # Moves with the weights, and is there even if the tower has none.
        self.register_buffer("_place", torch.empty(0), persistent=False)
        # No attribute tells it for all the networks of open_clip and timm.
        black = torch.zeros((1, 3, *preprocessing.size), dtype=torch.float32)
        self.feature_dim = int(self.embed(black, is_resized=True).shape[1])

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self._place.device

    def train(self, mode: bool = True) -> Self:
        """Stay in evaluation mode, whatever the network around is told."""
        return super().train(False)

    def forward(self, images: Tensor) -> Tensor:
        """Embed images in [0, 1] that already have the encoder's height and width."""
        features = self.tower(self.preprocessing.normalize(images))
        # CoCa's image tower returns its tokens as well.
        return (features[0] if isinstance(features, tuple) else features).float()

    @torch.no_grad()
    def embed(
        self, images: Tensor, *, is_resized: bool = False, precision: Precision = "auto"
    ) -> Tensor:
        """Embed images of any size, or what ``preprocessing.resize`` returned."""
        images = images.to(self.device)
        if not is_resized:
            images = self.preprocessing.resize(images)
        n_parameters = sum(weight.numel() for weight in self.parameters())
        dtype = choose_dtype(precision, self.device, n_parameters=n_parameters)
        n_rows = ROWS_ON_CPU if self.device.type == "cpu" else len(images)
        with autocast(self.device, dtype):
            return torch.cat([self(part) for part in images.split(n_rows)])

    def describe(self) -> dict[str, Any]:
        """Describe all but the weights for `rebuild_encoder`, in values for JSON."""
        if self.architecture is None:
            raise TypeError("The encoder was not built by name, and cannot be again.")
        return {
            "architecture": self.architecture,
            "preprocessing": asdict(self.preprocessing),
            "fingerprint": self.fingerprint,
        }

    def __getstate__(self) -> dict[str, Any]:
        """Return the state for pickle, with the weights on the CPU."""
        if self.device.type == "cpu":
            return self.__dict__
        # deepcopy takes what it finds here for copies, so that no second set of weights
        # is made on the GPU.
        copies: dict[int, Any] = {id(x): x.cpu() for x in self.buffers()}
        for weight in self.parameters():
            copies[id(weight)] = nn.Parameter(weight.cpu(), requires_grad=False)
        return copy.deepcopy(self.__dict__, copies)


def choose_dtype(
    precision: Precision, device: torch.device, *, n_parameters: int
) -> torch.dtype | None:
    """Return the type of the matrix products of an encoder; None means float32."""
    if precision == "auto" and n_parameters < MIN_PARAMETERS:
        return None
    return resolve_autocast(precision, device)


def name_precision(precision: Precision, device: torch.device) -> str:
    """Return a name for what decides the type, without knowing the encoder."""
    if precision != "auto":
        return precision
    return "float32" if resolve_autocast("auto", device) is None else "auto"
