"""Tests of what tells one training from another."""

from functools import partial

import numpy as np
import pytest
import torch
from sklearn_mfavb.estimators._identity import describe, describe_training

from sklearn_mfavb import CLIPFeatures, MFAVBClustering
from sklearn_mfavb.images import ImageDataset, check_images


@pytest.fixture
def describe_with_clip():
    """Describe a training on one set of images with an encoder."""
    images = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3), dtype=np.uint8)
    dataset = ImageDataset(check_images(images), (8, 8))

    def describe_with(**parameters):
        clip = CLIPFeatures("ViT-B-32", **parameters)
        return describe_training(MFAVBClustering(2, clip=clip), dataset)

    return describe_with


@pytest.mark.parametrize(
    "parameters",
    [{"cache_dir": "elsewhere"}, {"device": "cpu"}, {"batch_size": 3}, {"verbose": 1}],
)
def test_where_and_how_features_are_computed_is_no_part_of_a_training(
    describe_with_clip, parameters
):
    """A training goes on in another folder, and on another machine."""
    assert describe_with_clip(**parameters) == describe_with_clip()


def test_another_encoder_is_another_training(describe_with_clip):
    """What features are computed by is a part of it."""
    assert describe_with_clip(pretrained="laion2b_e16") != describe_with_clip()


def scale(images, factor):
    """Stand in for an augmentation of the user's."""
    return images * factor


class Scale:
    """Stand in for a callable of the user's that says nothing of itself."""

    def __init__(self, factor):
        self.factor = factor

    def __call__(self, images):
        """Scale the images."""
        return images * self.factor


@pytest.mark.parametrize(
    ("first", "second", "is_same"),
    [
        (Scale(2), Scale(2), True),
        (Scale(2), Scale(3), False),
        (np.arange(5000), np.arange(5000), True),
        (np.arange(5000), np.arange(5000) // 4000 + np.arange(5000), False),
        (Scale(torch.ones(2)), Scale(torch.ones(2)), True),
        (Scale([scale, Scale(2)]), Scale([scale, Scale(2)]), True),
        (Scale([scale, Scale(2)]), Scale([scale, Scale(3)]), False),
        ((np.float64(0.5), 1), (0.5, 1), True),
        (
            partial(scale, factor=torch.tensor([0.48145])),
            partial(scale, factor=torch.tensor([0.48149])),
            False,
        ),
        (lambda images: images, lambda images: images, True),
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


def test_objects_that_lead_back_to_themselves_are_told_by_their_type():
    """Their attributes have no end."""
    circle = Scale(2)
    circle.factor = circle
    assert describe(circle) == describe(circle)
    assert "Scale" in describe(circle)
