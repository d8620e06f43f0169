"""Augmentations of features, and of whole views."""

import pickle

import pytest
import torch

from sklearn_mfavb.augmentation import FeatureNoise, Identity, ViewAugmentation
from sklearn_mfavb.views import View


def test_nothing_to_do_changes_nothing():
    """Without dropout and noise features pass unchanged."""
    features = torch.randn(4, 10)
    assert torch.equal(FeatureNoise(dropout=0.0, noise=0.0)(features), features)


@pytest.mark.parametrize("dropout", [0.2, 0.5])
def test_dropout_clears_entries_and_keeps_the_mean(dropout):
    """The share of zeros is as asked, and the others grow to make up for it."""
    ones = torch.ones(100, 500)
    kept = FeatureNoise(dropout=dropout, noise=0.0)(ones)
    assert (kept == 0).float().mean().item() == pytest.approx(dropout, abs=0.01)
    assert kept.mean().item() == pytest.approx(1, abs=0.02)
    assert (ones == 1).all()


def test_noise_has_the_deviation_asked_for():
    """Noise has mean 0, and its deviation is the parameter."""
    noise = FeatureNoise(dropout=0.0, noise=0.3)(torch.zeros(100, 500))
    assert noise.mean().item() == pytest.approx(0, abs=0.01)
    assert noise.std().item() == pytest.approx(0.3, abs=0.01)


def test_every_call_draws_anew_and_from_the_global_seed():
    """Two calls differ; the same seed repeats them."""
    features, perturb = torch.randn(4, 10), FeatureNoise()
    torch.manual_seed(3)
    first, second = perturb(features), perturb(features)
    torch.manual_seed(3)
    assert torch.equal(perturb(features), first)
    assert not torch.equal(first, second)


def test_view_parts_are_augmented_each_in_its_way():
    """Images pass one augmentation, features the other, and what is missing stays."""
    augment = ViewAugmentation(lambda images: 1 - images, lambda rows: 2 * rows)
    images, features = torch.rand(2, 1, 4, 4), torch.randn(2, 3)
    both = augment(View(images, features))
    assert torch.equal(both.images, 1 - images)
    assert torch.equal(both.features, 2 * features)
    assert augment(View(images)).features is None
    assert augment(View(None, features)).images is None


def test_view_augmentation_pickles():
    """A copy out of a pickle is equal to what went in."""
    augment = ViewAugmentation(Identity(), FeatureNoise(dropout=0.1))
    copy = pickle.loads(pickle.dumps(augment))
    assert copy.features == augment.features
    view = View(torch.rand(2, 1, 4, 4))
    assert torch.equal(copy(view).images, view.images)
