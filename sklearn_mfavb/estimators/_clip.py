"""Features of a frozen encoder beside the images: computed here, or the user's own."""

import os
from dataclasses import field
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils import check_array
from sklearn.utils._param_validation import StrOptions
from torch import Tensor

from sklearn_mfavb.estimators._declaration import estimator
from sklearn_mfavb.estimators._reading import ImageReader
from sklearn_mfavb.features import CLIPFeatures, Encoder
from sklearn_mfavb.images import ImageSource

Rows = NDArray[np.float32]


@estimator
class ClipReader(ImageReader):
    """Parameters and methods that give every image its features, if it has any.

    Parameters
    ----------
    clip : str, CLIPFeatures, "precomputed" or None, default=None
        Features of a frozen encoder that join the tokens of every view. The name of a
        model of open_clip or timm (such as ``"ViT-B-32"``) or a `CLIPFeatures` (for a
        cache, say; images are read as this class says) computes them from the images,
        here and in `predict`, and the fitted model carries the encoder.
        ``"precomputed"``: they are passed to every method as `clip_features`. None:
        pixels only.
    clip_pretrained : str, path-like, True or None, default="openai"
        Weights of that model, as in `CLIPFeatures`.
    image_tokens : bool or "auto", default="auto"
        Whether pixels are looked at. Without them (and with `clip`) the features are
        all there is: much faster, and on photographs as good. ``"auto"``: only without
        `clip`.
    device : str or torch.device, default="auto"
        Where to train and predict. ``"auto"``: a CUDA device if there is one.
    verbose : int, default=0
        0 is silent, 1 shows a progress bar, 2 prints a table of all losses per epoch.

    Attributes
    ----------
    clip_extractor_ : CLIPFeatures
        What computes features, if `clip` names a model.
    clip_encoder_ : Encoder
        The frozen encoder, if `clip` names one.
    feature_mean_ : ndarray of float32 of shape (feature_dim,)
        Mean of the normalised features of the training images, if `clip` is not None.
    """

    clip: str | CLIPFeatures | None = None
    clip_pretrained: Any = "openai"
    image_tokens: bool | Literal["auto"] = "auto"
    device: str | torch.device = "auto"
    verbose: int = 0
    clip_extractor_: CLIPFeatures = field(init=False)
    clip_encoder_: Encoder = field(init=False)
    feature_mean_: Rows = field(init=False)

    _parameter_constraints: ClassVar[dict] = {
        **ImageReader._parameter_constraints,
        "clip": [str, CLIPFeatures, None],
        "clip_pretrained": [str, os.PathLike, bool, None],
        "image_tokens": ["boolean", StrOptions({"auto"})],
        "device": [str, torch.device],
        "verbose": ["verbose"],
    }

    @property
    def _sees_images(self) -> bool:
        """Whether the network looks at pixels."""
        return self.clip is None if self.image_tokens == "auto" else self.image_tokens

    def _read_features(
        self, source: ImageSource, clip_features: Any, *, reset: bool
    ) -> Rows | None:
        """Return features, centred and scaled; with `reset`, learn their centre.

        They are unit vectors less the mean unit vector of the training images, brought
        to the length ``sqrt(feature_dim)``: entries have mean square 1.
        """
        if reset:
            for learned in ("clip_extractor_", "clip_encoder_", "feature_mean_"):
                self.__dict__.pop(learned, None)
        if self.clip is None:
            if clip_features is not None:
                raise ValueError(
                    "clip_features were passed, but clip=None does not use any: set "
                    "clip='precomputed'."
                )
            return None
        rows = self._raw_features(source, clip_features, reset=reset)
        if reset:
            self.feature_mean_ = np.nanmean(_unit_rows(rows), axis=0)
        return self._scale_features(rows)

    def _scale_features(self, rows: Rows) -> Rows:
        """Centre and scale raw features."""
        scale = np.float32(np.sqrt(rows.shape[1]))
        return _unit_rows(_unit_rows(rows) - self.feature_mean_) * scale

    def _embed_augmented(self, images: Tensor) -> Tensor:
        """Embed images in [0, 1] with the encoder that `fit` built."""
        encoder, precision = self.clip_encoder_, self.clip_extractor_.precision
        rows = encoder.embed(images, precision=precision).cpu().numpy()
        return torch.from_numpy(self._scale_features(rows))

    def _raw_features(
        self, source: ImageSource, clip_features: Any, *, reset: bool
    ) -> Rows:
        """Take the user's features, or compute them."""
        if isinstance(self.clip, str) and self.clip == "precomputed":
            n_features = None if reset else len(self.feature_mean_)
            return _check_features(source, clip_features, n_features)
        if clip_features is not None:
            raise ValueError(
                f"clip_features were passed, but clip={self.clip!r} computes them from "
                "the images: set clip='precomputed' to use yours."
            )
        if reset:
            self.clip_extractor_ = self._make_extractor()
            self.clip_encoder_ = self.clip_extractor_.build_encoder()
        return self.clip_extractor_.extract(source, self.clip_encoder_)

    def _make_extractor(self) -> CLIPFeatures:
        """Make what computes features."""
        if not isinstance(self.clip, str):
            return clone(self.clip)
        return CLIPFeatures(
            self.clip,
            self.clip_pretrained,
            device=self.device,
            verbose=int(self.verbose > 0),
        )


def _check_features(
    source: ImageSource, clip_features: Any, n_features: int | None
) -> Rows:
    """Return the user's features as float32, or say what is wrong with them."""
    if clip_features is None:
        raise ValueError(
            "clip='precomputed' needs the features of the images: pass "
            "clip_features=..., of shape (n_samples, feature_dim)."
        )
    rows = check_array(
        clip_features,
        dtype=np.float32,
        ensure_all_finite=False,
        input_name="clip_features",
    )
    if len(rows) != len(source):
        raise ValueError(
            f"clip_features has {len(rows)} rows, but there are {len(source)} images: "
            "there must be one row for each image, in the same order."
        )
    if n_features is not None and rows.shape[1] != n_features:
        raise ValueError(
            f"clip_features has {rows.shape[1]} columns, but those passed to fit had "
            f"{n_features}: use the same encoder."
        )
    readable = np.setdiff1d(np.arange(len(rows)), list(source.unreadable))
    bad = readable[~np.isfinite(rows[readable]).all(axis=1)]
    if len(bad):
        raise ValueError(
            f"clip_features has NaN or infinity in {len(bad)} rows, the first of them "
            f"{bad[0]}: features must be finite."
        )
    rows = rows.copy()
    rows[list(source.unreadable)] = np.nan
    return rows


def _unit_rows(rows: Rows) -> Rows:
    """Bring rows to unit length; zeros stay."""
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.maximum(length, 1e-12)).astype(np.float32)
