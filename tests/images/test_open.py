"""Tests of opening images: every accepted kind of input, and the refused ones."""

import numpy as np
import pytest
import scipy.sparse
import torch
from PIL import Image

from sklearn_mfavb.images import Reading, is_table, open_images

pd = pytest.importorskip("pandas")

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 6, 6, 3), dtype=np.uint8)
EXPECTED = IMAGES.transpose(0, 3, 1, 2)
ROWS = IMAGES.reshape(5, -1)


def read_all(source):
    """Return all images of a source at their native size."""
    return source.read(range(len(source)), source.image_size)


class OnDisk:
    """An array as h5py has it: slices or ascending indices, and slow if read whole."""

    chunks = None

    def __init__(self, array):
        self._array = array
        self.shape, self.dtype, self.ndim = array.shape, array.dtype, array.ndim

    def __len__(self):
        return len(self._array)

    def __getitem__(self, key):
        assert isinstance(key, slice) or (np.diff(key) > 0).all()
        return self._array[key]

    def __array__(self, dtype=None, copy=None):
        raise AssertionError("it is read whole")


def objects(items):
    """Return a one-dimensional array of objects."""
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array


KINDS = {
    "NHWC": lambda paths: IMAGES,
    "NCHW": lambda paths: EXPECTED,
    "tensor": lambda paths: torch.from_numpy(IMAGES),
    "on disk": lambda paths: OnDisk(IMAGES),
    "rows": lambda paths: ROWS,
    "rows on disk": lambda paths: OnDisk(ROWS),
    "dataframe": lambda paths: pd.DataFrame(ROWS),
    "list of arrays": lambda paths: list(IMAGES),
    "tuple of tensors": lambda paths: tuple(torch.from_numpy(EXPECTED)),
    "object array": lambda paths: objects(list(IMAGES)),
    "PIL images": lambda paths: [Image.fromarray(image) for image in IMAGES],
    "list of paths": lambda paths: paths,
    "array of paths": lambda paths: np.array([str(path) for path in paths]),
    "object array of paths": lambda paths: objects(paths),
    "series of paths": lambda paths: pd.Series([str(path) for path in paths]),
    "frame of one column of paths": lambda paths: pd.DataFrame({"path": paths}),
    "folder": lambda paths: paths[0].parent,
}


@pytest.fixture
def paths(tmp_path):
    """Return the images' files."""
    for number, image in enumerate(IMAGES):
        Image.fromarray(image).save(tmp_path / f"{number}.png")
    return sorted(tmp_path.iterdir())


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_gives_the_same_pixels(kind, paths):
    """Whatever holds the images, they are read alike, and by any format."""
    source = open_images(KINDS[kind](paths))
    assert (len(source), source.n_channels, source.image_size) == (5, 3, (6, 6))
    assert (source.paths is not None) == ("path" in kind or kind == "folder")
    assert read_all(source).dtype == torch.uint8
    np.testing.assert_array_equal(read_all(source), EXPECTED)
    some = source.read([4, 1, 4], (7, 3))
    assert torch.equal(some, open_images(IMAGES).read([4, 1, 4], (7, 3)))
    for fitted in (IMAGES, EXPECTED, paths, ROWS):
        new = KINDS[kind](paths)
        # Rows for a format with channels first are read with channels first.
        if fitted is EXPECTED and kind in ("rows", "rows on disk", "dataframe"):
            new = EXPECTED.reshape(5, -1)
        source = open_images(new, format=open_images(fitted).format)
        np.testing.assert_array_equal(read_all(source), EXPECTED)


@pytest.mark.parametrize("rows", [[[0.0, 0.25, 0.5, 1.0]], objects([0.5])[:, None]])
def test_numbers_in_lists_and_objects(rows):
    """Lists of lists of numbers, and objects that are numbers, are rows."""
    assert read_all(open_images(rows)).flatten(1).tolist() == np.array(rows).tolist()


def test_tensors_of_other_kinds():
    """Tensors of a type that NumPy lacks are read, and gradients are left out."""
    images = torch.eye(6).expand(2, 6, 6).to(torch.bfloat16)
    torch.testing.assert_close(read_all(open_images(images))[:, 0], images.float())
    images = torch.rand(2, 6, 6, requires_grad=True)
    assert not read_all(open_images(images)).requires_grad


@pytest.mark.gpu
def test_tensors_on_a_gpu():
    """Tensors on a GPU are read into main memory."""
    batch = read_all(open_images(torch.from_numpy(IMAGES).cuda()))
    np.testing.assert_array_equal(batch, EXPECTED)


def test_a_folder_that_cross_validation_took_apart():
    """Letters of its path are no files; the error tells what to pass."""
    with pytest.raises(ValueError, match=r"list_images\(folder\)"):
        open_images(list("photos"))


