"""Copies are found, whatever was done to them, and others are left alone."""

import io

import numpy as np
import pytest
from PIL import Image, ImageOps

from sklearn_mfavb.inspection import find_exact_copies, find_near_duplicates


@pytest.fixture(scope="module")
def pictures():
    """Forty smooth pictures of 64 pixels."""
    noise = np.random.default_rng(0).integers(256, size=(40, 7, 7, 3), dtype=np.uint8)
    return [Image.fromarray(each).resize((64, 64)) for each in noise]


def save_anew(picture):
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=60)
    return Image.open(buffer)


CHANGES = {
    "saved": save_anew,
    "halved": lambda picture: picture.resize((32, 32)),
    "mirrored": ImageOps.mirror,
    "gray": lambda picture: picture.convert("L"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_near_duplicates_are_found(pictures, change):
    """Each of ten copies is in a group with its original, and nothing else is."""
    copies = [CHANGES[change](picture) for picture in pictures[:10]]
    groups = find_near_duplicates([*pictures, *copies])
    assert groups == [[i, 40 + i] for i in range(10)]


def test_chains_are_one_group(pictures):
    first = pictures[0]
    changed = [change(first) for change in CHANGES.values()]
    assert find_near_duplicates([*changed, *pictures[1:], first]) == [[0, 1, 2, 3, 43]]


def test_features_find_what_pixels_do_not(pictures):
    """Pairs that are nearest by features may have more different hashes."""
    first = pictures[0]
    shifted = first.crop((4, 0, 64, 64)).resize((64, 64))
    assert find_near_duplicates([*pictures, shifted]) == []
    features = np.eye(41)
    features[40] = features[0]
    assert find_near_duplicates([*pictures, shifted], features) == [[0, 40]]
    assert find_near_duplicates(pictures, np.ones((40, 3))) == []


@pytest.mark.parametrize("number", [0, 1])
def test_few_pictures_have_no_copies(pictures, number):
    assert find_near_duplicates(pictures[:number]) == []
    assert find_exact_copies(pictures[:number]) == []


def test_blank_pictures_are_not_near_duplicates():
    """Of pictures without structure no hash says anything."""
    blank = [Image.new("RGB", (64, 64), color) for color in ("red", "blue", "white")]
    assert find_near_duplicates(blank) == []


def test_exact_copies_have_the_same_bytes(pictures, tmp_path):
    """Thumbnails only suggest copies where there are files to compare."""
    paths = [str(tmp_path / f"{name}.png") for name in "abc"]
    for path in paths:
        pictures[0].save(path)
    with open(paths[1], "ab") as file:
        file.write(b"more")
    same = [pictures[0]] * 3
    assert find_exact_copies(same) == [[0, 1, 2]]
    assert find_exact_copies(same, paths) == [[0, 2]]
