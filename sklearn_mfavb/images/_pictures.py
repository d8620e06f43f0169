"""The source of images that are opened one by one and may have different sizes."""

import hashlib
import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import cached_property, partial
from multiprocessing.pool import ThreadPool
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import Subset

from sklearn_mfavb.folders import readable_formats
from sklearn_mfavb.images._arrays import Layout, find_channel_axis
from sklearn_mfavb.images._decode import decode, is_deep, is_grayscale, upright_size
from sklearn_mfavb.images._format import (
    BYTE_RANGE,
    UNIT_RANGE,
    ImageFormat,
    Range,
    Reading,
    Size,
    join_ranges,
    learn_rule,
    measure_range,
)
from sklearn_mfavb.images._items import explain, find_image, open_file
from sklearn_mfavb.images._source import Batches, ImageSource, Target

BYTE = np.dtype(np.uint8)

# Pillow releases the interpreter while it decodes; beyond this, disks are the limit.
MOST_THREADS = 8

# Bits of the sensors whose values are stored in 16 bits.
FULL_SCALES = [2**bits - 1 for bits in (8, 10, 12, 14, 16)]

# Enough items to learn the kind and the usual size of a dataset's images.
N_PROBES = 32


@dataclass(frozen=True)
class Header:
    """What is known of an image before it is read."""

    size: Size
    n_channels: int
    dtype: np.dtype
    limits: Range
    is_pil: bool


