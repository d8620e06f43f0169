"""A frozen image encoder that owns its preprocessing."""

import copy
from dataclasses import asdict
from typing import Any, Literal, Self

import torch
from torch import Tensor, nn

from sklearn_mfavb.features._libraries import Architecture
from sklearn_mfavb.features._preprocessing import Preprocessing
from sklearn_mfavb.training import autocast, resolve_autocast

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
    file that they came from, and on machines without a GPU.

    Parameters
    ----------
    tower : torch.nn.Module
        From standardized images (batch_size, 3, height, width) to features
        (batch_size, feature_dim), or to a tuple that begins with them.
    preprocessing : Preprocessing
        What `tower` expects of images.
    fingerprint : str
        Identifies weights and preprocessing: encoders that embed differently have
        different ones.
    architecture : dict, default=None
        How to build `tower` again, for a model that is saved without pickle.
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
        self,
        images: Tensor,
        *,
        is_resized: bool = False,
        precision: Precision = "auto",
    ) -> Tensor:
        """Embed a batch: preprocessing and network, without gradients; float32.

        `images` are bytes, or floats with black and white at 0 and 1, of any size; with
        `is_resized`, they come from ``preprocessing.resize``.
        """
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
