"""Pictures in files."""

import os
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from PIL import Image

from sklearn_mfavb.images._decode import Header, decode_file, read_header
from sklearn_mfavb.images._format import ImageFormat, Size
from sklearn_mfavb.images._options import ReadingOptions
from sklearn_mfavb.images._pictures import PictureSource, Unreadable, median_size
from sklearn_mfavb.images._pixels import BYTE_RANGE
from sklearn_mfavb.images._source import Fit

# Pillow releases the interpreter while it decodes; beyond this, disks are the limit.
N_THREADS = min(8, os.cpu_count() or 1)

# Formats that Pillow recognises but needs other software to decode.
IDENTIFIED_ONLY = frozenset({"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"})


def list_images(folder: str | os.PathLike[str]) -> list[str]:
    """List the image files below a folder.

    Parameters
    ----------
    folder : str or path-like
        Searched with all its subfolders.

    Returns
    -------
    paths : list of str
        Sorted paths of all files with an extension that Pillow can read. Hidden files
        and folders (leading dot) are left out.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    ValueError
        If `folder` is a file, or no image is below it.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from PIL import Image
    >>> from sklearn_mfavb.images import list_images
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Image.new("L", (4, 4)).save(Path(folder, "dot.png"))
    ...     [Path(path).name for path in list_images(folder)]
    ['dot.png']
    """
    root = Path(folder)
    if root.is_file():
        raise ValueError(
            f"X is the path of one file, {str(root)!r}: pass [path] for one image, or "
            "the path of a folder."
        )
    if not os.path.isdir(folder):  # to Path, an empty name is the working folder
        raise FileNotFoundError(f"There is no folder {os.fspath(folder)!r}.")
    extensions = _readable_extensions()
    paths = [
        os.path.join(parent, name)
        for parent, names in _walk_visible(root)
        for name in names
        if os.path.splitext(name)[1].lower() in extensions
    ]
    if not paths:
        raise ValueError(
            f"No image files are below the folder {str(root)!r}: files with the "
            "extensions known to Pillow (.png, .jpg, .webp, ...) are read."
        )
    return sorted(paths)


class FileSource(PictureSource):
    """Read image files, several at a time."""

    def __init__(self, paths: list[str], *, options: ReadingOptions) -> None:
        errors = Unreadable(options.on_error, names=paths)
        headers = _scan(paths, errors)
        if options.format is None:
            errors.raise_if_all(len(paths))
        fitted = _picture_format(headers, options.format)
        super().__init__(
            n_images=len(paths),
            format=fitted,
            image_size=_native_size(headers, fitted),
            errors=errors,
            paths=paths,
        )

    def load(self, index: int, size: Size) -> torch.Tensor:
        """Decode one file."""
        assert self.paths is not None
        path = self.paths[index]
        return torch.from_numpy(decode_file(path, size, n_channels=self.n_channels))

    def load_each(self, indices: list[int], size: Size, fit: Fit) -> list[torch.Tensor]:
        """Return the images, decoded by several threads."""
        with ThreadPoolExecutor(N_THREADS) as threads:
            return list(
                threads.map(lambda i: self.load_or_report(i, size, fit), indices)
            )


def check_picture_channels(fitted: ImageFormat) -> None:
    """Raise if pictures cannot be converted to the channels given to fit."""
    if fitted.n_channels not in (1, 3):
        raise ValueError(
            "Pictures can be read as grey (1 channel) or RGB (3), but the images given "
            f"to fit have {fitted.n_channels} channels: pass arrays."
        )


def _scan(paths: list[str], errors: Unreadable) -> list[Header]:
    """Return the headers of all readable files; no pixel is decoded."""
    headers = []
    with warnings.catch_warnings():
        # Pillow warns of suspiciously large pictures: they count as unreadable.
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        for index, path in enumerate(paths):
            try:
                _check_is_file(path)
                with Image.open(path) as image:
                    headers.append(read_header(image))
            # Pillow's readers raise errors of any kind for a broken file.
            except Exception as error:
                errors.report(index, error)
    return headers


def _check_is_file(path: str) -> None:
    """Raise for a pipe or a device: who opens one may wait for ever."""
    if os.path.exists(path) and not os.path.isfile(path):
        raise ValueError("it is no regular file")


def _picture_format(headers: list[Header], fitted: ImageFormat | None) -> ImageFormat:
    """Return the fitted format; else grey if all pictures are, RGB otherwise."""
    if fitted is not None:
        check_picture_channels(fitted)
        return fitted
    size = median_size([header.size for header in headers])
    is_grey = all(header.is_grey for header in headers)
    return ImageFormat(size if is_grey else (*size, 3), None, BYTE_RANGE, "auto")


def _native_size(headers: list[Header], fitted: ImageFormat) -> Size:
    """Return the median size, or the fitted one if no picture is readable."""
    sizes = [header.size for header in headers]
    return median_size(sizes) if sizes else fitted.image_size


def _readable_extensions() -> set[str]:
    """Return the extensions, with their dot, of the formats Pillow can decode."""
    return {
        extension
        for extension, name in Image.registered_extensions().items()
        if name in Image.OPEN and name not in IDENTIFIED_ONLY
    }


def _walk_visible(root: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield each visible folder below root with the names of its visible files."""
    # Linked folders are followed, as collections are often assembled from links.
    for parent, folders, names in os.walk(root, followlinks=True):
        # Assigning in place is how os.walk learns what to skip.
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield parent, [name for name in names if not name.startswith(".")]
