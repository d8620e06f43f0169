"""Words for clusters: lists of them, their scores, and the choice of names."""

import os
from collections.abc import Iterable, Sequence
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from sklearn.preprocessing import normalize

from sklearn_mfavb.naming import numbered_names

__all__ = ["Words", "propose_names", "read_words", "score_words"]

Words = str | os.PathLike[str] | Sequence[str] | None
Rows = NDArray[np.float32]


def read_words(words: Words = None) -> list[str]:
    """Read the words that clusters may be named by.

    Parameters
    ----------
    words : str, path-like or sequence of str, default=None
        A text file in UTF-8 with one word or phrase a line, or a list of words; blank
        ones do not count. None stands for 3,610 nouns of WordNet: things, animals,
        plants, food and places that a picture can show.

    Raises
    ------
    OSError
        If the file cannot be opened.
    TypeError
        If the words are no texts.
    ValueError
        If the file is not UTF-8, if there are no words, or if one is there twice.
    """
    if words is None:
        return (files(__package__) / "nouns.txt").read_text("utf-8").splitlines()
    if not isinstance(words, str | os.PathLike):
        if not isinstance(words, Iterable) or not all(
            isinstance(word, str) for word in words
        ):
            raise TypeError(
                f"words must be a text file or a list of texts, got {words!r}."
            )
        return _check(words, "words")
    name = f"The words file {os.fspath(words)!r}"
    try:
        with open(words, encoding="utf-8-sig") as file:
            return _check(file, name)
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{name} is not UTF-8: {error.reason} at byte {error.start}. Save it as "
            "text in UTF-8, with one word a line."
        ) from error


def _check(words: Iterable[str], name: str) -> list[str]:
    """Strip words and drop blank ones, or raise an error that begins with a name."""
    positions: dict[str, int] = {}  # capital letters make no difference to encoders
    kept = []
    for position, word in enumerate(map(str.strip, words), start=1):
        if not word:
            continue
        if (before := positions.setdefault(word.casefold(), position)) != position:
            raise ValueError(
                f"{name} has {word!r} twice, in lines {before} and {position}: each "
                "word can name one cluster, so leave it once."
            )
        kept.append(word)
    if not kept:
        raise ValueError(f"{name} holds no words: write one word or phrase a line.")
    return kept


def score_words(cluster_features: Rows, word_features: Rows) -> Rows:
    r"""Score how well every word tells every cluster from the others.

    With the cosine :math:`s_{kw}` of the mean image feature of cluster :math:`k` and
    the text feature of word :math:`w`, the score of :math:`K` clusters and all words is

    .. math:: c_{kw} = s_{kw} - \frac{1}{K - 1} \sum_{j \ne k} s_{jw} ,

    of shape (n_clusters, n_words), and the cosine for a single cluster. A word that
    fits all clusters alike scores zero.

    Examples
    --------
    >>> from sklearn_mfavb.words import score_words
    >>> images = [[2, 0], [0, 3]]  # what the first cluster shows, and the second
    >>> words = [[1, 0], [0, 1], [1, 1]]  # the last word fits both
    >>> score_words(images, words).tolist()
    [[1.0, -1.0, 0.0], [-1.0, 1.0, 0.0]]
    """
    cosine = normalize(cluster_features) @ normalize(word_features).T
    n_others = max(len(cosine) - 1, 1)
    return cosine - (cosine.sum(axis=0) - cosine) / n_others


def propose_names(
    cluster_features: Rows, word_features: Rows, words: Sequence[str]
) -> list[str]:
    """Choose a different word for every cluster, so that the sum of scores is largest.

    `cluster_features` (n_clusters, n_features) has NaN for clusters without images,
    `word_features` (n_words, n_features) is in the same space. A name is "cluster 3"
    where no word is left, where the word that is left does not score above zero, and
    for clusters without images.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mfavb.words import propose_names
    >>> images = np.array([[0.1, 1.0], [1.0, 0.2], [np.nan, np.nan]])
    >>> propose_names(images, np.eye(2), ["dog", "ship"])
    ['ship', 'dog', 'cluster 2']
    """
    names = numbered_names(len(cluster_features))
    present = np.flatnonzero(np.isfinite(cluster_features).all(axis=1))
    if not len(present):
        return names
    scores = score_words(cluster_features[present], word_features)
    for row, column in zip(*linear_sum_assignment(scores, maximize=True), strict=True):
        if scores[row, column] > 0:
            names[present[row]] = words[column]
    return names
