"""Tests of the one door: every accepted kind of input, and the refused ones."""

import pickle

import numpy as np
import pytest
import scipy.sparse
import torch
from PIL import Image

from sklearn_mfavb.images import is_table, open_images

pd = pytest.importorskip("pandas")

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 6, 6, 3), dtype=np.uint8)
EXPECTED = IMAGES.transpose(0, 3, 1, 2)


def read_all(source):
    """Return all images of a source at their native size."""
    return source.read(range(len(source)), source.image_size)


class NotAnArray:
    """Something that only knows how to become an array."""

    def __array__(self, dtype=None, copy=None):
        """Return the images."""
        return IMAGES


ROWS = IMAGES.reshape(5, -1)

KINDS = {
    "NHWC": lambda paths: IMAGES,
    "NCHW": lambda paths: EXPECTED,
    "Fortran order": lambda paths: np.asfortranarray(IMAGES),
    "big endian": lambda paths: IMAGES.astype(">u1"),
    "tensor": lambda paths: torch.from_numpy(IMAGES),
    "rows": lambda paths: ROWS,
    "dataframe": lambda paths: pd.DataFrame(ROWS),
    "array-like": lambda paths: NotAnArray(),
    "list of arrays": lambda paths: list(IMAGES),
    "tuple of tensors": lambda paths: tuple(torch.from_numpy(EXPECTED)),
    "object array": lambda paths: _objects(list(IMAGES)),
    "PIL images": lambda paths: [Image.fromarray(image) for image in IMAGES],
    "list of paths": lambda paths: paths,
    "array of paths": lambda paths: np.array([str(path) for path in paths]),
    "object array of paths": lambda paths: _objects(paths),
    "series of paths": lambda paths: pd.Series([str(path) for path in paths]),
    "folder": lambda paths: paths[0].parent,
}


def _objects(items):
    """Return a one-dimensional array of objects."""
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array


@pytest.fixture
def paths(tmp_path):
    """Return the images' files."""
    files = [tmp_path / f"{index}.png" for index in range(len(IMAGES))]
    for file, image in zip(files, IMAGES, strict=True):
        Image.fromarray(image).save(file)
    return files


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_gives_the_same_pixels(kind, paths):
    """Whatever holds the images, they are read alike, at native and other sizes."""
    source = open_images(KINDS[kind](paths))
    assert (len(source), source.n_channels, source.image_size) == (5, 3, (6, 6))
    assert (source.paths is not None) == ("path" in kind or kind == "folder")
    batch = read_all(source)
    assert batch.dtype == torch.uint8
    np.testing.assert_array_equal(batch, EXPECTED)
    some = source.read([4, 1], (7, 3))
    assert torch.equal(some, open_images(IMAGES).read([4, 1], (7, 3)))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_fits_every_format(kind, paths):
    """What was learned from one kind of input reads all others."""
    for fitted in (IMAGES, EXPECTED, list(paths), ROWS):
        new = KINDS[kind](paths)
        # Rows for a format with channels first are read with channels first.
        if fitted is EXPECTED and kind in ("rows", "dataframe"):
            new = EXPECTED.reshape(5, -1)
        source = open_images(new, format=open_images(fitted).format)
        np.testing.assert_array_equal(read_all(source), EXPECTED)


def test_lists_of_numbers():
    """Lists of lists of numbers are rows."""
    rows = [[0.0, 0.25, 0.5, 1.0], [1.0, 0.0, 0.0, 0.0]]
    assert read_all(open_images(rows)).flatten(1).tolist() == rows


def test_objects_that_are_numbers():
    """Objects that are numbers are converted."""
    rows = np.array([[0.0, 0.25, 0.5, 1.0]], dtype=object)
    assert read_all(open_images(rows)).flatten().tolist() == rows[0].tolist()


def test_bfloat16():
    """Tensors of a type that NumPy lacks are read too."""
    images = torch.eye(6).expand(2, 6, 6).to(torch.bfloat16)
    torch.testing.assert_close(read_all(open_images(images))[:, 0], images.float())


def test_tensors_with_gradients():
    """Tensors that ask for gradients are read without them."""
    assert not read_all(
        open_images(torch.rand(2, 6, 6, requires_grad=True))
    ).requires_grad


