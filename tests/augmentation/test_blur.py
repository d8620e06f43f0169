"""Tests of the Gaussian blur."""

import pytest
import torch

from sklearn_mfavb.augmentation import GaussianBlur
from sklearn_mfavb.augmentation._blur import kernel_size

oracle = pytest.importorskip("torchvision.transforms.v2.functional")


@pytest.mark.parametrize("shape", [(6, 3, 64, 64), (6, 1, 40, 96), (6, 2, 4, 5)])
def test_blur_equals_torchvision(shape):
    """Each image is blurred as by torchvision; a sigma of zero keeps it exactly."""
    images = torch.rand(*shape)
    transform = GaussianBlur(probability=0.5)
    sigmas = transform.draw(images)
    sigmas[:2] = torch.tensor([0.0, 1.3])  # both cases, whatever was drawn
    blurred = transform.apply(images, sigmas)
    size = [kernel_size(shape[3]), kernel_size(shape[2])]
    for image, sigma, result in zip(images, sigmas.tolist(), blurred, strict=True):
        if sigma == 0:
            assert torch.equal(result, image)
        else:
            expected = oracle.gaussian_blur(image, size, [sigma, sigma])
            torch.testing.assert_close(result, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("side", "expected"), [(4, 3), (32, 3), (64, 7), (96, 9), (224, 23)]
)
def test_kernels_cover_a_tenth_of_the_side(side, expected):
    """Kernel sizes are odd, at least 3 and follow the side."""
    assert kernel_size(side) == expected


def test_sigmas_fill_their_range_for_the_asked_share_of_images():
    """Sigma is uniform in its range, or zero for images that stay sharp."""
    sigmas = GaussianBlur(sigma=(0.5, 1.5), probability=0.4).draw(
        torch.empty(4000, 1, 1, 1)
    )
    blurred = sigmas[sigmas > 0]
    assert len(blurred) / 4000 == pytest.approx(0.4, abs=0.04)
    assert 0.5 <= blurred.min() < 0.51 and 1.49 < blurred.max() <= 1.5
    assert blurred.mean() == pytest.approx(1.0, abs=0.05)


def test_blur_keeps_full_precision_under_autocast():
    """Inside autocast the result is the same float32 images."""
    images = torch.rand(2, 3, 16, 16)
    transform = GaussianBlur(probability=1.0)
    sigmas = transform.draw(images)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        blurred = transform.apply(images, sigmas)
    assert blurred.dtype == torch.float32
    assert torch.equal(blurred, transform.apply(images, sigmas))
