"""Preprocessing of tensors against that of open_clip, timm and Pillow."""

import numpy as np
import pytest
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image
from timm.data import create_transform

from sklearn_mfavb.features._encoder import Preprocessing
from sklearn_mfavb.features._libraries import translate

TOLD = {
    "input_size": (3, 32, 32),
    "crop_pct": 0.8,
    "crop_mode": "center",
    "interpolation": "bicubic",
    "mean": (0.5, 0.5, 0.5),
    "std": (0.5, 0.5, 0.5),
}
HEIGHTS_AND_WIDTHS = [(40, 60), (61, 33), (20, 20), (32, 32), (7, 9), (300, 41)]


def assert_prepared_alike(preprocessing, transform, std):
    """Pixels differ by what Pillow rounds and clips between its passes."""
    for height, width in HEIGHTS_AND_WIDTHS:
        rng = np.random.default_rng(height)
        coarse = Image.fromarray(rng.integers(0, 256, (5, 5, 3), dtype=np.uint8))
        image = coarse.resize((width, height), Image.Resampling.BICUBIC)
        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None]
        (prepared,) = preprocessing.normalize(preprocessing.resize(pixels))
        levels = (prepared - transform(image)).abs() * std * 255
        assert levels.mean() < 0.5
        assert levels.max() < 8


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("resize_mode", ["shortest", "squash"])
def test_open_clip(interpolation, resize_mode):
    """What open_clip tells of weights, but for the rounding to bytes."""
    details = {"interpolation": interpolation, "resize_mode": resize_mode}
    told = PreprocessCfg(size=32, **details)
    transform = image_transform_v2(told, is_train=False)
    assert_prepared_alike(translate(32, details), transform, min(told.std))


@pytest.mark.parametrize("mode", ["center", "squash", "border"])
@pytest.mark.parametrize("size", [(3, 32, 32), (3, 24, 40)])
def test_timm(mode, size):
    """Timm resizes for a larger side than the encoder sees, and cuts the centre out."""
    told = {**TOLD, "crop_mode": mode, "input_size": size}
    assert_prepared_alike(Preprocessing(**told), create_transform(**told), 0.5)


def test_floats_are_clipped():
    """Bicubic resampling overshoots at edges; pixels stay in [0, 1]."""
    images = torch.zeros(1, 3, 8, 8)
    images[..., 4:] = 1
    fitted = Preprocessing(**TOLD).resize(images)
    assert (fitted.min(), fitted.max()) == (0, 1)
    assert torch.equal(Preprocessing(**TOLD).resize((images * 255).byte()), fitted)


def test_own_size_is_left_alone():
    """An image of the encoder's size is not resampled."""
    images = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    whole = Preprocessing(**{**TOLD, "crop_pct": 1.0})
    assert torch.equal(whole.resize(images), images / 255)


def test_batches_are_images_one_by_one():
    """Each image of a batch comes out as it would alone."""
    resize = Preprocessing(**TOLD).resize
    for images in (torch.rand(3, 3, 20, 50), torch.rand(3, 1, 50, 20)):
        alone = torch.cat([resize(image[None]) for image in images])
        torch.testing.assert_close(resize(images), alone)
