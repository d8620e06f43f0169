"""Sources whose images are opened one by one and may have different sizes."""

from abc import abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError

from sklearn_mfavb.images._decode import decode, is_deep, is_grayscale, upright_size
from sklearn_mfavb.images._folders import HEIF_ADVICE, HEIF_EXTENSIONS
from sklearn_mfavb.images._format import ImageFormat, PixelRule, Range, Reading, Size
from sklearn_mfavb.images._source import ImageSource, Target
from sklearn_mfavb.images._values import (
    BYTE_RANGE,
    UNIT_RANGE,
    check_pixels,
    full_scale,
    is_eight_bit,
    join_ranges,
    learn_range,
    measure_range,
    natural_range,
    range_of,
    scale,
)

Result = TypeVar("Result")
Opened = AbstractContextManager[Image.Image | np.ndarray]

BYTE = np.dtype(np.uint8)


@dataclass(frozen=True)
class Header:
    """What is known of an image before its pixels are decoded."""

    size: Size
    n_channels: int
    dtype: np.dtype
    limits: Range
    is_pil: bool
    is_deep: bool = False


def learn_format(headers: list[Header], reading: Reading) -> ImageFormat:
    """Return the format of the images passed to fit."""
    size = median_size(headers)
    counts = {header.n_channels for header in headers if not header.is_pil}
    if len(counts) > 1:
        raise ValueError(
            f"Images have different numbers of channels: {sorted(counts)} were seen, "
            "but all must have the same."
        )
    n_channels = max(counts or {header.n_channels for header in headers})
    ranges = [header.limits for header in headers if not header.is_pil]
    pixel_range, rule = learn_range(
        reading.pixel_range,
        np.result_type(*(header.dtype for header in headers)),
        lambda: join_ranges(ranges) if ranges else BYTE_RANGE,
    )
    if rule == "data" and not ranges:
        rule = "auto"
    axis = None if n_channels == 1 else reading.channel_axis
    shape = (n_channels, *size) if axis == 1 else (*size, n_channels)
    return ImageFormat(
        size if n_channels == 1 else shape, axis, pixel_range, rule, reading.resize
    )


def median_size(headers: list[Header]) -> Size:
    """Return the median height and the median width."""
    height, width = np.median([header.size for header in headers], axis=0)
    return int(height), int(width)


