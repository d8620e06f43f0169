"""Encoders that are not built before an image has to be embedded."""

import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sklearn_mfavb.features._arithmetic import Precision, name_arithmetic
from sklearn_mfavb.features._cache import FeatureStore
from sklearn_mfavb.features._encoder import Encoder
from sklearn_mfavb.features._fingerprint import fingerprint_encoder
from sklearn_mfavb.features._loading import Pretrained, load_encoder
from sklearn_mfavb.features._preprocessing import Preprocessing


class LazyEncoder:
    """An encoder that is built when an image is embedded.

    What else is asked of it was noted in the store by the first run, so that nothing
    is built when all features are stored.
    """

    def __init__(
        self,
        model: str,
        pretrained: Pretrained,
        *,
        device: torch.device,
        store: FeatureStore | None,
    ) -> None:
        self.model = model
        self.pretrained = pretrained
        self.device = device
        self.store = store

    @property
    def feature_dim(self) -> int:
        """Length of an embedding."""
        return int(self._describe()["feature_dim"])

    @property
    def preprocessing(self) -> Preprocessing:
        """What the encoder expects of images."""
        told = self._describe()["preprocessing"]
        # JSON knows lists only.
        exact: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in told.items()
        }
        return Preprocessing(**exact)

    def embed(self, images: Tensor, *, precision: Precision = "auto") -> Tensor:
        """Embed images of any size."""
        return self._build().embed(images, precision=precision)

    def embed_fitted(self, images: Tensor, *, precision: Precision = "auto") -> Tensor:
        """Embed images of the encoder's size."""
        return self._build().embed_fitted(images, precision=precision)

    def _build(self) -> Encoder:
        return load_encoder(self.model, self.pretrained).to(self.device)

    def _describe(self) -> dict[str, Any]:
        """Return what is noted; else build the encoder and note it."""
        noted = None if self.store is None else self.store.read_note()
        if noted is not None:
            return noted
        encoder = self._build()
        note = {
            "model": self.model,
            "feature_dim": encoder.feature_dim,
            "preprocessing": asdict(encoder.preprocessing),
        }
        if self.store is not None:
            self.store.write_note(note)
        return note


def open_store(
    cache_dir: str | os.PathLike[str],
    model: str,
    pretrained: Pretrained,
    *,
    precision: Precision,
    device: torch.device,
    encoder: Encoder | None = None,
) -> FeatureStore:
    """Open the features of one encoder and one arithmetic.

    An encoder that is built knows its fingerprint; else the weights are read for it.
    """
    folder = Path(cache_dir).expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    if encoder is None:
        fingerprint = fingerprint_encoder(model, pretrained, memo=folder)
    else:
        fingerprint = encoder.fingerprint
    return FeatureStore(folder / f"{fingerprint}-{name_arithmetic(precision, device)}")
