"""What is known of one set of images."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sklearn_mfavb.datasets._labelled import LabelledImages


# Compared by identity: each card stands in the table once.
@dataclass(frozen=True, kw_only=True, eq=False)
class ImageDatasetCard:
    """Size, protocol and whereabouts of a set of images used in the literature.

    Parameters
    ----------
    name : str
        The name that `load_images` takes, and that of the set's file or folder.
    title : str
        The name in print.
    n_images, n_classes : int
        Numbers of images and classes under the protocol.
    image_size : int or None
        Height and width in pixels; None if pictures differ in size.
    protocol : str
        What is clustered: which splits are merged, and which labels count.
    owner : str
        Who gives the images out.
    layout : str, default=""
        How to bring them into class folders, where that is not plain.
    class_folders : mapping of str to str, default={}
        Folder and readable name of each class, in the order of the labels. Only these
        folders are read, so that the set's folder may be a link to a larger
        collection. If empty, every folder is a class.
    loader : callable or None, default=None
        Called as `loader(data_dir=..., download=...)` if there is neither a file nor a
        folder of that name; None if a user has to bring the images.
    downloadable : bool, default=False
        If `loader` can fetch the images.
    needs_data_dir : bool, default=True
        False if the images come with an installed library.
    unverified : tuple of str, default=()
        Fields that are recalled from memory and were not checked against a source.

    See Also
    --------
    load_images : Loads the images of a card.

    Examples
    --------
    >>> from sklearn_mfavb.datasets import DATASETS
    >>> card = DATASETS["stl10"]
    >>> card.title, card.n_images, card.n_classes, card.image_size
    ('STL-10', 13000, 10, 96)
    >>> card.protocol
    'train + test; the 100,000 unlabelled images are left out'
    >>> [name for name, card in DATASETS.items() if "n_images" in card.unverified]
    ['imagenet_dogs']
    """

    name: str
    title: str
    n_images: int
    n_classes: int
    image_size: int | None
    protocol: str
    owner: str
    layout: str = ""
    class_folders: Mapping[str, str] = field(default_factory=dict, repr=False)
    loader: Callable[..., LabelledImages] | None = field(default=None, repr=False)
    downloadable: bool = False
    needs_data_dir: bool = True
    unverified: tuple[str, ...] = ()

    def how_to_obtain(self, data_dir: Path) -> str:
        """Tell in a few sentences how to get the images, and how to lay them out.

        Parameters
        ----------
        data_dir : Path
            The folder that will be given to `load_images`.

        Returns
        -------
        text : str
            Who gives the images out, and where they belong.
        """
        download = "Pass download=True to fetch it with torchvision, or get"
        verb = download if self.downloadable else "Get"
        belief = " (as far as we recall)" if "owner" in self.unverified else ""
        pictures = data_dir / self.name / "<class>" / "<pictures>"
        text = (
            f"{verb} {self.title} ({self.n_images} images, {self.n_classes} classes: "
            f"{self.protocol}) from {self.owner}{belief}, and lay it out as {pictures}."
        )
        return f"{text} {self.layout}".rstrip()
