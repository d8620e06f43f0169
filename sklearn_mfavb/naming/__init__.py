"""The names of clusters: words that tell them apart."""

from sklearn_mfavb.naming._names import (
    cluster_names,
    numbered_names,
    propose_names,
    score_words,
)
from sklearn_mfavb.naming._words import read_words

__all__ = [
    "cluster_names",
    "numbered_names",
    "propose_names",
    "read_words",
    "score_words",
]
