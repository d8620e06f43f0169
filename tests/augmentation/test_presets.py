"""Tests of the presets, of chains and of the user's own augmentations."""

import copy
import pickle

import pytest
import torch
from torch.utils._pytree import tree_leaves, tree_map

from sklearn_mfavb.augmentation import (
    AUGMENTATIONS,
    AffineCrop,
    ColorJitter,
    Compose,
    GaussianBlur,
    Identity,
    Solarize,
    make_views,
)

# The smallest shapes that take each path: with blur, without, gray, many channels.
SHAPES = [(6, 3, 64, 64), (6, 3, 16, 16), (6, 1, 12, 12), (6, 5, 8, 10)]

every_preset = pytest.mark.parametrize("name", AUGMENTATIONS)


def invert(images):
    """Return the negative: a user's function that pickles."""
    return 1 - images


class Scale(torch.nn.Module):
    """A user's module with a parameter and a count of its calls."""

    def __init__(self):
        super().__init__()
        self.factor = torch.nn.Parameter(torch.tensor(0.5))
        self.n_calls = 0

    def forward(self, images):
        """Return darker images."""
        self.n_calls += 1
        return images * self.factor


@every_preset
@pytest.mark.parametrize("shape", SHAPES)
def test_views_keep_shape_type_and_range_and_leave_the_input_alone(name, shape):
    """Both views are float32 in [0, 1] with the input's shape; the input stays."""
    images = torch.rand(*shape).round(decimals=1)  # many exact zeros and ones
    before = images.clone()
    for view in make_views(name, shape[-2:]):
        augmented = view(images)
        assert augmented.shape == images.shape
        assert augmented.dtype == torch.float32
        assert augmented.min() >= 0 and augmented.max() <= 1
        assert torch.equal(images, before)


@every_preset
def test_seeds_reproduce_and_the_fork_keeps_the_outer_state(name):
    """The global generator is the only source of randomness."""
    images = torch.rand(4, 3, 16, 16)
    view = make_views(name, (16, 16))[1]
    outer = torch.get_rng_state()
    results = []
    for seed in (3, 3, 4):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            results.append(view(images))
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[0], results[2]) == (name == "none")
    assert torch.equal(torch.get_rng_state(), outer)


@pytest.mark.parametrize("name", ["photographs", "aerial", "characters"])
def test_images_of_a_batch_are_changed_differently(name):
    """Copies of one image in a batch come out all different."""
    images = torch.rand(1, 3, 16, 16).expand(8, -1, -1, -1)
    augmented = make_views(name, (16, 16))[0](images)
    distances = torch.cdist(augmented.flatten(1), augmented.flatten(1))
    assert (distances + torch.eye(8) > 1e-3).all()


@every_preset
@pytest.mark.parametrize("image_size", [(16, 16), (64, 64)])
def test_parameters_have_one_row_per_image_and_no_step_reads_values(name, image_size):
    """On the meta device, which has no values, drawing and applying both work."""
    images = torch.empty(5, 3, *image_size, device="meta")
    for view in make_views(name, image_size):
        parameters = view.draw(images)
        assert all(tensor.shape == (5,) for tensor in tree_leaves(parameters))
        assert view.apply(images, parameters).shape == images.shape


@pytest.mark.parametrize("augmentation", [*AUGMENTATIONS, invert, Scale()])
@pytest.mark.parametrize("side", [16, 64])
def test_views_pickle_copy_and_replay(augmentation, side):
    """A view, pickled or copied too, does the same again with the same parameters."""
    images = torch.rand(3, 3, side, side)
    view = make_views(augmentation, (side, side))[1]
    parameters = view.draw(images)
    expected = view.apply(images, parameters)
    for twin in (view, pickle.loads(pickle.dumps(view)), copy.deepcopy(view)):
        assert repr(twin) == repr(view)
        assert torch.equal(twin.apply(images, parameters), expected)


@pytest.mark.parametrize("name", ["photographs", "aerial"])
@pytest.mark.parametrize(("side", "blurs"), [(63, False), (64, True)])
def test_presets_blur_large_photographs_and_solarize_the_second_view(name, side, blurs):
    """Blur starts at 64 pixels; the first view is never solarized."""
    views = make_views(name, (side, 100))
    first, second = ({type(step) for step in view.transforms} for view in views)
    assert (GaussianBlur in first) == blurs
    assert second - first == {Solarize}


def test_compose_applies_in_order():
    """The first transform acts first: inverting then darkening is not the reverse."""
    images = torch.full((1, 1, 2, 2), 0.8)
    dark, negative = make_views((Scale(), invert), (2, 2))
    torch.testing.assert_close(
        Compose(negative, dark)(images), torch.full_like(images, 0.1)
    )
    torch.testing.assert_close(
        Compose(dark, negative)(images), torch.full_like(images, 0.6)
    )


def test_our_own_transforms_are_used_as_they_are():
    """A transform keeps its draw and apply when given as augmentation."""
    jitter, crop = ColorJitter(brightness=0.1), AffineCrop()
    assert make_views(jitter, (8, 8)) == (jitter, jitter)
    assert make_views((jitter, crop), (8, 8)) == (jitter, crop)
    assert isinstance(make_views("none", (8, 8))[0], Identity)


def test_a_users_module_is_copied_and_run_without_gradients():
    """The user's module is never called or changed, and builds no graph."""
    module = Scale()
    first, _ = make_views(module, (4, 4))
    images = torch.rand(2, 3, 4, 4)
    view = first(images)
    torch.testing.assert_close(view, images / 2)
    assert not view.requires_grad
    assert module.n_calls == 0


@pytest.mark.parametrize(
    "function, seen",
    [
        (lambda images: images[:, :1], r"\(2, 1, 4, 4\)"),
        (lambda images: images[..., :2], r"\(2, 3, 4, 2\)"),
        (lambda images: (images * 255).to(torch.uint8), "uint8"),
        (lambda images: images.numpy(), "ndarray"),
        (lambda images: None, "NoneType"),
    ],
)
def test_a_users_augmentation_of_another_shape_is_refused(function, seen):
    """What cannot be a view raises ValueError naming the parameter and what came."""
    first, _ = make_views(function, (4, 4))
    with pytest.raises(ValueError, match=rf"`augmentation`.*{seen}"):
        first(torch.rand(2, 3, 4, 4))


def test_what_cannot_augment_is_refused():
    """A misspelt name with all that there are; what is not callable by its type."""
    with pytest.raises(ValueError, match="`augmentation`") as caught:
        make_views("photograph", (32, 32))
    assert all(repr(name) in str(caught.value) for name in AUGMENTATIONS)
    for augmentation in (3, None, (invert,), (invert, 3)):
        with pytest.raises(TypeError, match="`augmentation`"):
            make_views(augmentation, (32, 32))


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["photographs", "aerial", "characters"])
def test_devices_agree_and_nothing_waits_for_the_gpu(name):
    """The same parameters give the same images on a GPU, without synchronizing."""
    images = torch.rand(4, 3, 64, 64, device="cuda")
    view = make_views(name, (64, 64))[1]
    torch.cuda.set_sync_debug_mode("error")
    try:
        view(images)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    parameters = view.draw(images)
    on_gpu = view.apply(images, parameters).cpu()
    on_cpu = view.apply(images.cpu(), tree_map(torch.Tensor.cpu, parameters))
    # A pixel near solarization's threshold may flip between devices.
    assert ((on_gpu - on_cpu).abs() < 1e-4).float().mean() > 0.999
