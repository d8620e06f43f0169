"""Augmentations of features, and of whole views."""

import pytest
import torch

from sklearn_mfavb.augmentation import FeatureNoise, ViewAugmentation
from sklearn_mfavb.views import View


@pytest.mark.parametrize(
    ("dropout", "noise"), [(0.0, 0.0), (0.2, 0.0), (0.5, 0.0), (0.0, 0.3)]
)
def test_noise_and_dropout_are_as_asked(dropout, noise):
    """The share of zeros and the deviation are the parameters; the mean stays."""
    ones = torch.ones(100, 500)
    drawn = FeatureNoise(dropout=dropout, noise=noise)(ones)
    assert (drawn == 0).float().mean().item() == pytest.approx(dropout, abs=0.01)
    assert drawn.mean().item() == pytest.approx(1, abs=0.02)
    assert drawn[drawn != 0].std().item() == pytest.approx(noise, abs=0.01)
    assert (ones == 1).all()


def test_every_call_draws_anew_and_from_the_global_seed():
    """Two calls differ; the same seed repeats them."""
    features, perturb = torch.randn(4, 10), FeatureNoise()
    torch.manual_seed(3)
    first, second = perturb(features), perturb(features)
    torch.manual_seed(3)
    assert torch.equal(perturb(features), first)
    assert not torch.equal(first, second)


def test_most_views_have_only_some_of_several_encoders():
    """Half have the leading one alone, a tenth the others alone, the rest all."""
    perturb = FeatureNoise(dropout=0, noise=0, leading=slice(1, 3))
    ones = torch.ones(4000, 5)
    patterns, counts = (perturb(ones) != 0).unique(dim=0, return_counts=True)
    shares = {
        tuple(pattern): count / 4000
        for pattern, count in zip(patterns.int().tolist(), counts.tolist(), strict=True)
    }
    expected = {(0, 1, 1, 0, 0): 0.5, (1, 0, 0, 1, 1): 0.1, (1, 1, 1, 1, 1): 0.4}
    assert shares == pytest.approx(expected, abs=0.03)
    assert (ones == 1).all()


def test_view_parts_are_augmented_each_in_its_way():
    """Images pass one augmentation, features the other, and what is missing stays."""
    augment = ViewAugmentation(lambda images: 1 - images, lambda rows: 2 * rows)
    images, features = torch.rand(2, 1, 4, 4), torch.randn(2, 3)
    both = augment(View(images, features))
    assert torch.equal(both.images, 1 - images)
    assert torch.equal(both.features, 2 * features)
    assert augment(View(images)).features is None
    assert augment(View(None, features)).images is None
