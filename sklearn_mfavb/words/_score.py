"""From features of clusters and of words to a name for every cluster."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from sklearn.preprocessing import normalize

from sklearn_mfavb.naming import numbered_names

Rows = NDArray[np.float32]


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
