"""Which trainings are the same, by their parameters and images."""

from functools import partial

import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator

from sklearn_mfavb import CLIPFeatures, MFAVBClustering
from sklearn_mfavb.images import ImageDataset, open_images
from sklearn_mfavb.training._identity import describe_training


def describe(dataset=None, **parameters):
    """Describe the training of an estimator on six black images."""
    images = np.zeros((6, 8, 8, 3), dtype=np.uint8)
    dataset = dataset or ImageDataset(open_images(images), (8, 8))
    return describe_training(MFAVBClustering(2, **parameters).get_params(), dataset)


@pytest.mark.parametrize("wrap", [lambda encoder: encoder, lambda encoder: [encoder]])
def test_what_computes_features_counts_and_not_where(wrap):
    """A training goes on in another folder, and on another machine."""
    expected = describe(encoder=wrap(CLIPFeatures("ViT-B-32")))
    elsewhere = {"cache_dir": "x", "device": "cpu", "batch_size": 3, "verbose": 1}
    other = CLIPFeatures("ViT-B-32", **elsewhere)
    assert describe(encoder=wrap(other)) == expected
    other = CLIPFeatures("ViT-B-32", pretrained="laion2b_e16")
    assert describe(encoder=wrap(other)) != expected


def test_images_count_by_what_is_seen_of_them():
    """Pixels where they are looked at, features where there are any."""
    images, rows = np.zeros((6, 8, 8), np.uint8), np.zeros((6, 2), np.float32)
    others = images.copy()
    others[5, 7, 7] = 1

    def of(pixels, size, features):
        return describe(ImageDataset(open_images(pixels), size, None, features))

    assert of(images, (8, 8), None) == of(images.copy(), (8, 8), None)
    assert of(images, (8, 8), None) != of(others, (8, 8), None)
    assert of(images, None, rows) == of(others, None, rows)
    assert of(images, None, rows) != of(images, None, rows + 1)
    assert describe(ImageDataset(None, None, None, rows))["images"].startswith("6 with")


def scale(images, factor=2):
    """Stand in for an augmentation of the user's."""
    return images * factor


class Scale:
    """Stand in for a callable of the user's that says nothing of itself."""

    def __init__(self, factor):
        self.factor = factor

    def __call__(self, images):
        return images * self.factor


class Encoder(BaseEstimator):
    """Stand in for a transformer of the user's."""

    def __init__(self, factor=1):
        self.factor = factor


@pytest.mark.parametrize(
    ("first", "second", "is_same"),
    [
        (Scale(torch.ones(2)), Scale(torch.ones(2)), True),
        (np.arange(5000), np.arange(5000) // 4000 + np.arange(5000), False),
        (Scale([scale, Scale(2)]), Scale([scale, Scale(2)]), True),
        (Scale([scale, Scale(2)]), Scale([scale, Scale(3)]), False),
        ((np.float64(0.5), 1), (0.5, 1), True),
        (partial(scale, factor=2), partial(scale, factor=2), True),
        (Scale(torch.tensor(0.48145)), Scale(torch.tensor(0.48149)), False),
        (scale, partial(scale, factor=2), False),
        (torch.nn.Linear(2, 3), torch.nn.Linear(2, 4), False),
        ([Encoder(1), Encoder(2)], [Encoder(1), Encoder(2)], True),
        ([Encoder(1), Encoder(2)], [Encoder(1), Encoder(3)], False),
    ],
)
def test_objects_are_told_apart_by_what_they_were_made_with(first, second, is_same):
    """Not by where they are in memory, nor by NumPy's type of a number."""
    assert (describe(augmentation=first) == describe(augmentation=second)) is is_same


def test_functions_without_a_name_are_refused():
    """Two lambdas cannot be told apart: a checkpoint might be taken up by another."""
    for function in (lambda images: images, (scale, lambda images: images)):
        with pytest.raises(ValueError, match="checkpoint must recognize augmentation"):
            describe(augmentation=function)
