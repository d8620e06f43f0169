"""Preprocessing of tensors against that of open_clip, timm and Pillow."""

import numpy as np
import pytest
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image
from timm.data.transforms_factory import transforms_imagenet_eval

from sklearn_mfavb.features._encoder import Preprocessing

HALF = (0.5, 0.5, 0.5)
SIZES = [(40, 60), (61, 33), (20, 20), (32, 32), (7, 9), (300, 41)]


def smooth_image(height, width):
    """Make a colour picture that is no noise."""
    coarse = np.random.default_rng(height).integers(0, 256, (5, 5, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def prepare(preprocessing, image):
    """Run an image through our preprocessing."""
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None]
    return preprocessing.normalize(preprocessing.resize(pixels))[0]


def check_close(difference, std):
    """Check that pixels differ by what Pillow rounds and clips between its passes."""
    levels = difference * std * 255
    assert levels.mean() < 0.5
    assert levels.max() < 8


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("resize_mode", ["shortest", "longest", "squash"])
@pytest.mark.parametrize("target", [(32, 32), (24, 40)])
def test_open_clip(size, interpolation, resize_mode, target):
    """All resize modes of open_clip, but for the rounding to bytes."""
    if resize_mode == "shortest" and interpolation == "bilinear":
        # open_clip forgets the interpolation for sides that differ.
        target = (32, 32)
    told = PreprocessCfg(
        size=target, interpolation=interpolation, resize_mode=resize_mode
    )
    preprocessing = Preprocessing(
        size=target,
        resized=target,
        resize_mode=resize_mode,
        interpolation=interpolation,
        mean=told.mean,
        std=told.std,
    )
    image = smooth_image(*size)
    expected = image_transform_v2(told, is_train=False)(image)
    difference = (prepare(preprocessing, image) - expected).abs()
    check_close(difference, min(told.std))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("mode", ["center", "squash", "border"])
def test_timm(size, mode):
    """Timm resizes for a larger side than the encoder sees, and cuts the centre out."""
    image = smooth_image(*size)
    transform = transforms_imagenet_eval(
        32, crop_pct=0.8, crop_mode=mode, interpolation="bicubic", mean=HALF, std=HALF
    )
    preprocessing = Preprocessing(
        size=(32, 32),
        resized=(40, 40),
        resize_mode={"center": "shortest", "border": "longest"}.get(mode, "squash"),
        interpolation="bicubic",
        mean=HALF,
        std=HALF,
        fill=0.5 if mode == "border" else 0.0,
    )
    difference = (prepare(preprocessing, image) - transform(image)).abs()
    check_close(difference, 0.5)


@pytest.fixture
def preprocessing():
    """Make the preprocessing of a small CLIP."""
    return Preprocessing(
        size=(32, 32),
        resized=(32, 32),
        resize_mode="shortest",
        interpolation="bicubic",
        mean=HALF,
        std=HALF,
    )


def test_floats_are_clipped(preprocessing):
    """Bicubic resampling overshoots at edges; pixels stay in [0, 1]."""
    images = torch.zeros(1, 3, 8, 8)
    images[..., 4:] = 1
    fitted = preprocessing.resize(images)
    assert (fitted.min(), fitted.max()) == (0, 1)
    assert torch.equal(preprocessing.resize((images * 255).byte()), fitted)


def test_own_size_is_left_alone(preprocessing):
    """An image of the encoder's size is not resampled."""
    images = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    assert torch.equal(preprocessing.resize(images), images / 255)


def test_strips_are_stretched(preprocessing):
    """A row of features is not cropped to its middle: all of it is seen."""
    strip = torch.linspace(0, 1, 64).reshape(1, 1, 1, 64)
    fitted = preprocessing.resize(strip)
    assert fitted.shape == (1, 1, 32, 32)
    assert fitted.min() < 0.05
    assert fitted.max() > 0.95


def test_batches_are_images_one_by_one(preprocessing):
    """Each image of a batch comes out as it would alone."""
    for images in (torch.rand(3, 3, 20, 50), torch.rand(3, 1, 50, 20)):
        alone = torch.cat([preprocessing.resize(image[None]) for image in images])
        torch.testing.assert_close(preprocessing.resize(images), alone)
