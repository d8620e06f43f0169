"""A frozen image encoder that owns its preprocessing."""

from typing import Self

import torch
from torch import Tensor, nn

from sklearn_mfavb.features._architecture import Architecture
from sklearn_mfavb.features._arithmetic import Precision, choose_arithmetic
from sklearn_mfavb.features._preprocessing import Preprocessing
from sklearn_mfavb.training import autocast

# Images that pass a CPU at once. Activations of more are given back to the system
# after every operation and taken from it page by page for the next: 64 images of
# ViT-B/16 made 2.2 million page faults. Images/s with 64, 16, 8 and 4 at a time, two
# cores: ViT-B/32 59, 71, 71, 68 and RN50 22, 34, 36, 36 (bfloat16); RN50 in float32 8,
# 14, 17, 21.
_ROWS_ON_CPU = 8


class Encoder(nn.Module):
    """Embed images with a pretrained network, which is never trained.

    It pickles with its weights: an estimator that keeps one embeds new images without
    the file that the weights came from.

    Parameters
    ----------
    tower : torch.nn.Module
        From standardised images (batch_size, 3, height, width) to features
        (batch_size, feature_dim), or to a tuple that begins with them.
    preprocessing : Preprocessing
        What `tower` expects of images.
    fingerprint : str
        Identifies weights and preprocessing: encoders that embed differently have
        different ones.
    architecture : Architecture, default=None
        How to build `tower` again, for a model that is saved without pickle.

    Attributes
    ----------
    feature_dim : int
        Length of an embedding.

    Examples
    --------
    >>> import torch
    >>> from sklearn_mfavb.features import Encoder, Preprocessing
    >>> preprocessing = Preprocessing(
    ...     size=(8, 8), resized=(8, 8), resize_mode="shortest",
    ...     interpolation="bicubic", mean=(0.5,) * 3, std=(0.5,) * 3,
    ... )
    >>> encoder = Encoder(torch.nn.Flatten(), preprocessing, fingerprint="flat")
    >>> encoder.feature_dim, encoder.embed(torch.rand(2, 1, 20, 30)).shape
    (192, torch.Size([2, 192]))
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
        black = torch.zeros((1, 3, *preprocessing.size))
        self.feature_dim = int(self.embed_fitted(black).shape[1])

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self._place.device

    def train(self, mode: bool = True) -> Self:
        """Stay in evaluation mode, whatever the network around is told."""
        return super().train(False)

    def forward(self, images: Tensor) -> Tensor:
        """Embed images that already have the encoder's height and width.

        Parameters
        ----------
        images : torch.Tensor of shape (batch_size, n_channels, height, width)
            Floats with black and white at 0 and 1; 1 or 3 channels.

        Returns
        -------
        torch.Tensor of shape (batch_size, feature_dim)
            float32, not normalised.
        """
        features = self.tower(self.preprocessing.normalize(images))
        # CoCa's image tower returns its tokens as well.
        return (features[0] if isinstance(features, tuple) else features).float()

    @torch.no_grad()
    def embed_fitted(self, images: Tensor, *, precision: Precision = "auto") -> Tensor:
        """Embed images that already have the encoder's size.

        Parameters
        ----------
        images : torch.Tensor of shape (batch_size, n_channels, height, width)
            Floats with black and white at 0 and 1; 1 or 3 channels.
        precision : {"auto", "float32", "bfloat16"}, default="auto"
            Type of the matrix products; "auto" takes bfloat16 for large encoders on
            devices that are fast with it.

        Returns
        -------
        torch.Tensor of shape (batch_size, feature_dim)
            As `embed` returns it.
        """
        n_parameters = sum(weight.numel() for weight in self.parameters())
        product_type = choose_arithmetic(
            precision, self.device, n_parameters=n_parameters
        )
        images = images.to(self.device)
        n_rows = _ROWS_ON_CPU if self.device.type == "cpu" else len(images)
        with autocast(self.device, product_type):
            return torch.cat([self(part) for part in images.split(n_rows)])

    def embed(self, images: Tensor, *, precision: Precision = "auto") -> Tensor:
        """Embed images of any size: preprocessing and network, without gradients.

        Parameters
        ----------
        images : torch.Tensor of shape (batch_size, n_channels, height, width)
            Bytes, or floats with black and white at 0 and 1; 1 or 3 channels.
        precision : {"auto", "float32", "bfloat16"}, default="auto"
            Type of the matrix products; "auto" takes bfloat16 for large encoders on
            devices that are fast with it.

        Returns
        -------
        torch.Tensor of shape (batch_size, feature_dim)
            float32, not normalised, on the device of the encoder.
        """
        return self.embed_fitted(
            self.preprocessing.fit(images.to(self.device)), precision=precision
        )
