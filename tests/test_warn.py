"""Warnings that point at the user's line."""

import warnings

import pytest
import sklearn

import sklearn_mfavb
from sklearn_mfavb.warn import warn_user


@pytest.mark.parametrize("package", [None, sklearn, sklearn_mfavb])
def test_a_warning_points_at_the_nearest_line_outside(package):
    namespace = {"call": lambda function, *args: function(*args)}
    if package is not None:
        source = "def call(function, *args): function(*args)"
        exec(compile(source, package.__file__, "exec"), namespace)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        namespace["call"](warn_user, "Look.", FutureWarning)
    [warning] = caught
    assert warning.filename == __file__
    assert warning.category is FutureWarning
