"""Tests of what tells one training from another."""

from functools import partial

import numpy as np
import pytest
import torch

from sklearn_mfavb import CLIPFeatures, MFAVBClustering
from sklearn_mfavb.estimators._identity import describe_training
from sklearn_mfavb.images import ImageDataset, check_images


@pytest.fixture
def describe():
    """Describe a training on one set of images with an encoder."""
    images = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3), dtype=np.uint8)
    dataset = ImageDataset(check_images(images), (8, 8))

    def describe(**parameters):
        clip = CLIPFeatures("ViT-B-32", **parameters)
        return describe_training(MFAVBClustering(2, clip=clip), dataset)

    return describe


@pytest.mark.parametrize(
    "parameters",
    [{"cache_dir": "elsewhere"}, {"device": "cpu"}, {"batch_size": 3}, {"verbose": 1}],
)
def test_where_and_how_features_are_computed_is_no_part_of_a_training(
    describe, parameters
):
    """A training goes on in another folder, and on another machine."""
    assert describe(**parameters) == describe()


def test_another_encoder_is_another_training(describe):
    """What features are computed by is a part of it."""
    assert describe(pretrained="laion2b_e16") != describe()


def scale(images, factor):
    """Stand in for an augmentation of the user's."""
    return images * factor


@pytest.mark.parametrize(
    ("first", "second", "is_same"),
    [
        (partial(scale, factor=2), partial(scale, factor=2), True),
        (partial(scale, factor=2), partial(scale, factor=3), False),
        (scale, scale, True),
        (scale, partial(scale, factor=2), False),
        (np.float64(0.5), 0.5, True),
        (torch.nn.Linear(2, 3), torch.nn.Linear(2, 3), True),
        (torch.nn.Linear(2, 3), torch.nn.Linear(2, 4), False),
    ],
)
def test_objects_are_told_apart_by_what_they_were_made_with(first, second, is_same):
    """Not by where they are in memory, nor by NumPy's type of a number."""
    images = np.zeros((6, 8, 8, 3), dtype=np.uint8)
    dataset = ImageDataset(check_images(images), (8, 8))
    of_first, of_second = (
        describe_training(MFAVBClustering(2, augmentation=each), dataset)
        for each in (first, second)
    )
    assert (of_first == of_second) is is_same
