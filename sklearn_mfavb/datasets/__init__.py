"""Labelled images: small ones made here, and the sets used in the literature."""

from sklearn_mfavb.datasets._card import ImageDatasetCard
from sklearn_mfavb.datasets._labelled import LabelledImages
from sklearn_mfavb.datasets._load import load_images
from sklearn_mfavb.datasets._shapes import load_digit_images, make_shape_images
from sklearn_mfavb.datasets._table import DATASETS

__all__ = [
    "DATASETS",
    "ImageDatasetCard",
    "LabelledImages",
    "load_digit_images",
    "load_images",
    "make_shape_images",
]