class PictureSource(ImageSource):
    """Images that are opened one by one: files by their paths, or items.

    Items that are not constant come out changed every time, as those of data sets may.
    """

    def __init__(
        self,
        items: Any,
        reading: Reading,
        format: ImageFormat | None,
        *,
        are_paths: bool = False,
        is_constant: bool = True,
    ) -> None:
        super().__init__(len(items), items if are_paths else None)
        readable_formats()  # registers what Pillow can read
        self._items = items
        self.is_constant = is_constant
        self._reading = reading
        self._learned = format
        rule = learn_rule(reading.pixel_range, BYTE, lambda: UNIT_RANGE)
        self.format = format or ImageFormat((), None, *rule, reading.resize)
        headers = self._scan()
        if format is None:
            self._raise_if_none()
            self.format = learn_format(headers, reading)
        if self.n_channels not in (1, 3) and any(each.is_pil for each in headers):
            raise ValueError(
                "Files and PIL images are grayscale (1 channel) or RGB (3), but the "
                f"images given to fit have {self.n_channels} channels: pass arrays."
            )
        if deep := [each for each in headers if each.is_pil and each.dtype != BYTE]:
            deep_range = learn_deep_range(deep, reading)
            self.format = replace(self.format, deep_range=deep_range)
        self.image_size = median_size(headers) if headers else self.format.image_size
        self._learned = self.format
        keeps_bytes = self.format.pixels.keeps_bytes
        are_bytes = all(each.is_pil or keeps_bytes(each.dtype) for each in headers)
        self._dtype = torch.uint8 if are_bytes else torch.float32

    def _take(self, indices: np.ndarray) -> None:
        """Keep some of the images only."""
        is_list = isinstance(self._items, list)
        subset = Subset(self._items, indices.tolist())
        self._items = [self._items[i] for i in indices] if is_list else subset

    @cached_property
    def fingerprint(self) -> str | None:
        """Hash of path, size and times of change of every file; None for items."""
        if self.paths is None:
            return None
        with ThreadPool(MOST_THREADS) as threads:
            versions = "\0".join(threads.map(describe_version, self.paths))
        text = versions.encode(errors="surrogateescape")
        return hashlib.blake2b(text, digest_size=16).hexdigest()

    def _scan(self) -> list[Header]:
        """Return headers: of a data set those of some items, or of all if need be."""
        indices = np.arange(len(self))
        step = 1 if self.is_constant else max(1, len(self) // N_PROBES)
        headers = self._map(self._read_header, indices[::step])
        learns_range = self._learned is None and self._reading.pixel_range == "data"
        # One color image settles that the images are RGB, but only all can be gray.
        if learns_range or all(h.is_pil and h.n_channels == 1 for h in headers if h):
            rest = np.delete(indices, indices[::step])
            headers += self._map(self._read_header, rest)
        return list(filter(None, headers))

    def _read_header(self, index: int) -> Header:
        """Return the header of an image; the values of an array are checked."""
        learns_deep = not self.format.deep_range and self.format.pixel_rule != "fixed"
        with self._open(index) as image:
            if not isinstance(image, Image.Image):
                planes, limits = self._as_planes(image)
                return Header(planes.shape[1:], len(planes), image.dtype, limits, False)
            dtype, limits = BYTE, BYTE_RANGE
            if is_deep(image) and learns_deep:  # which no header tells
                values = np.asarray(image)
                dtype, limits = values.dtype, measure_range([values])
                if limits[0] < 0 and self._reading.pixel_range != "data":
                    raise ValueError(
                        f"its values are {limits[0]:g} to {limits[1]:g}, but black is "
                        "0: pass pixel_range=(low, high), or 'data' for the observed "
                        "range"
                    )
            n_channels = 1 if is_grayscale(image) else 3
            return Header(upright_size(image), n_channels, dtype, limits, True)

    def _load(self, indices: np.ndarray, targets: set[Target]) -> Batches:
        """Load each image once and return the batch for each target."""
        side = max(max(size) for size, _ in targets)

        def load(index: int) -> Batches:
            pixels = self._load_pixels(index, side)[None]
            return {(size, resize): resize(pixels, size)[0] for size, resize in targets}

        images = self._map(load, indices)
        batches = {}
        for target in targets:
            nothing = torch.zeros((self.n_channels, *target[0]), dtype=self._dtype)
            batch = [image[target] if image else nothing for image in images]
            batches[target] = torch.stack(batch) if batch else nothing[None][:0]
        return batches

    def _load_pixels(self, index: int, side: int) -> torch.Tensor:
        """Return an image as (n_channels, any height, any width)."""
        with self._open(index, side) as image:
            if isinstance(image, Image.Image):
                pixels = decode(image, self.n_channels, self.format.deep_pixels)
            else:
                planes, _ = self._as_planes(image)
                pixels = self.format.pixels.scale(planes)
        if pixels.dtype == self._dtype:
            return pixels
        if self._dtype == torch.uint8:
            return pixels.mul(255).round().clamp(0, 255).byte()
        return pixels.float() / 255

    def _as_planes(self, image: np.ndarray) -> tuple[np.ndarray, Range]:
        """View an array as (n_channels, height, width); check and return its range."""
        axis = find_channel_axis(image.shape, self._reading, self._learned)
        limits = self.format.pixels.check(image.dtype, lambda: measure_range([image]))
        return Layout(image.shape, axis).view(image[None])[0], limits

    def _open(
        self, index: int, side: int | None = None
    ) -> AbstractContextManager[Image.Image | np.ndarray]:
        """Open an image, whose sides may be scaled down to twice `side`."""
        item = self._items[index]
        if self.paths is None:
            return nullcontext(find_image(item))
        return open_file(item, side)

    def _map(self, function: Callable[[int], Any], indices: np.ndarray) -> list[Any]:
        """Call a function with indices; it gives None for those it cannot read."""
        read = partial(self._try, function)
        if self.paths is None:
            return list(map(read, indices.tolist()))
        # torch's own number, which engines lower where several workers share a machine.
        with ThreadPool(min(MOST_THREADS, torch.get_num_threads())) as threads:
            return list(threads.imap(read, indices.tolist()))

    def _try(self, function: Callable[[int], Any], index: int) -> Any:
        """Call a function with an index; an error names the image, or is noted."""
        if index in self.unreadable:
            return None
        try:
            return function(index)
        # Pillow's readers and users' datasets raise errors of any kind.
        except Exception as error:
            reason = explain(error, self._name(index))
            if self._reading.on_error == "skip":
                self.unreadable[index] = reason
                return None
            is_telling = isinstance(error, (FileNotFoundError, TypeError))
            kind = type(error) if is_telling else ValueError
            raise kind(
                f"Cannot read {self._name(index)}: {reason}. Remove it, or pass "
                "reading=Reading(on_error='skip')."
            ) from error


def describe_version(path: str) -> str:
    """Return what tells a file from every other, and from what it was before."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):  # no such file, or no possible name of one
        return f"{path}\n"
    # Unpacked from an archive, another file may have the same mtime, but not the ctime.
    numbers = (found.st_size, found.st_mtime_ns, found.st_ctime_ns)
    return f"{os.path.abspath(path)}\n{numbers}"


def learn_format(headers: list[Header], reading: Reading) -> ImageFormat:
    """Return the format of the images passed to fit."""
    arrays = [header for header in headers if not header.is_pil]
    counts = {header.n_channels for header in arrays or headers}
    if arrays and len(counts) > 1:
        raise ValueError(
            f"Images have different numbers of channels: {sorted(counts)} were seen, "
            "but all must have the same."
        )
    n_channels = max(counts)
    given = reading.pixel_range
    if given == "data" and not arrays:
        given = "auto"  # it is for files with more than 8 bits
    dtype = arrays[0].dtype if arrays else BYTE
    measure = partial(join_ranges, [header.limits for header in arrays])
    rule = learn_rule(given, dtype, measure)
    size = median_size(headers)
    is_gray = n_channels == 1
    layout = Layout(size, None) if is_gray else Layout((*size, n_channels), -1)
    return ImageFormat(*layout, *rule, reading.resize)


def learn_deep_range(headers: list[Header], reading: Reading) -> Range:
    """Return one range for all images with more than 8 bits."""
    low, high = join_ranges(header.limits for header in headers)
    if reading.pixel_range == "data":
        return low, high
    are_floats = any(header.dtype.kind == "f" for header in headers)
    scales = [1] if are_floats else FULL_SCALES
    return 0.0, float(next((white for white in scales if high <= white), high))


def median_size(headers: list[Header]) -> Size:
    """Return the median height and the median width."""
    height, width = np.median([header.size for header in headers], axis=0)
    return int(height), int(width)
