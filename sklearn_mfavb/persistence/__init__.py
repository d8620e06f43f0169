"""Fitted estimators in one file of tensors and JSON, with nothing that runs."""

from sklearn_mfavb.persistence._file import ModelFileError
from sklearn_mfavb.persistence._load import load
from sklearn_mfavb.persistence._save import save_estimator
from sklearn_mfavb.persistence._versions import library_versions

__all__ = ["ModelFileError", "library_versions", "load", "save_estimator"]
