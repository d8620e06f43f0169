"""Tests of the crop, the flips, the turns and the affine changes."""

import math

import pytest
import torch

from sklearn_mfavb.augmentation import AffineCrop

oracle = pytest.importorskip("torchvision.transforms.v2.functional")


def row(parameters, index):
    """Return the drawn numbers of one image as plain numbers by name."""
    return {name: drawn[index].item() for name, drawn in parameters._asdict().items()}


def crop_flip_and_turn(image, drawn):
    """Return what torchvision makes of one image's box, flips and quarter turns."""
    size = list(image.shape[-2:])
    box = [int(drawn[name]) for name in ("top", "left", "height", "width")]
    crop = oracle.crop(image, *box)
    if drawn["horizontal_flip"]:
        crop = oracle.horizontal_flip(crop)
    if drawn["vertical_flip"]:
        crop = oracle.vertical_flip(crop)
    crop = torch.rot90(crop, k=drawn["quarter_turns"], dims=(-2, -1))
    return oracle.resize(crop, size, antialias=False)


@pytest.mark.parametrize("shape", [(16, 3, 32, 32), (16, 1, 24, 40), (16, 5, 7, 9)])
@pytest.mark.parametrize("quarter_turns", [False, True])
def test_crop_flips_and_turns_equal_torchvision(shape, quarter_turns):
    """One resampling pass equals crop, flips, turn and resize, image by image."""
    images = torch.rand(*shape)
    transform = AffineCrop(vertical_flip_probability=0.5, quarter_turns=quarter_turns)
    parameters = transform.draw(images)
    augmented = transform.apply(images, parameters)
    for index, image in enumerate(images):
        expected = crop_flip_and_turn(image, row(parameters, index))
        torch.testing.assert_close(augmented[index], expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("height, width", [(20, 20), (16, 28)])
def test_affine_equals_torchvision_on_replicated_borders(height, width):
    """Rotation, shear and translation have the signs and center of torchvision."""
    images = torch.rand(12, 3, height, width)
    transform = AffineCrop(
        scale=(1.0, 1.0),
        ratio=(width / height, width / height),
        horizontal_flip_probability=0.0,
        max_rotation=30.0,
        max_shear=10.0,
        max_shift=0.1,
    )
    parameters = transform.draw(images)
    augmented = transform.apply(images, parameters)
    padded = torch.nn.functional.pad(images, (width,) * 4, mode="replicate")
    for index, image in enumerate(padded):
        drawn = row(parameters, index)
        expected = oracle.affine(
            image,
            angle=drawn["rotation"],
            translate=[drawn["shift_x"] * width, drawn["shift_y"] * height],
            scale=1.0,
            shear=[drawn["shear"], 0.0],
            interpolation=oracle.InterpolationMode.BILINEAR,
        )
        expected = oracle.center_crop(expected, [height, width])
        torch.testing.assert_close(augmented[index], expected, atol=2e-5, rtol=0)


def test_boxes_are_whole_pixels_inside_the_image_with_the_asked_area_and_ratio():
    """Boxes fit, keep the area and aspect ranges up to rounding, and spread."""
    scale, ratio = (0.2, 0.9), (3 / 4, 4 / 3)
    images = torch.empty(4000, 1, 100, 100)
    boxes = AffineCrop(scale=scale, ratio=ratio).draw(images)
    for values in boxes[:4]:
        assert torch.equal(values, values.round())
    assert ((boxes.top >= 0) & (boxes.top + boxes.height <= 100)).all()
    assert ((boxes.left >= 0) & (boxes.left + boxes.width <= 100)).all()
    area = boxes.height * boxes.width / 100**2
    assert scale[0] - 0.01 < area.min() < scale[0] + 0.02
    assert scale[1] - 0.05 < area.max() < scale[1] + 0.01
    aspect = boxes.width / boxes.height
    assert ratio[0] - 0.03 < aspect.min() and aspect.max() < ratio[1] + 0.03
    assert aspect.log().mean().abs() < 0.02


def test_boxes_follow_the_distribution_of_torchvision():
    """Means and deviations of the boxes agree with torchvision's own sampler."""
    transforms = pytest.importorskip("torchvision.transforms.v2")
    height, width = 40, 60
    images = torch.empty(1500, 1, height, width)
    reference = transforms.RandomResizedCrop(8, scale=(0.08, 1.0))
    expected = [reference.make_params([images[0]]) for _ in range(1500)]
    boxes = AffineCrop().draw(images)
    for name in ("top", "left", "height", "width"):
        values = getattr(boxes, name)
        torchvision_values = torch.tensor([float(box[name]) for box in expected])
        # Five standard errors of the difference of two means of 1,500 draws.
        tolerance = 5 * torchvision_values.std() * math.sqrt(2 / 1500)
        assert abs(values.mean() - torchvision_values.mean()) < tolerance, name
        deviation = torchvision_values.std().item()
        assert values.std().item() == pytest.approx(deviation, rel=0.1), name


@pytest.mark.parametrize(
    "height, width, box", [(10, 100, (0, 43, 10, 13)), (100, 10, (43, 0, 13, 10))]
)
def test_boxes_that_never_fit_become_the_central_crop(height, width, box):
    """An elongated image whose whole area is asked for is cropped at its center."""
    images = torch.empty(3, 1, height, width)
    boxes = AffineCrop(scale=(1.0, 1.0)).draw(images)[:4]
    assert torch.stack(boxes, dim=1).tolist() == [[float(x) for x in box]] * 3


def test_flip_probabilities_of_zero_and_one_are_certain():
    """Probability 1 mirrors every image, probability 0 none."""
    images = torch.rand(6, 3, 8, 8)
    settings = dict(scale=(1.0, 1.0), ratio=(1.0, 1.0))
    never = AffineCrop(**settings, horizontal_flip_probability=0.0)
    always = AffineCrop(**settings, horizontal_flip_probability=1.0)
    torch.testing.assert_close(never(images), images, atol=1e-6, rtol=0)
    torch.testing.assert_close(always(images), images.flip(-1), atol=1e-6, rtol=0)


def test_images_may_be_seen_beyond_the_crop_only_when_warped():
    """A turned crop shows the image around it; a plain crop never does."""
    images = torch.zeros(1, 1, 32, 32)
    images[..., 8:24, 8:24] = 1.0
    plain = AffineCrop(horizontal_flip_probability=0.0)
    warped = AffineCrop(horizontal_flip_probability=0.0, max_rotation=45.0)
    drawn = plain.draw(images)
    start, side = torch.tensor([8.0]), torch.tensor([16.0])
    drawn = drawn._replace(top=start, left=start, height=side, width=side)
    assert plain.apply(images, drawn).min() == 1.0
    tilted = drawn._replace(rotation=torch.tensor([45.0]))
    assert warped.apply(images, tilted).min() == 0.0
