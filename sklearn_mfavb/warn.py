"""Warnings that point at the user's line."""

import os
import sys
import warnings
from pathlib import Path

import sklearn

_PACKAGES = tuple(
    str(Path(file).parent) + os.sep for file in (__file__, sklearn.__file__)
)


def warn_user(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the nearest caller outside of this package and scikit-learn.

    Parameters
    ----------
    message : str
        What is wrong, and what to do.
    category : type, default=UserWarning
        Kind of warning.
    """
    frame, level = sys._getframe(1), 2
    while frame.f_back and frame.f_code.co_filename.startswith(_PACKAGES):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
