"""Features of a pretrained image encoder, as a scikit-learn transformer."""

import os
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    _fit_context,
)
from sklearn.utils import Tags
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_array, validate_data

from sklearn_mfavb.features._arithmetic import Precision
from sklearn_mfavb.features._cache import FeatureStore
from sklearn_mfavb.features._encoder import Encoder
from sklearn_mfavb.features._extraction import extract_features
from sklearn_mfavb.features._lazy import LazyEncoder, open_store
from sklearn_mfavb.features._loading import Pretrained, load_encoder
from sklearn_mfavb.images import ImageFormat, ImageSource, check_images, is_table
from sklearn_mfavb.training import resolve_device


class CLIPFeatures(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Embed images with a pretrained encoder: CLIP, or any of open_clip and timm.

    The features of CLIP [1]_ separate kinds of things so well that k-means on them is
    hard to beat where pictures resemble those of the web. Nothing is learned, and
    `transform` works without `fit`; only with ``pixel_range="data"``, and for rows of
    numbers that are no pictures, `fit` learns the range of the values. The encoder is
    built on first use, when the weights of a tag are downloaded unless they were
    before; it stays in memory until another encoder is used.

    Parameters
    ----------
    model : str, default="ViT-B-32"
        Name of a model of open_clip (see ``open_clip.list_models()``), else of timm
        (``timm.list_models()``).
    pretrained : str, path-like, True or None, default="openai"
        Which weights. The path of an existing file: safetensors, or a dict of tensors
        that ``torch.save`` wrote; of the whole model or of its image tower (names bare
        or under "visual."). Code in a file is never run. Else a tag: see
        ``open_clip.list_pretrained_tags_by_model(model)``, for timm what follows the
        dot in the names of ``timm.list_pretrained()``. True and None stand for the
        weights that timm prefers; models of open_clip need a tag or a file. Files
        with OpenAI's weights need the model whose name ends in "-quickgelu".
    image_shape : tuple of int, default=None
        Shape of one image if X has rows: (height, width), (height, width, n_channels)
        or (n_channels, height, width). One length may be -1. None means a square grey
        image, else a square RGB one.
    channel_axis : {1, -1}, default=None
        Axis of the channels in a batch of images. None finds it if only one fits.
    pixel_range : {"auto", "data"} or tuple of float, default="auto"
        The values (low, high) of black and white in arrays. "auto" takes uint8 as 0 to
        255, bool and floats as 0 to 1; "data" learns them in `fit`.
    on_error : {"raise", "skip"}, default="raise"
        What an image that cannot be read means: an error, or a row of NaN.
    batch_size : int, default=64
        Number of images embedded at once. It changes speed and memory, not features.
    cache_dir : str or path-like, default=None
        Folder in which features are kept, by the content of the image (of the file, or
        the pixels of an array), the weights and the preprocessing. A second run finds
        them, an interrupted one resumes, and processes may share the folder. It may be
        deleted at any time. None keeps nothing.
    device : str or torch.device, default="auto"
        Where the encoder runs; "auto" takes a CUDA device if there is one.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        Type of the matrix products; "auto" takes bfloat16 for encoders of more than ten
        million weights on devices that are fast with it: CUDA devices, and CPUs with
        instructions for it. Features are float32.
    verbose : int, default=0
        Whether to show a progress bar.

    Attributes
    ----------
    n_features_in_ : int
        Numbers in an image of the X given to `fit`.
    feature_names_in_ : ndarray of str
        Names of the columns of that X, if it was a dataframe.
    image_format_ : ImageFormat
        How that X was read.

    See Also
    --------
    sklearn.cluster.KMeans : What to put behind it first.
    sklearn.preprocessing.Normalizer : Makes Euclidean distances those of the cosine.

    Notes
    -----
    Images are resized and cropped as the encoder was trained to see them, but not
    rounded to bytes in between, as Pillow does; grey images become RGB. On 200 photos
    of 32 pixels, a ViT-B/16 sees the rounding (mean cosine 0.98 between features with
    and without it) much more than bfloat16 products (0.9997; the smallest is 0.994).

    References
    ----------
    .. [1] A. Radford et al., "Learning Transferable Visual Models From Natural Language
       Supervision", 2021, arXiv:2103.00020.

    Examples
    --------
    >>> from sklearn.cluster import KMeans
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn_mfavb.features import CLIPFeatures
    >>> clustering = make_pipeline(CLIPFeatures("ViT-B-32", "openai"), KMeans(10))
    >>> clustering.fit_predict("photos/")  # doctest: +SKIP
    """

    image_format_: ImageFormat

    _parameter_constraints: ClassVar[dict] = {
        "model": [str],
        "pretrained": [str, os.PathLike, bool, None],
        "image_shape": [tuple, list, None],
        "channel_axis": [Integral, None],
        "pixel_range": [StrOptions({"auto", "data"}), tuple, list],
        "on_error": [StrOptions({"raise", "skip"})],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "cache_dir": [str, os.PathLike, None],
        "device": [str, torch.device],
        "precision": [StrOptions({"auto", "float32", "bfloat16"})],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        model: str = "ViT-B-32",
        pretrained: Pretrained = "openai",
        *,
        image_shape: tuple[int, ...] | None = None,
        channel_axis: int | None = None,
        pixel_range: Any = "auto",
        on_error: str = "raise",
        batch_size: int = 64,
        cache_dir: str | os.PathLike[str] | None = None,
        device: str | torch.device = "auto",
        precision: Precision = "auto",
        verbose: int = 0,
    ) -> None:
        self.model = model
        self.pretrained = pretrained
        self.image_shape = image_shape
        self.channel_axis = channel_axis
        self.pixel_range = pixel_range
        self.on_error = on_error
        self.batch_size = batch_size
        self.cache_dir = cache_dir
        self.device = device
        self.precision = precision
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None) -> Self:
        """Check images; nothing is computed.

        Parameters
        ----------
        X : array-like, path or sequence
            Images: an array, a folder, or a sequence of paths, PIL images or arrays.
        y : Ignored
            Not used; present for consistency with scikit-learn.

        Returns
        -------
        self : object
            The transformer.

        Raises
        ------
        ValueError
            If X holds no images, or images that are neither grey nor RGB.
        """
        self._read_first(X)
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def fit_transform(self, X: Any, y: Any = None) -> NDArray[np.float32]:
        """Check images and embed them, looking at files once.

        Parameters
        ----------
        X : array-like, path or sequence
            Images, in any of the forms that `fit` accepts.
        y : Ignored
            Not used; present for consistency with scikit-learn.

        Returns
        -------
        features : ndarray of float32 of shape (n_samples, feature_dim)
            As `transform` returns them.
        """
        return self.extract(self._read_first(X))

    def transform(self, X: Any) -> NDArray[np.float32]:
        """Embed images.

        Parameters
        ----------
        X : array-like, path or sequence
            Images, in any of the forms that `fit` accepts, of any size.

        Returns
        -------
        features : ndarray of float32 of shape (n_samples, feature_dim)
            Not normalised; rows of skipped images are NaN.

        Raises
        ------
        ValueError, FileNotFoundError
            If images cannot be read, or the model, the tag or the file of weights is
            not there or does not fit.
        RuntimeError
            If the weights of a tag cannot be downloaded.
        """
        self._validate_params()
        return self.extract(self._read_again(X))

    @property
    def _n_features_out(self) -> int:
        """Length of an embedding."""
        return self._open()[0].feature_dim

    def __sklearn_tags__(self) -> Tags:
        """Say that nothing is learned and what input is accepted, beyond rows."""
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.three_d_array = True
        tags.input_tags.string = True
        # Features are float32, whatever the pixels are.
        tags.transformer_tags.preserves_dtype = []
        return tags

    def _read_first(self, X: Any) -> ImageSource:
        """Read X on its own, and remember how that was done."""
        if is_table(X):
            X = validate_data(self, X, ensure_all_finite=False)
        source = self._check_images(X)
        self.n_features_in_ = source.format.n_features
        self.image_format_ = source.format
        return source

    def _read_again(self, X: Any) -> ImageSource:
        """Read X on its own, but for a range that was learned."""
        fitted = getattr(self, "image_format_", None)
        if is_table(X) and fitted is None:
            X = check_array(X, ensure_all_finite=False)
        elif is_table(X):
            X = validate_data(self, X, reset=False, ensure_all_finite=False)
        is_learned = fitted is not None and fitted.accepts_any_value
        return self._check_images(X, format=fitted if is_learned else None)

    def _check_images(self, X: Any, format: ImageFormat | None = None) -> ImageSource:
        """Make a source of X; raise for channels that the encoder cannot see."""
        source = check_images(
            X,
            image_shape=self.image_shape,
            channel_axis=self.channel_axis,
            pixel_range=self.pixel_range,
            on_error=self.on_error,
            format=format,
        )
        _check_channels(source)
        return source

    def _open(
        self, encoder: Encoder | None = None
    ) -> tuple[LazyEncoder, FeatureStore | None]:
        """Return the encoder and what is stored of its features."""
        device = resolve_device(self.device) if encoder is None else encoder.device
        store = None
        if self.cache_dir is not None:
            store = open_store(
                self.cache_dir,
                self.model,
                self.pretrained,
                precision=self.precision,
                device=device,
                encoder=encoder,
            )
        lazy = LazyEncoder(self.model, self.pretrained, device=device, store=store)
        return lazy, store

    def build_encoder(self) -> Encoder:
        """Build the encoder itself, for an estimator that keeps it.

        Returns
        -------
        Encoder
            With its weights, on the device.
        """
        self._validate_params()
        device = resolve_device(self.device)
        return load_encoder(self.model, self.pretrained).to(device)

    def extract(
        self, source: ImageSource, encoder: Encoder | None = None
    ) -> NDArray[np.float32]:
        """Embed the images of a source that was read elsewhere.

        Parameters
        ----------
        source : ImageSource
            Grey or RGB images.
        encoder : Encoder, default=None
            What `build_encoder` gave, once. None builds it if a feature is missing.

        Returns
        -------
        features : ndarray of float32 of shape (n_samples, feature_dim)
            As `transform` returns them.
        """
        _check_channels(source)
        lazy, store = self._open(encoder)
        return extract_features(
            source,
            lazy if encoder is None else encoder,
            batch_size=self.batch_size,
            precision=self.precision,
            store=store,
            progress=bool(self.verbose),
        )


def _check_channels(source: ImageSource) -> None:
    """Raise for channels that no encoder can see."""
    if source.n_channels not in (1, 3):
        raise ValueError(
            f"The images have {source.n_channels} channels, but encoders see grey "
            "(1) or RGB (3): pass three of them, such as X[..., :3]."
        )
