"""Any input is read as what it is, or refused in words; labels go with the rows."""

import traceback
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skorch
import torch
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

from sklearn_mfavb import Reading, VTCCClustering
from sklearn_mfavb.backbones import ViT
from sklearn_mfavb.images import open_images

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
# The same examples every time: a failure is a failure for everyone.
fixed = settings(
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
reading = settings(fixed, max_examples=150)
fitting = settings(fixed, max_examples=8)

DOCUMENTED = (TypeError, ValueError, OSError)
NOT_OURS = tuple(str(Path(module.__file__).parent) for module in (torch, skorch))
PIXELS = ["uint8", "bool", "float16", "float32", "float64"]
NUMBERS = [*PIXELS, "int8", "int16", "uint16", "int64", ">f4", ">u2"]
OTHERS = ["complex64", "datetime64[s]", "S3", "U3"]


def attempt(function):
    """Return what a function gives, or None if it refuses in documented words."""
    try:
        return function()
    except DOCUMENTED as error:
        raised_in = traceback.extract_tb(error.__traceback__)[-1].filename
        assert not raised_in.startswith(NOT_OURS), f"{raised_in}: {error}"
        assert len(str(error)) > 10, repr(error)
        return None


def draw_pixels(shape, dtype, seed):
    values = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    if np.dtype(dtype).kind in "fb":
        return (values / 255).round(0 if dtype == "bool" else 3).astype(dtype)
    return values.astype(dtype)


@st.composite
def pictures(draw, dtypes=PIXELS, fewest=1):
    """Draw batches of pictures, with channels first, last or none."""
    n = draw(st.integers(fewest, 6))
    height, width = draw(st.tuples(*[st.integers(5, 9)] * 2))
    n_channels = draw(st.sampled_from([1, 3, 4]))
    size = (height, width)
    shapes = [size, (*size, n_channels), (n_channels, *size)]
    shape = (n, *draw(st.sampled_from(shapes)))
    seed = draw(st.integers(0, 2**32 - 1))
    return draw_pixels(shape, draw(st.sampled_from(dtypes)), seed)


def as_channels_first(images):
    """Reshape pictures by the rules that the documentation states."""
    if images.ndim == 3:
        return images[:, None]
    is_last = images.shape[-1] in (1, 3, 4)
    return np.moveaxis(images, -1, 1) if is_last else images


def read_all(X, **options):
    source = open_images(X, reading=Reading(**options))
    source.verify(source.image_size)
    return source.read(range(len(source)), source.image_size)


def strided(images):
    apart = np.zeros([2 * length for length in images.shape], dtype=images.dtype)
    view = apart[tuple(slice(None, None, -2) for _ in images.shape)]
    view[...] = images
    return view


def mapped(images, folder):
    path = folder / "images.npy"
    np.save(path, images)
    return np.load(path, mmap_mode="r")


LAYOUTS = {
    "Fortran": lambda images, folder: np.asfortranarray(images),
    "strided": lambda images, folder: strided(images),
    "read-only": lambda images, folder: np.broadcast_to(images, images.shape),
    "big endian": lambda images, folder: images.astype(images.dtype.newbyteorder(">")),
    "memory map": mapped,
    "tensor": lambda images, folder: torch.from_numpy(images.copy()),
    "list": lambda images, folder: list(images),
    "tuple of tensors": lambda images, folder: tuple(torch.from_numpy(images.copy())),
    "objects": lambda images, folder: pd.Series(list(images)).to_numpy(),
    "series": lambda images, folder: pd.Series(list(images)),
}


@reading
@given(images=pictures(), data=st.data())
def test_pictures_are_read_as_they_are(images, data):
    """Channels first, as bytes or in [0, 1], and rows in any order."""
    pixels = read_all(images)
    expected = as_channels_first(images)
    assert pixels.dtype == (torch.uint8 if images.dtype == np.uint8 else torch.float32)
    assert_array_equal(pixels.numpy(), expected.astype(pixels.numpy().dtype))
    rows = data.draw(st.lists(st.integers(0, len(images) - 1), min_size=1, max_size=8))
    source = open_images(images)
    assert_array_equal(source.read(rows, source.image_size), pixels[rows])


@reading
@given(images=pictures(), layout=st.sampled_from(sorted(LAYOUTS)))
def test_layouts_and_containers_do_not_matter(images, layout, tmp_path):
    other = LAYOUTS[layout](images, tmp_path)
    before = np.array(images)
    assert_allclose(read_all(other), read_all(images), atol=1e-6)
    assert_array_equal(images, before)


@settings(reading, max_examples=40)
@given(images=pictures(dtypes=["uint8"]), suffix=st.sampled_from([".png", ".bmp"]))
def test_files_pictures_and_arrays_are_alike(images, suffix, tmp_path):
    channels_first = as_channels_first(images)
    assume(channels_first.shape[1] in (1, 3))
    items = [Image.fromarray(np.moveaxis(i, 0, -1).squeeze()) for i in channels_first]
    is_gray = all(item.mode == "L" for item in items)
    assume(is_gray or channels_first.shape[1] == 3)
    paths = [tmp_path / f"größe {number}{suffix}" for number in range(len(items))]
    for path, item in zip(paths, items, strict=True):
        item.save(path)
    for X in (items, paths, [str(path) for path in paths], np.array(paths, dtype=str)):
        assert_array_equal(read_all(X), channels_first)


@reading
@given(images=pictures(), kind=st.sampled_from([np.asarray, pd.DataFrame]))
def test_rows_with_a_shape_are_pictures(images, kind):
    rows = kind(images.reshape(len(images), -1))
    pixels = read_all(rows, image_shape=images.shape[1:])
    assert_array_equal(pixels, read_all(images))


@reading
@given(
    images=pictures(dtypes=["float16", "float32", "float64"]),
    value=st.sampled_from([np.nan, np.inf, -np.inf]),
    pixel_range=st.sampled_from(["auto", "data", (0, 255)]),
    data=st.data(),
)
def test_one_value_that_is_no_number_is_refused(images, value, pixel_range, data):
    """NaN or infinity anywhere is named, whatever the range of the pixels."""
    images.flat[data.draw(st.integers(0, images.size - 1))] = value
    for X in (images, torch.from_numpy(images), list(images)):
        with pytest.raises(ValueError, match=r"NaN|infinity"):
            open_images(X, reading=Reading(pixel_range=pixel_range))


SHAPES = hnp.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=6)
OBJECTS = hnp.arrays(object, SHAPES, elements=st.sampled_from([None, "a", 1, 2.5]))


