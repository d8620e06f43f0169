"""Tests of loading images by name."""

import numpy as np
import pytest
from PIL import Image

from sklearn_mfavb.datasets import DATASETS, load_digit_images, load_images


@pytest.fixture
def data_dir(tmp_path):
    """Return a folder with 'both' as file and class folders, and 'files' as folders."""
    images = np.arange(3 * 4 * 4, dtype=np.uint8).reshape(3, 4, 4)
    np.savez(tmp_path / "both.npz", images=images, labels=[1, 0, 1])
    for name in ("both", "files"):
        for kind in ("cat", "dog"):
            folder = tmp_path / name / kind
            folder.mkdir(parents=True)
            Image.fromarray(images[0]).save(folder / "1.png")
    return tmp_path


def test_file_goes_before_folder(data_dir):
    """The .npz is taken if there are class folders of the same name too."""
    labelled = load_images("both", data_dir)
    assert labelled.images.shape == (3, 4, 4)
    assert labelled.target.tolist() == [1, 0, 1]


def test_folder_of_any_name(data_dir):
    """Without .npz, the class folders give paths; data_dir may be a str."""
    labelled = load_images("files", str(data_dir))
    assert labelled.images == [
        str(data_dir / "files" / "cat" / "1.png"),
        str(data_dir / "files" / "dog" / "1.png"),
    ]
    assert labelled.target_names == ["cat", "dog"]


def test_digits_need_no_folder(recwarn):
    """The digits come with scikit-learn, and are the whole set of the literature."""
    labelled = load_images("digits")
    images, target = load_digit_images()
    np.testing.assert_array_equal(labelled.images, images)
    np.testing.assert_array_equal(labelled.target, target)
    assert labelled.target_names == [str(digit) for digit in range(10)]
    assert "scikit-learn" in labelled.source
    assert len(recwarn) == 0


def test_home_folder_is_expanded(data_dir, monkeypatch):
    """A leading ~ is the home folder, as it is to torchvision."""
    monkeypatch.setenv("HOME", str(data_dir))
    monkeypatch.setenv("USERPROFILE", str(data_dir))
    assert len(load_images("both", "~").target) == 3


def test_subset_of_a_known_set_is_told(data_dir):
    """A file named as a known set, but of other numbers, is loaded with a warning."""
    (data_dir / "both.npz").rename(data_dir / "usps.npz")
    with pytest.warns(
        UserWarning, match=r"USPS has 9298 images of 10 .* 3 of 2"
    ) as seen:
        load_images("usps", data_dir)
    assert seen[0].filename == __file__


@pytest.mark.parametrize("name", sorted(set(DATASETS) - {"digits"}))
def test_absence_says_how_to_obtain(name, tmp_path):
    """The error for a known set names what was sought, the owner and the layout."""
    with pytest.raises(FileNotFoundError) as caught:
        load_images(name, tmp_path)
    message = str(caught.value)
    assert f"data_dir={str(tmp_path)!r}" in message
    assert f"{name}.npz" in message
    assert DATASETS[name].owner in message
    assert str(tmp_path / name / "<class>") in message
    assert ("download=True" in message) == DATASETS[name].downloadable


def test_absence_of_an_unknown_set(tmp_path):
    """The error for another name lists the known ones, and says if data_dir is none."""
    with pytest.raises(FileNotFoundError, match=r"no such folder.*cifar10, .*digits"):
        load_images("cifar11", tmp_path / "missing")


@pytest.mark.parametrize("name", ["usps", "mine"])
def test_data_dir_is_needed(name):
    """Without data_dir, only the digits can be loaded."""
    with pytest.raises(ValueError, match=f"data_dir=None, but '{name}'"):
        load_images(name)


@pytest.mark.parametrize("name", ["", ".", "..", "../both", "sub/both", ".both"])
def test_names_lead_nowhere_else(name, data_dir):
    """A name cannot hold a path."""
    with pytest.raises(ValueError, match="plain name of a set"):
        load_images(name, data_dir)


def test_extension_is_not_part_of_the_name(data_dir):
    """A name with .npz is corrected."""
    with pytest.raises(ValueError, match=r"without the extension, as 'both'"):
        load_images("both.npz", data_dir)


@pytest.mark.parametrize(
    ("parameter", "value"), [("name", 3), ("data_dir", 3), ("download", "yes")]
)
def test_values_of_wrong_type_are_named(parameter, value):
    """A parameter of a wrong type raises ValueError with its name."""
    with pytest.raises(ValueError, match=f"'{parameter}' parameter"):
        load_images(**{"name": "digits", parameter: value})
