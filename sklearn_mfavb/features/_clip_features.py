"""Features of a pretrained image encoder, as a scikit-learn transformer."""

import os
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import asdict
from numbers import Integral
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin, _fit_context
from sklearn.utils import Tags
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_array, validate_data
from torch import Tensor

from sklearn_mfavb.features._build import (
    Pretrained,
    check_description,
    find_encoder,
    fingerprint_encoder,
    fingerprint_weights,
    load_encoder,
    load_weights,
    rebuild_encoder,
)
from sklearn_mfavb.features._encoder import Encoder, Precision
from sklearn_mfavb.features._extraction import Extraction, FeatureStore
from sklearn_mfavb.images import (
    ImageFormat,
    ImageSource,
    Reading,
    is_table,
    open_images,
)
from sklearn_mfavb.parameters import GroupedParameters
from sklearn_mfavb.training import resolve_autocast, resolve_device


class CLIPFeatures(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, GroupedParameters
):
    """Embed images with a pretrained encoder: CLIP, or any of open_clip and timm.

    The features of CLIP [1]_ separate kinds of things so well that k-means on them is
    hard to beat on photographs. `transform` works without `fit`, which learns nothing
    but the range of pixels (with ``pixel_range="data"``, or of files with more than 8
    bits). The encoder belongs to this object: a pickle contains it, a clone does not.

    Parameters
    ----------
    model : str, default="ViT-B-32"
        Name of a model of open_clip (see ``open_clip.list_models()``), else of timm
        (``timm.list_models()``).
    pretrained : str, path-like, True or None, default=None
        Which weights. A tag, whose weights are downloaded once (see
        ``open_clip.list_pretrained_tags_by_model(model)``; for timm, what follows the
        dot in ``timm.list_pretrained()``), or the path of a file: safetensors, or a
        dict of tensors that ``torch.save`` wrote, of the whole model or of its image
        tower. Code in a file is never run. None and True stand for OpenAI's weights, or
        those that timm prefers. Files with OpenAI's weights need the model named
        "...-quickgelu".
    reading : Reading, default=None
        How images are read; None is ``Reading()``. Its `resize` is not used, as the
        encoder has its own way. With ``on_error="skip"``, rows of unreadable images are
        NaN.
    batch_size : int, default=64
        Number of images embedded at once. It changes speed and memory, not features.
    cache_dir : str or path-like, default=None
        Folder in which features are kept, by the content of the file (or the pixels of
        an array) and the encoder. A second run finds them without decoding files or
        building the encoder; an interrupted one resumes; processes may share the
        folder. It may be deleted at any time. None keeps nothing.
    device : str or torch.device, default="auto"
        Where the encoder runs; "auto" takes a CUDA device if there is one.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        Type of the matrix products; "auto" takes bfloat16 for encoders of more than ten
        million weights on devices that are fast with it. Features are float32.
    n_jobs : int, default=None
        Number of workers among which `transform` divides the images: processes, or
        those of the backend that `joblib.parallel_config` names, such as "dask". None
        takes the number from there, and is else 1; -1 takes all processors. Features
        are those of one process. On one CPU expect little for a large encoder: torch
        divides its products among all cores anyway, and images are decoded meanwhile. A
        tiny one, which waits for JPEG files, was 1.25 times as fast with two workers.
    verbose : int, default=0
        Whether to show a progress bar.

    Attributes
    ----------
    encoder_ : Encoder
        The encoder, once it was needed.
    image_format_ : ImageFormat
        How the X given to `fit` was read.
    n_features_in_ : int
        Number of columns of that X, if it was two-dimensional.

    See Also
    --------
    sklearn.cluster.KMeans : What to put behind it first.
    sklearn.preprocessing.Normalizer : Makes Euclidean distances those of the cosine.

    Notes
    -----
    Images are resized and cropped as the encoder was trained to see them,
    but not rounded to bytes in between, as Pillow does; grayscale images become RGB.
    For photos of 32 pixels, features with and without rounding have a mean cosine of
    0.98, those with and without bfloat16 one of 0.9997 (ViT-B/16).

    References
    ----------
    .. [1] A. Radford et al., "Learning Transferable Visual Models From Natural Language
       Supervision", 2021, arXiv:2103.00020.

    Examples
    --------
    >>> from sklearn.cluster import KMeans
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn_mfavb.features import CLIPFeatures
    >>> clustering = make_pipeline(CLIPFeatures(), KMeans(10))
    >>> clustering.fit_predict("photos/")  # doctest: +SKIP
    """

    encoder_: Encoder
    image_format_: ImageFormat

    # What `get_state` told of weights that a saved model leaves out.
    _left_out: dict[str, Any] | None = None
    _held: FeatureStore | None = None

    _groups: ClassVar = {"reading": Reading}

    _parameter_constraints: ClassVar[dict] = {
        "model": [str],
        "pretrained": [str, os.PathLike, bool, None],
        "reading": [Reading, None],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "cache_dir": [str, os.PathLike, None],
        "device": [str, torch.device],
        "precision": [StrOptions({"auto", "float32", "bfloat16"})],
        "n_jobs": [Integral, None],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        model: str = "ViT-B-32",
        pretrained: Pretrained = None,
        *,
        reading: Reading | None = None,
        batch_size: int = 64,
        cache_dir: str | os.PathLike[str] | None = None,
        device: str | torch.device = "auto",
        precision: Precision = "auto",
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> None:
        self.model = model
        self.pretrained = pretrained
        self.reading = reading
        self.batch_size = batch_size
        self.cache_dir = cache_dir
        self.device = device
        self.precision = precision
        self.n_jobs = n_jobs
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None) -> Self:
        """Check images, and build the encoder unless features are kept on disk.

        Parameters
        ----------
        X : array-like, path or sequence
            Images: an array, a folder, or a sequence of paths, PIL images or arrays.
        y : Ignored
            Not used; present for consistency with scikit-learn.
        """
        self._open(X, is_fit=True)
        if self.cache_dir is None:
            self.build_encoder()
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def fit_transform(self, X: Any, y: Any = None) -> NDArray[np.float32]:
        """Do what `fit` and `transform` do, looking at files once."""
        return self.extract(self._open(X, is_fit=True))

    def transform(self, X: Any) -> NDArray[np.float32]:
        """Embed images of any size, as for `fit`; rows of skipped ones are NaN."""
        return self.extract(self._open(X, is_fit=False))

    def extract(self, source: ImageSource) -> NDArray[np.float32]:
        """Embed the images of a source, as `transform` does."""
        self._validate_params()
        if source.n_channels not in (1, 3):
            raise ValueError(
                f"The images have {source.n_channels} channels, but encoders see "
                "grayscale (1) or RGB (3): pass three of them, such as X[..., :3]."
            )
        store = self._held or FeatureStore(self._cache_folder())
        return Extraction(store, self.build_encoder, self.embed).run(
            source, self.batch_size, n_jobs=self.n_jobs, verbose=self.verbose
        )

    def hold_cache(self) -> None:
        """Read ``cache_dir`` now, and keep it in memory for many small calls."""
        self._held = FeatureStore(self._cache_folder())

    def embed(self, images: Tensor, *, is_resized: bool = False) -> Tensor:
        """Embed a batch of images; see `Encoder.embed`."""
        options: Any = {"is_resized": is_resized, "precision": self.precision}
        return self.build_encoder().embed(images, **options)

    def build_encoder(self) -> Encoder:
        """Build ``encoder_``, unless it is there; return it on the device."""
        self._validate_params()
        device = resolve_device(self.device)
        if not self._has_encoder():
            told = self._left_out
            self.encoder_ = (
                load_encoder(self.model, self.pretrained)
                if told is None
                else find_encoder(self.model, self.pretrained, told)
            )
            self._built_from = (self.model, self.pretrained)
        return self.encoder_.to(device)

    def get_state(
        self, *, leave_out: bool = False
    ) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Return the encoder as values for JSON and tensors, to save without pickle.

        Weights that are left out have a fingerprint, by which they are known again.
        """
        if leave_out and self._left_out is not None:
            return self._left_out, {}
        encoder = self.build_encoder()
        told = {
            "architecture": encoder.architecture,
            "preprocessing": asdict(encoder.preprocessing),
            "fingerprint": encoder.fingerprint,
        }
        weights = encoder.state_dict()
        if leave_out:
            return {**told, "weights": fingerprint_weights(weights)}, {}
        return told, weights

    def set_state(self, told: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Self:
        """Take an encoder that `get_state` returned, or raise an error."""
        if "weights" in told:  # left out: found when it is needed
            check_description(told)
            self._left_out = dict(told)
            return self
        encoder = rebuild_encoder(told)  # nothing is downloaded
        load_weights(encoder, tensors, model=self.model, path="the saved model")
        self.encoder_, self._built_from = encoder, (self.model, self.pretrained)
        return self

    def use_paths_of(self, other: "CLIPFeatures") -> None:
        """Take over the cache, and where weights are that were left out."""
        if other.cache_dir is not None:
            self.cache_dir = other.cache_dir
        if self._left_out is not None and other.model == self.model:
            self.pretrained = other.pretrained

    def __getstate__(self) -> dict[str, Any]:
        """Pickle the encoder on the CPU, so that machines without a GPU can load it."""
        state = super().__getstate__()
        if "encoder_" not in state:
            return state
        return {**state, "encoder_": deepcopy(self.encoder_).cpu()}

    def __sklearn_tags__(self) -> Tags:
        """Tell that nothing is learned and what input is accepted, beyond rows."""
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.three_d_array = True
        tags.input_tags.string = True
        # Features are float32, whatever the pixels are.
        tags.transformer_tags.preserves_dtype = []
        return tags

    @property
    def _n_features_out(self) -> int:
        """Length of an embedding."""
        return self.build_encoder().feature_dim

    def _open(self, X: Any, *, is_fit: bool) -> ImageSource:
        """Open X on its own, but for a range that fit learned."""
        self._validate_params()
        if is_table(X) and (is_fit or hasattr(self, "n_features_in_")):
            X = validate_data(self, X, reset=is_fit, ensure_all_finite=False)
        elif is_table(X):
            X = check_array(X, ensure_all_finite=False)
        elif is_fit:
            # Pixels are no columns: get_feature_names_out is not to count them.
            for learned in ("n_features_in_", "feature_names_in_"):
                self.__dict__.pop(learned, None)
        fitted = None if is_fit else getattr(self, "image_format_", None)
        if fitted and not (fitted.pixel_rule == "data" or fitted.deep_range):
            fitted = None
        source = open_images(X, reading=self._group("reading"), format=fitted)
        if is_fit:
            self.image_format_ = source.format
        return source

    def _has_encoder(self) -> bool:
        """Whether the encoder was built, and from the present parameters."""
        return getattr(self, "_built_from", None) == (self.model, self.pretrained)

    def _cache_folder(self) -> Path | None:
        """Return where features of this encoder in this precision are kept, if any."""
        if self.cache_dir is None:
            return None
        if self._has_encoder():
            fingerprint = self.encoder_.fingerprint
        elif self._left_out is not None:
            fingerprint = self._left_out["fingerprint"]
        else:
            fingerprint = fingerprint_encoder(self.model, self.pretrained)
        # Whether "auto" takes bfloat16 depends on the device too.
        dtype = resolve_autocast(self.precision, resolve_device(self.device))
        kind = "" if dtype is None else f"-{str(dtype).removeprefix('torch.')}"
        name = f"{fingerprint}-{self.precision}{kind}"
        return Path(self.cache_dir).expanduser() / name
