"""A frozen image encoder and its preprocessing, for batches of tensors."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

import torch
from torch import Tensor, nn

from sklearn_mfavb.training import autocast, resolve_autocast

# No encoder sees larger images, and a forged description could ask for any size.
LARGEST_SIDE = 4096


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """What images an encoder was trained with, in the words of timm.

    `input_size` is (3, height, width), and `crop_mode` "center" (cover that size, cut
    the rest off), "squash" (stretch) or "border" (fit inside, on a gray page). Images
    are resized for a size larger by ``1 / crop_pct``, and the center is cut out. `mean`
    and `std` are those of the channels of pixels in [0, 1].
    """

    input_size: tuple[int, int, int]
    crop_pct: float
    crop_mode: str
    interpolation: str
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        """Refuse sizes that would fill the memory."""
        if not 1 <= max(self.input_size) / self.crop_pct <= LARGEST_SIDE:
            raise ValueError(f"{self!r} does not describe a preprocessing of images.")

    def resize(self, images: Tensor, size: Any = None) -> Tensor:
        """Resize a batch, and crop or pad it to the encoder's size; float32 in [0, 1].

        `size` is what an `ImageSource` passes, and ignored.
        """
        from timm.data import create_transform

        transform = create_transform(**asdict(self), normalize=False)
        for step in transform.transforms:
            if hasattr(step, "fill"):
                step.fill = sum(self.mean) / 3  # timm's, of bytes, is for Pillow only
        white = 255 if images.dtype == torch.uint8 else 1
        # Not rounded to bytes, as Pillow does it: enlarged images have no fine detail
        # but the rounding. With it, features of 32-pixel images had a mean cosine of
        # 0.982 to those of exact pixels. Bicubic resampling overshoots.
        return transform(images.float() / white).clamp(0, 1)

    def normalize(self, images: Tensor) -> Tensor:
        """Standardize resized images of 1 or 3 channels, as float32 of 3 channels."""
        colored = images.float().expand(-1, 3, -1, -1)
        mean, std = (
            colored.new_tensor(v)[:, None, None] for v in (self.mean, self.std)
        )
        return (colored - mean) / std


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

    `tower` maps standardized images to features, or to a tuple that begins with them;
    `architecture` tells how to build it again (see `rebuild_encoder`).
    """

    def __init__(
        self,
        tower: nn.Module,
        preprocessing: Preprocessing,
        fingerprint: str,
        architecture: Mapping[str, Any],
    ) -> None:
        super().__init__()
        self.tower = tower.float().requires_grad_(False).eval()
        self.preprocessing = preprocessing
        self.fingerprint = fingerprint
        self.architecture = architecture
        # No attribute tells it for all the networks of open_clip and timm.
        black = torch.zeros((1, *preprocessing.input_size), dtype=torch.float32)
        self.feature_dim = int(self.embed(black).shape[1])

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    def train(self, mode: bool = True) -> Self:
        """Stay in evaluation mode, also if the network around is trained."""
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
        images = images.to(self.device, non_blocking=True)
        if not is_resized:
            images = self.preprocessing.resize(images)
        n_weights = sum(weight.numel() for weight in self.parameters())
        is_small = precision == "auto" and n_weights < MIN_PARAMETERS
        dtype = None if is_small else resolve_autocast(precision, self.device)
        n_rows = ROWS_ON_CPU if self.device.type == "cpu" else len(images)
        with autocast(self.device, dtype):
            return torch.cat([self(part) for part in images.split(n_rows)])
