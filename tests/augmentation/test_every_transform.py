"""What holds for all transforms: settings, small images, types, work in place."""

import pytest
import torch

from sklearn_mfavb.augmentation import (
    AUGMENTATIONS,
    AffineCrop,
    ColorJitter,
    GaussianBlur,
    Grayscale,
    Solarize,
    UserTransform,
    ViewAugmentation,
    make_views,
)
from sklearn_mfavb.views import View


@pytest.mark.parametrize(
    ("transform", "name", "value"),
    [
        (AffineCrop, "scale", (0.0, 1.0)),
        (AffineCrop, "scale", (0.5, 1.5)),
        (AffineCrop, "ratio", (2.0, 1.0)),
        (AffineCrop, "vertical_flip_probability", 1.5),
        (AffineCrop, "scale", [0.5, 0.2]),
        (AffineCrop, "max_shear", 90.0),
        (AffineCrop, "max_shift", float("nan")),
        (ColorJitter, "brightness", -0.1),
        (ColorJitter, "hue", 0.6),
        (ColorJitter, "probability", 2.0),
        (GaussianBlur, "sigma", (0.0, 1.0)),
        (GaussianBlur, "probability", 1.1),
        (Grayscale, "probability", -1.0),
        (Solarize, "threshold", 1.5),
    ],
)
def test_impossible_settings_are_refused_by_name(transform, name, value):
    """A setting outside its range raises ValueError naming it."""
    with pytest.raises(ValueError, match=f"`{name}`"):
        transform(**{name: value})


@pytest.mark.parametrize("shape", [(2, 3, 1, 64), (2, 1, 64, 3), (2, 3, 3, 3)])
@pytest.mark.parametrize(
    "transform",
    [
        AffineCrop(
            horizontal_flip_probability=1.0, quarter_turns=True, max_rotation=90.0
        ),
        GaussianBlur(probability=1.0),
    ],
)
def test_sides_below_four_pixels_are_left_alone(transform, shape):
    """Strips and specks are not mirrored, cropped, turned, warped or blurred."""
    images = torch.rand(*shape)
    assert torch.equal(transform(images), images)


@pytest.mark.parametrize(
    ("transform", "settings"),
    [(GaussianBlur, {"sigma": (1.0, 2.0)}), (Grayscale, {}), (Solarize, {})],
)
def test_probability_zero_and_one_are_certain(transform, settings):
    """Probability 0 changes no image and probability 1 changes every one."""
    images = torch.rand(16, 3, 16, 16)
    assert torch.equal(transform(**settings, probability=0.0)(images), images)
    changed = transform(**settings, probability=1.0)(images) != images
    assert changed.flatten(1).any(dim=1).all()


@pytest.mark.parametrize("name", AUGMENTATIONS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_default_type_of_torch_does_not_count(name, dtype):
    """Images keep their type, and get the same draws, whatever the default is."""
    images, drawn = torch.rand(8, 3, 64, 64, dtype=dtype), []
    try:
        for default in (torch.float64, torch.float32):
            torch.set_default_dtype(default)
            torch.manual_seed(0)
            views = make_views(name, (64, 64))
            drawn.append(torch.stack([view(images) for view in views]))
    finally:
        torch.set_default_dtype(torch.float32)
    assert drawn[0].dtype == dtype
    assert torch.equal(*drawn)


@pytest.mark.parametrize("function", [torch.Tensor.zero_, torch.nn.ReLU(inplace=True)])
def test_functions_that_work_in_place_leave_image_and_partner_alone(function):
    """A user's function is given images of its own."""
    images = torch.rand(2, 3, 4, 4) - 0.5
    before = images.clone()
    transform = UserTransform(function)
    view = ViewAugmentation(transform, lambda rows: rows)(View(images))
    assert not torch.equal(view.images, before)
    assert torch.equal(images, before)
