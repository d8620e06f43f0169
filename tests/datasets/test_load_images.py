"""Tests of loading class folders, and of telling them from files."""

import numpy as np
import pytest
from PIL import Image

from sklearn_mfavb.datasets import load_images


def write_pictures(folder, *names):
    """Write a tiny picture of each name into a folder that is made."""
    folder.mkdir(parents=True)
    for name in names:
        Image.new("L", (2, 2)).save(folder / name)


def test_paths_in_the_order_of_classes(tmp_path):
    """Classes are sorted, then paths; subfolders belong to their class."""
    write_pictures(tmp_path / "dog", "b.png", "a.JPG")
    write_pictures(tmp_path / "cat" / "images", "c.jpeg")
    labeled = load_images(str(tmp_path))
    assert labeled.images == [
        str(tmp_path / "cat" / "images" / "c.jpeg"),
        str(tmp_path / "dog" / "a.JPG"),
        str(tmp_path / "dog" / "b.png"),
    ]
    assert labeled.target.tolist() == [0, 1, 1]
    assert labeled.target_names == ["cat", "dog"]
    assert str(tmp_path) in labeled.source


def test_what_is_no_picture_is_left_out(tmp_path):
    """Other files, hidden ones, and folders without pictures give no image or class."""
    for name in ("cat", "dog", ".thumbnails"):
        write_pictures(tmp_path / name, "a.png", ".b.png")
        (tmp_path / name / "boxes.xml").touch()
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "readme.txt").touch()
    labeled = load_images(tmp_path)
    assert labeled.target_names == ["cat", "dog"]
    assert labeled.target.tolist() == [0, 1]


def test_categories_are_read_in_their_order_also_through_a_link(tmp_path):
    """Only the folders that are listed are classes."""
    for name in ("cat", "dog", "emu"):
        write_pictures(tmp_path / "all" / name, "a.png")
    (tmp_path / "two").symlink_to(tmp_path / "all", target_is_directory=True)
    labeled = load_images(tmp_path / "two", categories=["emu", "cat"])
    assert labeled.target_names == ["emu", "cat"]
    assert labeled.images == [
        str(tmp_path / "two" / name / "a.png") for name in ("emu", "cat")
    ]
    with pytest.raises(FileNotFoundError, match="yak"):
        load_images(tmp_path / "two", categories=["emu", "yak"])


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        (["archive"], "two or more class folders with pictures, but holds 1"),
        ([], "two or more class folders with pictures, but holds 0"),
        (["train/cat", "Test/cat"], "are splits, Test, train, not classes"),
    ],
)
def test_folders_that_are_no_classes_are_refused(folders, message, tmp_path):
    """The wrapping of an archive, nothing, and splits raise an error that says so."""
    for folder in folders:
        write_pictures(tmp_path / folder, "a.png")
    with pytest.raises(ValueError, match=message):
        load_images(tmp_path)


def test_files_and_home_folder(tmp_path, monkeypatch):
    """A file of arrays is read as such; a leading ~ is the home folder."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    np.savez(tmp_path / "a.npz", images=np.zeros((2, 4, 4), np.uint8), labels=[1, 0])
    assert load_images("~/a.npz").target.tolist() == [1, 0]
    with pytest.raises(ValueError, match=r"categories=.* should be None"):
        load_images("~/a.npz", categories=["0"])


def test_absence_is_told(tmp_path):
    """The error names the path, and what may be there."""
    with pytest.raises(FileNotFoundError, match=r"missing' does not exist: .* \.npz"):
        load_images(tmp_path / "missing")


@pytest.mark.parametrize(("name", "value"), [("path", 3), ("categories", "cat")])
def test_values_of_wrong_type_are_named(name, value):
    """A parameter of a wrong type raises ValueError with its name."""
    with pytest.raises(ValueError, match=f"'{name}' parameter"):
        load_images(**{"path": "here", name: value})
