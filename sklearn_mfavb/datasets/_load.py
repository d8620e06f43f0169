"""One function that finds and loads labelled images by name."""

import os
import warnings
from pathlib import Path

from sklearn.utils._param_validation import validate_params

from sklearn_mfavb.datasets._card import ImageDatasetCard
from sklearn_mfavb.datasets._folders import read_class_folders
from sklearn_mfavb.datasets._labelled import LabelledImages
from sklearn_mfavb.datasets._npz import read_npz
from sklearn_mfavb.datasets._table import DATASETS


@validate_params(
    {
        "name": [str],
        "data_dir": [str, os.PathLike, None],
        "download": ["boolean"],
    },
    prefer_skip_nested_validation=True,
)
def load_images(
    name: str,
    data_dir: str | os.PathLike[str] | None = None,
    *,
    download: bool = False,
) -> LabelledImages:
    """Load a set of labelled images from a folder of yours, or by torchvision.

    The first of these that is there is taken:

    1. the file `<data_dir>/<name>.npz` with the arrays `images` (uint8) and `labels`
       (from 0), and, if wanted, `class_names`, `source`, and features of any name with
       one row for each image;
    2. the folder `<data_dir>/<name>` with the pictures of each class in a folder of
       their own, of which there must be two or more;
    3. the loader of the set's card in `DATASETS`, if it has one: torchvision's with
       `root=data_dir`, the splits merged as in the literature, or scikit-learn's.

    Any name may be used for a file or folder; those in `DATASETS` are the sets of the
    literature.

    Parameters
    ----------
    name : str
        The set. See `DATASETS` for the ones known.
    data_dir : str, path-like or None, default=None
        The folder to look in. None will do for `"digits"` only.
    download : bool, default=False
        Let torchvision download the set to `data_dir` if it is not there.

    Returns
    -------
    labelled : LabelledImages
        `images`, `target`, `target_names`, `source` and `features`. Images are an
        array of uint8 if they are stored as one, otherwise paths in the order of their
        classes.

    Raises
    ------
    FileNotFoundError
        If there are no such images. The message tells what was looked for, and how to
        obtain the images and lay them out.
    ValueError
        If `name` is not a plain name, `data_dir` is None but needed, or a file or
        folder does not hold what it should. Nothing pickled is read from `.npz` files.

    Warns
    -----
    UserWarning
        If the numbers of images or classes are not those of the set's card, so that
        results cannot be compared with the literature.

    See Also
    --------
    DATASETS : Size, protocol and owner of each set of the literature.
    make_shape_images : Images that need no file.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from sklearn_mfavb.datasets import load_images
    >>> load_images("digits").images.shape
    (1797, 8, 8)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     images = np.zeros((4, 8, 8), dtype=np.uint8)
    ...     np.savez(Path(folder, "mine.npz"), images=images, labels=[0, 1, 1, 0])
    ...     load_images("mine", folder).target
    array([0, 1, 1, 0])
    """
    card = DATASETS.get(name)
    if not name or Path(name).name != name or name.startswith("."):
        raise ValueError(
            f"name={name!r} should be the plain name of a set: pass the folder that "
            "it is in as data_dir."
        )
    if name.endswith(".npz"):
        raise ValueError(
            f"name={name!r} should be given without the extension, as "
            f"{name.removesuffix('.npz')!r}."
        )
    root = None if data_dir is None else Path(data_dir).expanduser()
    if root is None and (card is None or card.needs_data_dir):
        raise ValueError(
            f"data_dir=None, but {name!r} is read from files: pass the folder with "
            f"{name}.npz, or with the folder {name} of class folders."
        )
    loaded = None if root is None else _read_local(name, card, root)
    if loaded is None:
        loaded = _run_loader(name, card, root, download)
    if card is not None:
        _warn_if_unlike(card, loaded)
    return loaded


def _read_local(
    name: str, card: ImageDatasetCard | None, root: Path
) -> LabelledImages | None:
    """Return the images of the file or folder of that name, or None."""
    loaded = read_npz(root / f"{name}.npz")
    if loaded is None:
        class_folders = card.class_folders if card else None
        loaded = read_class_folders(root / name, class_folders=class_folders)
    return loaded


def _run_loader(
    name: str, card: ImageDatasetCard | None, root: Path | None, download: bool
) -> LabelledImages:
    """Return what the card's loader finds, or tell how to obtain the images."""
    reason = ""
    if card is not None and card.loader is not None:
        try:
            return card.loader(data_dir=root, download=download)
        # torchvision's ways to say that files are not there, or not whole.
        except (RuntimeError, FileNotFoundError) as error:
            if download:
                raise
            reason = f" torchvision says: {error}"
    assert root is not None
    raise FileNotFoundError(_describe_absence(name, card, root) + reason)


def _describe_absence(name: str, card: ImageDatasetCard | None, root: Path) -> str:
    """Tell what was looked for where, and what to do."""
    seen = "" if root.is_dir() else " (there is no such folder)"
    looked = (
        f"No images {name!r} are in data_dir={str(root)!r}{seen}: looked for the file "
        f"{name}.npz, and for two or more class folders with pictures in {name}."
    )
    if card is not None:
        return f"{looked} {card.how_to_obtain(root)}"
    return f"{looked} Sets known by name are {', '.join(DATASETS)}."


def _warn_if_unlike(card: ImageDatasetCard, loaded: LabelledImages) -> None:
    """Warn if the numbers are not those of the literature."""
    found = (len(loaded.target), len(loaded.target_names))
    if found != (card.n_images, card.n_classes):
        warnings.warn(
            f"{card.title} has {card.n_images} images of {card.n_classes} classes in "
            f"the literature, but {found[0]} of {found[1]} were loaded "
            f"({loaded.source}): state so beside results.",
            stacklevel=4,
        )
