"""Tests of the color changes."""

import pytest
import torch

from sklearn_mfavb.augmentation import ColorJitter, Grayscale, Solarize

oracle = pytest.importorskip("torchvision.transforms.v2.functional")

STRENGTHS = {"brightness": 0.8, "contrast": 0.8, "saturation": 0.8, "hue": 0.5}


def make_images(*shape):
    """Return noise with gray, black, white and two-channel ties among its pixels."""
    images = torch.rand(*shape)
    images[0, :, 0] = 0.5
    images[0, :, 1] = 0.0
    images[0, :, 2] = 1.0
    images[0, : shape[1] - 1, 3] = 0.75
    images[0, 1:, 4] = 0.75
    return images


@pytest.mark.parametrize("names", [[name] for name in STRENGTHS] + [list(STRENGTHS)])
def test_jitter_equals_torchvision(names):
    """Each step equals torchvision's with the same number, also one after another."""
    images = make_images(16, 3, 8, 8)
    transform = ColorJitter(**{name: STRENGTHS[name] for name in names})
    parameters = transform.draw(images)
    jittered = transform.apply(images, parameters)
    for index, image in enumerate(images):
        for name in names:
            drawn = getattr(parameters, name)[index].item()
            image = getattr(oracle, f"adjust_{name}")(image, drawn)
        torch.testing.assert_close(jittered[index], image, atol=1e-5, rtol=0)


def test_jitter_draws_stay_in_their_ranges_and_fill_them():
    """Factors are uniform around 1, cut at 0; hue shifts are uniform around 0."""
    settings = ColorJitter(brightness=0.4, contrast=2.0, hue=0.1, probability=1.0)
    drawn = settings.draw(torch.empty(4000, 3, 1, 1))
    for values, low, high in (
        (drawn.brightness, 0.6, 1.4),
        (drawn.contrast, 0.0, 3.0),
        (drawn.saturation, 1.0, 1.0),
        (drawn.hue, -0.1, 0.1),
    ):
        margin = 0.02 * (high - low)
        assert low <= values.min() <= low + margin
        assert high - margin <= values.max() <= high
        assert values.mean() == pytest.approx((low + high) / 2, abs=2 * margin)


def test_jitter_changes_the_asked_share_of_images():
    """Untouched images get neutral parameters, all four of them together."""
    drawn = ColorJitter(**STRENGTHS, probability=0.3).draw(torch.empty(4000, 3, 1, 1))
    changed = torch.stack((drawn.brightness, drawn.contrast, drawn.saturation)) != 1
    assert torch.equal(changed.any(dim=0), changed.all(dim=0))
    assert torch.equal(changed[0], drawn.hue != 0)
    assert changed[0].float().mean() == pytest.approx(0.3, abs=0.04)
    # With probability 0 images come back, up to rounding of the hue.
    images = make_images(4, 3, 8, 8)
    jittered = ColorJitter(**STRENGTHS, probability=0.0)(images)
    torch.testing.assert_close(jittered, images, atol=1e-6, rtol=0)


@pytest.mark.parametrize("n_channels", [1, 2, 5])
def test_without_three_channels_only_brightness_and_contrast_act(n_channels):
    """Saturation and hue are skipped; contrast pivots on the mean of the image."""
    images = make_images(3, n_channels, 8, 8)
    colorful = ColorJitter(saturation=0.8, hue=0.5, probability=1.0)
    assert torch.equal(colorful(images), images)
    assert torch.equal(Grayscale(probability=1.0)(images), images)
    transform = ColorJitter(contrast=0.5, probability=1.0)
    parameters = transform.draw(images)
    factor = parameters.contrast[:, None, None, None]
    pivot = images.flatten(1).mean(dim=1)[:, None, None, None]
    expected = (pivot + factor * (images - pivot)).clamp(0, 1)
    torch.testing.assert_close(transform.apply(images, parameters), expected)


def test_grayscale_equals_torchvision_on_the_drawn_images_only():
    """Drawn images show their luma in three channels; the others stay identical."""
    images = make_images(32, 3, 8, 8)
    transform = Grayscale(probability=0.5)
    drawn = transform.draw(images)
    assert 0 < drawn.sum() < 32
    result = transform.apply(images, drawn)
    expected = oracle.rgb_to_grayscale(images, num_output_channels=3)
    torch.testing.assert_close(result[drawn], expected[drawn], atol=1e-6, rtol=0)
    assert torch.equal(result[~drawn], images[~drawn])


@pytest.mark.parametrize("n_channels", [1, 3, 4])
def test_solarize_equals_torchvision_on_the_drawn_images_only(n_channels):
    """Values from the threshold on are inverted, the threshold included."""
    images = make_images(32, n_channels, 8, 8)
    transform = Solarize(threshold=0.5, probability=0.5)
    thresholds = transform.draw(images)
    drawn = thresholds == 0.5
    assert 0 < drawn.sum() < 32
    result = transform.apply(images, thresholds)
    assert torch.equal(result[drawn], oracle.solarize(images, threshold=0.5)[drawn])
    assert torch.equal(result[~drawn], images[~drawn])
