"""Whether a loaded estimator computes what the saved one does."""

import torch
from torch import Tensor

from sklearn_mfavb.estimators import BaseImageClusterer
from sklearn_mfavb.persistence._file import ModelFileError
from sklearn_mfavb.views import View

_N_PROBES = 2
_TOLERANCE = 1e-3  # of the length of the outputs; equal bit for bit on CPUs


def check_copy(copy: BaseImageClusterer, original: BaseImageClusterer) -> None:
    """Pass noise through the networks of both.

    Weights of the same shapes may belong to another network: one with more attention
    heads, if that parameter was changed after `fit`.

    Parameters
    ----------
    copy, original : BaseImageClusterer
        Fitted, on one device.

    Raises
    ------
    ModelFileError
        If the outputs differ.
    """
    loaded, saved = _outputs(copy), _outputs(original)
    for name, expected in saved.items():
        if torch.dist(loaded[name], expected) > _TOLERANCE * expected.norm():
            raise ModelFileError(f"its {name} differ from those of the estimator.")


@torch.no_grad()
def _outputs(estimator: BaseImageClusterer) -> dict[str, Tensor]:
    """Embed and label noise."""
    network, readout = estimator.net_.module_.eval(), estimator.readout_.eval()
    device = estimator.net_.device
    images = _noise(estimator.image_format_.n_channels, *estimator.image_size_)
    mean = getattr(estimator, "feature_mean_", None)
    features = None if mean is None else _noise(len(mean)).to(device)
    embedding = network.embed(View(images.to(device), features))
    outputs = {"embeddings": embedding, "probabilities": readout(embedding)}
    if hasattr(estimator, "clip_encoder_"):
        encoder = estimator.clip_encoder_
        pixels = _noise(3, *encoder.preprocessing.size)
        outputs["features"] = encoder.embed_fitted(pixels, precision="float32")
    return outputs


def _noise(*shape: int) -> Tensor:
    """Draw some arrays of values in [0, 1], the same for every call."""
    generator = torch.Generator().manual_seed(0)
    return torch.rand((_N_PROBES, *shape), generator=generator)