class PictureSource(ImageSource):
    """Images that are opened one by one; a child class says how."""

    def __init__(
        self,
        n_images: int,
        *,
        reading: Reading,
        format: ImageFormat | None,
        paths: list[str] | None = None,
    ) -> None:
        self._n_images = n_images
        self._reading = reading
        self._fitted = format
        self.paths = paths
        self.unreadable: dict[int, str] = {}
        headers, unreadable = self._scan(), self.unreadable
        if format is None:
            self._raise_if_none()
            format = learn_format(list(headers.values()), reading)
        found = list(headers.values())
        if format.n_channels not in (1, 3) and any(header.is_pil for header in found):
            raise ValueError(
                "Files and PIL images are grayscale (1 channel) or RGB (3), but the "
                f"images given to fit have {format.n_channels} channels: pass arrays."
            )
        are_bytes = all(
            header.is_pil or is_eight_bit(header.dtype, range_of(header.dtype, format))
            for header in found
        )
        super().__init__(
            n_images,
            format=format,
            image_size=median_size(found) if found else format.image_size,
            dtype=torch.uint8 if are_bytes else torch.float32,
            paths=paths,
        )
        self.unreadable = unreadable
        self._may_be_deep: list[int] = []
        if any(header.is_deep for header in found):
            shallow = [index for index, header in headers.items() if not header.is_deep]
            self._may_be_deep = sorted(set(range(n_images)).difference(shallow))

    @abstractmethod
    def _open(self, index: int, side: int | None = None) -> Opened:
        """Open an image: as PIL has it, or as an array of (n_channels, height, width).

        It may be scaled down as long as both sides are at least twice `side`.
        """

    def complete_format(self) -> ImageFormat:
        """Return the format, with one range of all images with more than 8 bits."""
        if self.format.deep_range is not None or not self._may_be_deep:
            return self.format
        deep_range = self.format.pixel_range
        if self.format.pixel_rule != "fixed":
            measure = partial(self._try, self._measure_deep)
            measured = list(filter(None, self._map(measure, self._may_be_deep)))
            deep_range = full_scale(
                [limits for limits, _ in measured],
                are_integers=all(is_integer for _, is_integer in measured),
                is_observed=self._reading.pixel_range == "data",
            )
        self.format = replace(self.format, deep_range=deep_range)
        return self.format

    def verify(self, size: Size) -> None:
        """Read what has not been read yet, so that broken images show now."""
        super().verify(size)
        self._raise_if_none()

    def _scan(self) -> dict[int, Header]:
        """Return the headers of all images."""
        return self._read_headers(list(range(len(self))))

    def _map(self, function: Callable[[int], Result], indices: list[int]) -> list[Any]:
        """Apply a function to indices."""
        return [function(index) for index in indices]

    def _read_headers(self, indices: list[int]) -> dict[int, Header]:
        """Return the headers of the images that can be opened."""
        # By one thread: headers take Python's time, 0.3 s of 4,000 files for 0.9.
        found = ((index, self._try(self._read_header, index)) for index in indices)
        return {index: header for index, header in found if header is not None}

    def _read_header(self, index: int) -> Header:
        """Return the header of an image; the values of an array are checked."""
        with self._open(index) as image:
            if isinstance(image, Image.Image):
                n_channels = 1 if is_grayscale(image) else 3
                size, deep = upright_size(image), is_deep(image)
                return Header(size, n_channels, BYTE, BYTE_RANGE, True, deep)
            limits = self._check_values(image)
            return Header(image.shape[1:], len(image), image.dtype, limits, False)

    def _check_values(self, image: np.ndarray) -> Range:
        """Return the range of an array; raise if its values cannot be pixels."""
        dtype = image.dtype
        if self._fitted is None:
            pixel_range, rule = learn_range(
                self._reading.pixel_range, dtype, lambda: natural_range(dtype)
            )
        else:
            pixel_range, rule = range_of(dtype, self._fitted), self._fitted.pixel_rule
        return check_pixels([image], dtype, rule=rule, pixel_range=pixel_range)

    def _load(self, indices: np.ndarray, targets: list[Target]) -> list[torch.Tensor]:
        """Load each image once and return the batch for each target."""
        self.complete_format()
        shapes = [(self.n_channels, *size) for size, _ in targets]
        zeros = [torch.zeros(shape, dtype=self._dtype) for shape in shapes]
        side = max(max(size) for size, _ in targets)

        def load(index: int) -> list[torch.Tensor]:
            if index in self.unreadable:
                return zeros
            pixels = self._load_pixels(index, side)[None]
            return [resize(pixels, size)[0] for size, resize in targets]

        images = self._map(lambda i: self._try(load, i) or zeros, indices.tolist())
        if not images:
            return [image[None][:0] for image in zeros]
        return [torch.stack(batch) for batch in zip(*images, strict=True)]

    def _load_pixels(self, index: int, side: int) -> torch.Tensor:
        """Return an image as (n_channels, any height, any width)."""
        with self._open(index, side) as image:
            if isinstance(image, Image.Image):
                pixels = decode(image, self.n_channels, self._deep_to_bytes)
                return _convert(torch.from_numpy(pixels), self._dtype)
            if len(image) != self.n_channels:
                raise ValueError(f"it has {len(image)} channels, not {self.n_channels}")
            self._check_values(image)
            scaled = scale(image, range_of(image.dtype, self.format))
            return _convert(scaled, self._dtype)

    def _measure_deep(self, index: int) -> tuple[Range, bool] | tuple[()]:
        """Return the range of a deep image and whether it has integers."""
        with self._open(index) as image:
            if not isinstance(image, Image.Image) or not is_deep(image):
                return ()
            limits = measure_range([np.asarray(image)])
            if limits[0] < 0 and self._reading.pixel_range == "auto":
                raise ValueError(
                    f"its values are {limits[0]:g} to {limits[1]:g}, but black is 0: "
                    "pass pixel_range=(low, high), or 'data' for the observed range"
                )
            return limits, image.mode != "F"

    def _deep_to_bytes(self, values: np.ndarray) -> np.ndarray:
        """Convert the values of a deep image to bytes."""
        low, high = pixel_range = self.format.deep_range or UNIT_RANGE
        rule: PixelRule = "fixed" if self.format.pixel_rule == "fixed" else "data"
        check_pixels([values], values.dtype, rule=rule, pixel_range=pixel_range)
        unit = (values.astype(np.float64) - low) / (high - low or 1.0)
        # Brighter than any image in fit is white: a sensor would be saturated.
        return np.rint(unit.clip(0, 1) * 255).astype(np.uint8)

    def _try(self, function: Callable[[int], Result], index: int) -> Result | None:
        """Call a function with an index; an error names the image, or is noted."""
        try:
            return function(index)
        # Pillow's readers and users' datasets raise errors of any kind.
        except Exception as error:
            reason = _reason(error, self._name(index))
            if self._reading.on_error == "skip":
                self.unreadable[index] = reason
                return None
            is_telling = isinstance(error, (FileNotFoundError, TypeError))
            kind = type(error) if is_telling else ValueError
            raise kind(
                f"Cannot read {self._name(index)}: {reason}. Remove it, or pass "
                "on_error='skip'."
            ) from error

    def _name(self, index: int) -> str:
        """Return what an image is called in an error."""
        name = "" if self.paths is None else f" ({self.paths[index]})"
        return f"image {index}{name}"

    def _raise_if_none(self) -> None:
        """Raise if not one image can be read."""
        if len(self.unreadable) == len(self):
            index, reason = next(iter(self.unreadable.items()))
            raise ValueError(
                f"None of the {len(self)} images can be read; {self._name(index)}: "
                f"{reason}."
            )


def _reason(error: Exception, name: str) -> str:
    """Return why an image cannot be read, and what would help."""
    reason = f"{type(error).__name__}: {error}".rstrip(".")
    if isinstance(error, Image.DecompressionBombError):
        return f"{reason}. If it is yours, raise PIL.Image.MAX_IMAGE_PIXELS"
    is_heif = name.lower().rstrip(")").endswith(tuple(HEIF_EXTENSIONS))
    is_unknown = isinstance(error, UnidentifiedImageError)
    return f"{reason}; {HEIF_ADVICE}" if is_heif and is_unknown else reason


def _convert(pixels: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Convert between bytes and floats in [0, 1]."""
    if pixels.dtype == dtype:
        return pixels
    to_bytes = dtype == torch.uint8
    scaled = (pixels * 255).round().clamp(0, 255) if to_bytes else pixels.float() / 255
    return scaled.to(dtype)
