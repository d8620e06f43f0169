"""Labeled images: small ones made here, and your own from files."""

from sklearn_mfavb.datasets._load import LabeledImages, load_images
from sklearn_mfavb.datasets._shapes import load_digit_images, make_shape_images

__all__ = ["LabeledImages", "load_digit_images", "load_images", "make_shape_images"]
