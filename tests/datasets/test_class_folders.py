"""Tests of pictures in one folder for each class."""

import pytest
from PIL import Image

from sklearn_mfavb.datasets import DATASETS, load_images
from sklearn_mfavb.datasets._folders import read_class_folders


def write_pictures(folder, *names):
    """Write a tiny picture of each name into a folder that is made."""
    folder.mkdir(parents=True)
    for name in names:
        Image.new("L", (2, 2)).save(folder / name)


def test_paths_in_the_order_of_classes(tmp_path):
    """Classes are sorted, then paths; subfolders belong to their class."""
    write_pictures(tmp_path / "dog", "b.png", "a.JPG")
    write_pictures(tmp_path / "cat" / "images", "c.jpeg")
    labelled = read_class_folders(tmp_path)
    assert labelled.images == [
        str(tmp_path / "cat" / "images" / "c.jpeg"),
        str(tmp_path / "dog" / "a.JPG"),
        str(tmp_path / "dog" / "b.png"),
    ]
    assert labelled.target.tolist() == [0, 1, 1]
    assert labelled.target_names == ["cat", "dog"]
    assert str(tmp_path) in labelled.source


def test_what_is_no_picture_is_left_out(tmp_path):
    """Other files, hidden ones, and folders without pictures give no image or class."""
    for name in ("cat", "dog", ".thumbnails"):
        write_pictures(tmp_path / name, "a.png", ".b.png")
        (tmp_path / name / "boxes.xml").touch()
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "readme.txt").touch()
    labelled = read_class_folders(tmp_path)
    assert labelled.target_names == ["cat", "dog"]
    assert labelled.target.tolist() == [0, 1]


def test_one_folder_is_no_set_of_classes(tmp_path):
    """One folder, as archives wrap their contents in, is not taken for a class."""
    write_pictures(tmp_path / "archive", "a.png", "b.png")
    assert read_class_folders(tmp_path) is None
    assert read_class_folders(tmp_path / "missing") is None


def test_splits_are_not_taken_for_classes(tmp_path):
    """Folders named train and test raise an error that asks for classes."""
    write_pictures(tmp_path / "train" / "cat", "a.png")
    write_pictures(tmp_path / "Test" / "cat", "a.png")
    with pytest.raises(ValueError, match="are splits, Test, train, not classes"):
        read_class_folders(tmp_path)


@pytest.mark.filterwarnings("ignore:ImageNet-10 has")
def test_imagenet_subset_is_picked_from_a_link(tmp_path):
    """Only the set's synsets are read, from a link to a larger collection."""
    synsets = list(DATASETS["imagenet10"].class_folders)
    for synset in [*synsets, "n01440764"]:
        write_pictures(tmp_path / "train" / synset, "a.png")
    (tmp_path / "imagenet10").symlink_to(tmp_path / "train", target_is_directory=True)
    labelled = load_images("imagenet10", tmp_path)
    assert len(labelled.images) == 10
    assert labelled.target.tolist() == list(range(10))
    assert labelled.target_names[0] == "king penguin"
    assert synsets[0] in labelled.images[0]


def test_missing_synsets_are_named(tmp_path):
    """An incomplete ImageNet subset is no subset: the error lists what is missing."""
    synsets = list(DATASETS["imagenet10"].class_folders)
    for synset in synsets[2:]:
        write_pictures(tmp_path / "imagenet10" / synset, "a.png")
    missing = f"in {synsets[0]}, {synsets[1]}\\."
    with pytest.raises(FileNotFoundError, match=missing):
        load_images("imagenet10", tmp_path)