@reading
@given(
    X=hnp.arrays(st.sampled_from([*NUMBERS, *OTHERS]), SHAPES) | OBJECTS,
    pixel_range=st.sampled_from(["auto", "data", (0, 255), (-1.0, 1.0)]),
    channel_axis=st.sampled_from([None, 1, -1]),
    is_tensor=st.booleans(),
)
@example(np.zeros((2, 4, 4)) * np.nan, "data", None, False)
@example(np.full((2, 4, 4), np.inf), "auto", None, True)
@example(np.zeros((0, 4, 4)), "auto", None, True)
def test_any_array_is_read_or_refused(X, pixel_range, channel_axis, is_tensor):
    """Of any type and shape: finite pixels for every row, or words."""
    if is_tensor and X.dtype.isnative and X.dtype.kind in "biuf":
        X = torch.from_numpy(X.copy())
    pixels = attempt(
        lambda: read_all(X, pixel_range=pixel_range, channel_axis=channel_axis)
    )
    if pixels is not None:
        assert len(pixels) == len(X)
        assert pixels.ndim == 4
        assert pixels.float().isfinite().all()


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(alphabet="a é\0\udcff", max_size=3)  # no path that could be there
    | st.binary(max_size=3)
    | hnp.arrays("uint8", hnp.array_shapes(min_dims=0, max_dims=4, max_side=5))
    | st.builds(Image.new, st.sampled_from("L1P"), st.just((3, 4)))
    | st.sampled_from([int, object(), np.float32(1), Path("missing"), pd.NA]),
    lambda items: (
        st.lists(items, max_size=4)
        | st.tuples(items, items)
        | st.dictionaries(st.text(max_size=3), items, max_size=3)
    ),
    max_leaves=8,
)


def test_a_list_of_numbers_in_arrays_is_refused():
    assert attempt(lambda: read_all([np.array(0, dtype=np.uint8)] * 2)) is None


@settings(reading, max_examples=300)
@given(X=ANYTHING, on_error=st.sampled_from(["raise", "skip"]))
def test_anything_is_read_or_refused(X, on_error):
    """Objects of any kind, ragged and mixed lists: images for every item, or words."""
    pixels = attempt(lambda: read_all(X, on_error=on_error))
    assert pixels is None or len(pixels) == len(X)


def make_quick(**parameters):
    vit = ViT(embed_dim=16, n_heads=2)
    return VTCCClustering(2, backbone=vit, max_epochs=1, random_state=0, **parameters)


@fitting
@given(images=pictures(fewest=2), layout=st.sampled_from(sorted(LAYOUTS)))
def test_labels_do_not_depend_on_the_layout(images, layout, tmp_path):
    other = make_quick().fit(LAYOUTS[layout](images, tmp_path))
    assert_array_equal(other.labels_, make_quick().fit(images).labels_)
    assert_array_equal(other.predict(images), other.labels_)


@settings(fitting, max_examples=30)
@given(X=hnp.arrays(st.sampled_from(NUMBERS), SHAPES.filter(len)) | ANYTHING)
def test_any_input_is_fitted_or_refused(X):
    """Refusal leaves nothing behind; acceptance gives every item a label."""
    clusterer = make_quick()
    before = set(vars(clusterer))
    fitted = attempt(lambda: clusterer.fit(X))
    if fitted is None:
        assert set(vars(clusterer)) == before
    else:
        assert len(clusterer.labels_) == len(X)


@pytest.fixture(scope="module")
def fitted():
    return make_quick().fit(draw_pixels((6, 8, 8, 3), "uint8", 0))


@settings(reading, max_examples=60)
@given(X=st.one_of(pictures(dtypes=NUMBERS), ANYTHING))
def test_any_input_is_predicted_or_refused(fitted, X):
    """A fitted estimator labels every image that suits it, and refuses the rest."""
    labels = attempt(lambda: fitted.predict(X))
    if labels is not None:
        assert labels.shape == (len(X),)
        assert set(labels) <= {0, 1}
