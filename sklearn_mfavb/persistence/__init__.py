"""Fitted estimators in one file of JSON and tensors, with nothing that runs."""

from sklearn_mfavb.persistence._estimator import load, save_estimator
from sklearn_mfavb.persistence._file import ModelFileError, library_versions

__all__ = ["ModelFileError", "library_versions", "load", "save_estimator"]
