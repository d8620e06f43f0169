"""Tests of what tells one training from another."""

import numpy as np
import pytest

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
