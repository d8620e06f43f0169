"""Words become names: their scores, and the choice of different ones."""

from itertools import permutations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sklearn_mfavb.words import propose_names, score_words


def draw(n_clusters, n_words, n_features=5, seed=0):
    """Draw features of clusters and words."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n_clusters, n_features)), rng.normal(
        size=(n_words, n_features)
    )


def cosine(a, b):
    return a @ b / np.sqrt((a @ a) * (b @ b))


def score_in_loops(clusters, words):
    scores = np.zeros((len(clusters), len(words)))
    for k, mine in enumerate(clusters):
        for w, word in enumerate(words):
            others = [cosine(c, word) for j, c in enumerate(clusters) if j != k]
            scores[k, w] = cosine(mine, word) - (np.mean(others) if others else 0)
    return scores


@pytest.mark.parametrize("n_clusters", [1, 2, 4])
def test_score_is_that_of_loops(n_clusters):
    clusters, words = draw(n_clusters, 7)
    assert_allclose(score_words(clusters, words), score_in_loops(clusters, words))


def test_score_of_a_word_that_fits_all_alike_is_zero():
    """What all clusters share, and the length of features, do not count."""
    clusters, words = draw(3, 4)
    together = clusters / np.linalg.norm(clusters, axis=1, keepdims=True)
    at_equal_angles = np.linalg.pinv(together) @ np.ones(3)
    assert_allclose(score_words(clusters, at_equal_angles[None]), 0, atol=1e-12)
    scores = score_words(clusters, words)
    assert_allclose(score_words(7 * clusters, words / 3), scores)


@pytest.mark.parametrize("seed", range(5))
def test_names_are_the_best_different_words(seed):
    """No other choice of different words has a larger sum of scores."""
    clusters, features = draw(3, 5, seed=seed)
    words, scores = list("abcde"), score_in_loops(clusters, features)
    best = max(permutations(range(5), 3), key=lambda p: scores[range(3), p].sum())
    names = propose_names(clusters, features, words)
    assert names == [
        words[w] if scores[k, w] > 0 else f"cluster {k}" for k, w in enumerate(best)
    ]


def test_planted_names_are_found():
    """A cluster that shows a word has its name, whatever all clusters have in common.

    Image and text features lie apart, each on one side of the sphere, as those of CLIP.
    """
    rng = np.random.default_rng(0)
    meanings = rng.normal(size=(40, 64))
    images = meanings[[7, 3, 21]] + 0.2 * rng.normal(size=(3, 64)) + 2
    words = [f"word {i}" for i in range(40)]
    names = propose_names(images, meanings - 2, words)
    assert names == ["word 7", "word 3", "word 21"]


def test_clusters_without_a_word_keep_their_number():
    """So do empty clusters, and those that a word fits less than the others."""
    clusters = np.array([[1, 0], [np.nan, np.nan], [0, 1], [-1, 0.5]])
    names = propose_names(clusters, np.eye(2), ["east", "north"])
    assert names == ["east", "cluster 1", "north", "cluster 3"]
    assert propose_names(clusters[[0, 2]], np.eye(2)[:1], ["east"]) == [
        "east",
        "cluster 1",
    ]
    south = np.array([[0.0, -1.0]])
    assert propose_names(clusters[:1], south, ["south"]) == ["cluster 0"]
    nothing = np.full((2, 2), np.nan)
    assert propose_names(nothing, np.eye(2), ["a", "b"]) == ["cluster 0", "cluster 1"]
