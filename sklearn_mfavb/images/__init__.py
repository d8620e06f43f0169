"""What users pass in as images, made into one checked source of batches."""

from sklearn_mfavb.images._arrays import is_table
from sklearn_mfavb.images._check import check_images
from sklearn_mfavb.images._dataset import ImageDataset
from sklearn_mfavb.images._files import list_images
from sklearn_mfavb.images._format import ImageFormat
from sklearn_mfavb.images._source import ImageSource

__all__ = [
    "ImageDataset",
    "ImageFormat",
    "ImageSource",
    "check_images",
    "is_table",
    "list_images",
]