def test_missing_paths(paths):
    """A missing path is an error that names the row, or skipped."""
    for missing in (None, np.nan, pd.NA):
        column = pd.Series([str(paths[0]), missing, str(paths[1])], dtype=object)
        with pytest.raises(ValueError, match=r"image 1 .*its path is missing"):
            open_images(column)
        source = open_images(column, reading=Reading(on_error="skip"))
        assert list(source.unreadable) == [1]


@pytest.mark.parametrize(
    ("error", "X", "seen"),
    [
        (TypeError, None, "NoneType"),
        (TypeError, 3, "type int"),
        (TypeError, {"a": 1}, "type dict"),
        (TypeError, {"train": [1], "test": [2]}, r"type dict.*X\['train'\]"),
        (TypeError, iter([1, 2]), "list_iterator.*map-style"),
        (TypeError, Image.new("L", (4, 4)), r"Pass one image as \[image\]"),
        (TypeError, ["a.png", 3], "number and path"),
        (TypeError, [np.zeros((4, 4)), "a.png"], "array and path"),
        (TypeError, [{"a": 1}], "sequence of dict"),
        (TypeError, [["a", "b"]], "type <U1"),
        (TypeError, np.array([["a", "b"]]), "type <U1"),
        (TypeError, np.zeros((3, 4), dtype="M8[s]"), "type datetime64"),
        (TypeError, scipy.sparse.eye(4, format="csr"), "Sparse input"),
        (TypeError, torch.eye(4).to_sparse(), "Sparse input"),
        (ValueError, [], r"0 sample\(s\)"),
        (ValueError, np.zeros((0, 4, 4)), r"0 sample\(s\)"),
        (ValueError, np.zeros((3, 0, 4)), r"0 feature\(s\)"),
        (ValueError, np.zeros((3, 0)), r"0 feature\(s\)"),
        (ValueError, [1, 2, 3], "1 dimension"),
        (ValueError, [None], "its path is missing"),
        (ValueError, torch.zeros(3), "1 dimension"),
        (ValueError, np.zeros((2, 2, 2, 2, 2)), "5 dimension"),
        (ValueError, [[1, 2], [3]], "inhomogeneous"),
        (ValueError, np.zeros((2, 4), dtype=complex), "Complex data not supported"),
    ],
)
def test_refused(error, X, seen):
    """What is no images is refused with what was seen."""
    with pytest.raises(error, match=seen):
        open_images(X)


@pytest.mark.parametrize(
    "wrong",
    [
        {"image_shape": (4,)},
        {"image_shape": (-1, -1)},
        {"image_shape": (0, 4)},
        {"image_shape": 16},
        {"channel_axis": 2},
        {"on_error": "ignore"},
        {"resize": "zoom"},
        {"pixel_range": "max"},
        {"pixel_range": (1, 0)},
        {"pixel_range": (0, np.nan)},
        {"pixel_range": (0, 1, 2)},
    ],
)
def test_wrong_parameters(wrong):
    """A wrong parameter is refused by its name."""
    with pytest.raises(ValueError, match=f"{next(iter(wrong))}.* must be"):
        open_images(IMAGES, reading=Reading(**wrong))


@pytest.mark.parametrize(
    ("X", "expected"),
    [
        (ROWS, True),
        (ROWS.astype(object), True),
        (ROWS[:, :1].astype(object), True),
        (torch.from_numpy(ROWS), True),
        (pd.DataFrame(ROWS), True),
        ([[0, 1], [1, 0]], True),
        ([np.zeros(3), np.ones(3)], True),
        (OnDisk(ROWS), False),
        (IMAGES, False),
        (list(IMAGES), False),
        (IMAGES[..., 0].tolist(), False),
        (np.array([["a", "b"]]), False),
        (pd.DataFrame({"path": ["a.png"]}), False),
        (["a.png"], False),
        (pd.Series(["a.png"]), False),
        ("folder", False),
        ([], False),
        (None, False),
        (scipy.sparse.eye(4), False),
    ],
)
def test_is_table(X, expected):
    """Rows of features are told from images of every kind."""
    assert is_table(X) is expected


def test_torch_defaults_change_nothing():
    """Sources work the same inside inference mode and with double precision."""
    expected = open_images(IMAGES).read([0, 1], (4, 4))
    pictures = [Image.fromarray(image) for image in IMAGES]
    torch.set_default_dtype(torch.float64)
    try:
        for X in (IMAGES, [*IMAGES[:2], IMAGES[0, :2]], pictures):
            with torch.inference_mode():
                source = open_images(X)
                source.keep((4, 4))
                assert torch.equal(source.read([0], (4, 4)), expected[:1])
            assert torch.equal(source.read([0, 1], (4, 4)), expected)
        floats = open_images([IMAGES[0] / 255, IMAGES[0, :2] / 255])
        assert floats.read([0], (4, 4)).dtype == torch.float32
    finally:
        torch.set_default_dtype(torch.float32)
