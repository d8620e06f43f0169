"""Tests of images in files of arrays."""

import zipfile

import numpy as np
import pytest

from sklearn_mfavb.datasets import load_images

IMAGES = np.arange(3 * 4 * 5 * 3, dtype=np.uint8).reshape(3, 4, 5, 3)


@pytest.fixture
def write(tmp_path):
    """Return a function that writes arrays to a file; its keywords replace the good."""

    def write_arrays(**changes):
        arrays = {"images": IMAGES, "labels": np.array([2, 0, 1]), **changes}
        path = tmp_path / "set.npz"
        np.savez(path, **{k: v for k, v in arrays.items() if v is not None})
        return path

    return write_arrays


def test_everything_in_the_file_is_returned(write):
    """Images, labels as int64, names, the source, and features by name."""
    embedding = np.ones((3, 8), dtype=np.float16)
    path = write(
        labels=np.array([2, 0, 1], dtype=np.uint8),
        class_names=["a", "b", "c"],
        source="somewhere",
        clip_vitb16=embedding,
        mean=[0.1, 0.2, 0.3],
    )
    labeled = load_images(path)
    np.testing.assert_array_equal(labeled.images, IMAGES)
    assert labeled.target.dtype == np.int64
    assert labeled.target.tolist() == [2, 0, 1]
    assert labeled.target_names == ["a", "b", "c"]
    assert all(type(name) is str for name in labeled.target_names)
    assert labeled.source == f"somewhere ({path})"
    assert list(labeled.features) == ["clip_vitb16"]
    np.testing.assert_array_equal(labeled.features["clip_vitb16"], embedding)


def test_names_and_source_may_be_missing(write):
    """Labels are then their own names, and the path is the source.

    A note that was added to the archive is no feature.
    """
    path = write()
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("readme.txt", "hello")
    labeled = load_images(path)
    assert labeled.target_names == ["0", "1", "2"]
    assert labeled.source == str(path)
    assert dict(labeled.features) == {}


def test_python_objects_are_refused(write):
    """An array that would have to be unpickled is named, with the way to store it."""
    path = write(class_names=np.array(["a", "b", "c"], dtype=object))
    with pytest.raises(ValueError, match=r"array 'class_names' .* dtype=str"):
        load_images(path)


def test_file_that_is_no_archive(tmp_path):
    """Bytes of another kind, such as a pickle, are not read."""
    path = tmp_path / "set.npz"
    path.write_bytes(b"\x80\x04N.")
    with pytest.raises(ValueError, match=r"set.npz' is not an archive of arrays"):
        load_images(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": None}, r"no array 'labels', but \['images'\]"),
        ({"images": IMAGES / 255}, r"'images' .* float64 of shape \(3, 4, 5, 3\)"),
        ({"images": IMAGES[..., 0].reshape(3, 20)}, r"'images' .* shape \(3, 20\)"),
        ({"images": IMAGES.transpose(0, 3, 1, 2)}, r"'images' .* \(3, 3, 4, 5\)"),
        ({"images": IMAGES[:2]}, "2 images but 3 labels"),
        ({"labels": np.array([0.0, 1.0, 2.0])}, "'labels' .* float64"),
        ({"labels": np.array([[0], [1], [2]])}, r"'labels' .* shape \(3, 1\)"),
        ({"labels": np.array([0, -1, 1])}, "'labels' .* from 0"),
        ({"class_names": ["a", "b"]}, r"'class_names' .* \(2,\), but .* up to 2"),
        ({"embedding": np.ones((2, 8))}, "'embedding' .* 2 rows for 3 images"),
    ],
)
def test_wrong_arrays_are_named(write, changes, message):
    """The error names the file, the array, what was seen and what should be."""
    with pytest.raises(ValueError, match=message) as caught:
        load_images(write(**changes))
    assert "set.npz" in str(caught.value)