@pytest.mark.gpu
def test_tensors_on_a_gpu():
    """Tensors on a GPU are read into main memory."""
    batch = read_all(open_images(torch.from_numpy(IMAGES).cuda()))
    np.testing.assert_array_equal(batch, EXPECTED)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_memory_maps_are_not_copied(tmp_path, dtype):
    """A memory map stays one, rows and images alike."""
    np.save(tmp_path / "images.npy", np.zeros((6, 25), dtype=dtype))
    rows = np.load(tmp_path / "images.npy", mmap_mode="r")
    for images in (rows, rows.reshape(6, 5, 5), rows.reshape(6, 5, 5, 1)):
        source = open_images(images)
        assert isinstance(source.images, np.memmap)
        assert np.shares_memory(source.images, rows)
        assert source.read([5, 0], (5, 5)).shape == (2, 1, 5, 5)


def test_arrays_and_tensors_are_not_copied():
    """Arrays and tensors are read where they are, and batches are copies."""
    images = IMAGES.copy()
    for given in (images, torch.from_numpy(images)):
        source = open_images(given)
        assert np.shares_memory(source.images, images)
        read_all(source).zero_()
    np.testing.assert_array_equal(images, IMAGES)


def test_resizing_is_antialiased():
    """Shrinking averages: a fine chessboard becomes grey, in bytes and floats."""
    board = np.indices((16, 16)).sum(axis=0)[None] % 2
    floats = open_images(board.astype(np.float32)).read([0], (4, 4))
    whole = open_images(board.astype(np.uint8) * 255).read([0], (4, 4))
    torch.testing.assert_close(floats, torch.full((1, 1, 4, 4), 0.5), atol=0.01, rtol=0)
    assert (whole.int() - 127).abs().max() <= 1


def test_verifying_arrays_does_nothing():
    """Arrays were checked whole already."""
    source = open_images(IMAGES)
    source.verify((4, 4))
    assert source.unreadable == {}


def test_sources_and_formats_pickle():
    """Sources on arrays and formats survive pickling."""
    source = open_images(IMAGES)
    copy = pickle.loads(pickle.dumps(source))
    assert copy.format == source.format
    assert hash(copy.format) == hash(source.format)
    assert torch.equal(read_all(copy), read_all(source))


@pytest.mark.parametrize(
    ("X", "seen"),
    [
        (None, "NoneType"),
        (3, "type int"),
        ({"a": 1}, "type dict"),
        (iter([1, 2]), "list_iterator.*map-style"),
        (Image.new("L", (4, 4)), r"Pass one image as \[image\]"),
        (["a.png", None], "NoneType and path"),
        ([np.zeros((4, 4)), "a.png"], "array and path"),
        ([{"a": 1}], "sequence of dict"),
        ([["a", "b"]], "type <U1"),
        (np.array([["a", "b"]]), "type <U1"),
        (np.zeros((3, 4), dtype="M8[s]"), "type datetime64"),
    ],
)
def test_refused_types(X, seen):
    """Input of no accepted kind is refused with what was seen."""
    with pytest.raises(TypeError, match=seen):
        open_images(X)


@pytest.mark.parametrize(
    ("X", "seen"),
    [
        ([], r"0 sample\(s\)"),
        ([1, 2, 3], "1 dimension"),
        (np.arange(3.0), "1 dimension"),
        (torch.zeros(3), "1 dimension"),
        ([[1, 2], [3]], "do not make an array"),
        (np.zeros((2, 4), dtype=complex), "Complex data not supported"),
        (torch.zeros((2, 4), dtype=torch.complex64), "Complex data not supported"),
    ],
)
def test_refused_values(X, seen):
    """Input of an accepted kind that holds no images is refused with the reason."""
    with pytest.raises(ValueError, match=seen):
        open_images(X)


@pytest.mark.parametrize(
    "X", [scipy.sparse.eye(4, format="csr"), torch.eye(4).to_sparse()]
)
def test_sparse_input(X):
    """Sparse input is refused."""
    with pytest.raises(TypeError, match="Sparse input"):
        open_images(X)


@pytest.mark.parametrize(
    ("X", "expected"),
    [
        (ROWS, True),
        (ROWS.astype(object), True),
        (torch.from_numpy(ROWS), True),
        (pd.DataFrame(ROWS), True),
        ([[0, 1], [1, 0]], True),
        ([np.zeros(3), np.ones(3)], True),
        (IMAGES, False),
        (list(IMAGES), False),
        (IMAGES[..., 0].tolist(), False),
        (np.array([["a", "b"]]), False),
        (["a.png"], False),
        (pd.Series(["a.png"]), False),
        ("folder", False),
        ([], False),
        (None, False),
        (scipy.sparse.eye(4), False),
    ],
)
def test_is_table(X, expected):
    """Rows of features are told from pictures of every kind."""
    assert is_table(X) is expected
