"""The words that clusters may be named by."""

from sklearn_mfavb.words._read import Words, read_words

__all__ = ["Words", "read_words"]
