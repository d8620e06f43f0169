"""Words for clusters: lists of them, their scores, and the choice of names."""

from sklearn_mfavb.words._read import Words, read_words
from sklearn_mfavb.words._score import propose_names, score_words

__all__ = ["Words", "propose_names", "read_words", "score_words"]
