"""Nearest neighbors, exact or approximate, and pixels as features to find them in."""

from sklearn_mfavb.neighbors._search import (
    Method,
    Metric,
    Table,
    cosine_neighbors,
    nearest_neighbors,
    pixel_features,
)

__all__ = [
    "Method",
    "Metric",
    "Table",
    "cosine_neighbors",
    "nearest_neighbors",
    "pixel_features",
]
