"""Parameters are declared and described once, in the class that reads them."""

import inspect
import pickle
from dataclasses import field

import pytest
from sklearn.base import BaseEstimator, clone
from sklearn_mfavb.estimators._declaration import estimator


@estimator
class Reader(BaseEstimator):
    """Read.

    Parameters
    ----------
    path : str, default="here"
        Where to read.
    depth : int, default=1
        How far to read.

        And a second paragraph.

    Attributes
    ----------
    found_ : int
        What was read.
    """

    path: str = "here"
    depth: int = 1
    found_: int = field(init=False)


@estimator
class Counter(Reader):
    """Count.

    A longer word about it.

    Parameters
    ----------
    depth : int, default=3
        How far to count.
    n_clusters : int, default=8
        How many.

    Examples
    --------
    >>> 1 + 1
    2
    """

    depth: int = 3
    n_clusters: int = field(default=8, kw_only=False)


def test_parameters_of_all_bases_are_found_and_cloned():
    """scikit-learn sees inherited parameters; what fit sets is none of them."""
    counter = Counter(5, path="there")
    assert counter.get_params() == {"path": "there", "depth": 3, "n_clusters": 5}
    assert clone(counter).get_params() == counter.get_params()
    assert pickle.loads(pickle.dumps(counter)).path == "there"
    assert not hasattr(counter, "found_")


def test_only_marked_parameters_are_positional():
    """Whatever is not said to be positional must be named."""
    with pytest.raises(TypeError):
        Counter(5, "there")


def test_documentation_is_gathered_in_the_order_of_the_constructor():
    """A subclass describes what it changes; the rest comes from its bases."""
    assert list(inspect.signature(Counter).parameters) == [
        "n_clusters",
        "path",
        "depth",
    ]
    assert inspect.getdoc(Counter) == inspect.cleandoc(
        """Count.

        A longer word about it.

        Parameters
        ----------
        n_clusters : int, default=8
            How many.
        path : str, default="here"
            Where to read.
        depth : int, default=3
            How far to count.

        Attributes
        ----------
        found_ : int
            What was read.

        Examples
        --------
        >>> 1 + 1
        2
        """
    )
