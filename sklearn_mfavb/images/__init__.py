"""Images from arrays, files and datasets, read batch by batch."""

from sklearn_mfavb.folders import list_images, summarize_ignored
from sklearn_mfavb.images._dataset import ImageDataset
from sklearn_mfavb.images._format import ImageFormat, Reading
from sklearn_mfavb.images._open import open_images
from sklearn_mfavb.images._pictures import describe_version
from sklearn_mfavb.images._source import ImageSource
from sklearn_mfavb.images._values import is_table

__all__ = [
    "ImageDataset",
    "ImageFormat",
    "ImageSource",
    "Reading",
    "describe_version",
    "is_table",
    "list_images",
    "open_images",
    "summarize_ignored",
]
