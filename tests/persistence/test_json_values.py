"""Plain values in JSON and back."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from sklearn_mfavb import CLIPFeatures
from sklearn_mfavb.features import Architecture, Preprocessing
from sklearn_mfavb.images import ImageFormat
from sklearn_mfavb.persistence._annotations import fits
from sklearn_mfavb.persistence._values import from_json, to_json

PREPROCESSING = Preprocessing(
    size=(8, 8),
    resized=(9, 9),
    resize_mode="shortest",
    interpolation="bicubic",
    mean=(0.1, 0.2, 0.3),
    std=(1.0, 1.0, 1.0),
)


def through_json(value):
    """Write a value as text and read it again."""
    return from_json(json.loads(json.dumps(to_json(value), allow_nan=False)))


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        3,
        10**30,
        0.1 + 0.2,
        5e-324,
        math.inf,
        "",
        "ünï ☃ \udcff \0",
        [],
        (),
        (1, (2, [3, (None,)])),
        {"a": (1,), "b": {"c": []}},
        {2: "two", (1, 2): "tuple"},
        {"$tuple": [1]},
        Path("a/b"),
        torch.device("cuda:1"),
        ImageFormat((3, 8, 9), 1, (0.0, 255.0), "auto"),
        PREPROCESSING,
        Architecture("open_clip", "ViT", {"vision_cfg": {"layers": [1, 2]}}),
    ],
    ids=repr,
)
def test_values_come_back_with_their_type(value):
    """What is read equals what was written, and is of the same type."""
    read = through_json(value)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (np.int64(3), 3),
        (np.float32(0.1), float(np.float32(0.1))),
        (np.bool_(True), True),
        (np.float64(-np.inf), -math.inf),
    ],
    ids=repr,
)
def test_numbers_of_numpy_become_plain(value, plain):
    """They are equal; the type is Python's."""
    read = through_json(value)
    assert read == plain
    assert type(read) is type(plain)


def test_nan_stays_nan():
    """It is no number of JSON, but comes back."""
    assert math.isnan(through_json(float("nan")))


def test_names_of_columns():
    """Arrays of strings stay arrays of objects, as scikit-learn has them."""
    names = np.array(["a", "ü"], dtype=object)
    read = through_json(names)
    assert read.dtype == object
    assert read.tolist() == ["a", "ü"]


def test_transformers_come_without_their_folder():
    """A `CLIPFeatures` keeps all parameters but the folder that it writes to."""
    extractor = CLIPFeatures("RN50", Path("w.pt"), pixel_range=(0, 1), cache_dir="here")
    read = through_json(extractor)
    assert read.get_params() == {**extractor.get_params(), "cache_dir": None}


@pytest.mark.parametrize(
    "value", [len, object(), {1, 2}, b"bytes", np.zeros(3), [len], {"a": len}], ids=repr
)
def test_other_values_are_refused(value):
    """Code, and whatever is not listed, is an error that names the type."""
    with pytest.raises(TypeError, match="is no plain value"):
        to_json(value)


@pytest.mark.parametrize(
    "written",
    [
        {"$function": "os.system"},
        {"$tuple": [1], "$path": "a"},
        {"$tuple": 3},
        {"$path": 3},
        {"$device": "nowhere"},
        {"$names": [1]},
        {"$dict": [[{}, 1]]},
        {"$ImageFormat": {"image_shape": 3}},
        {"$CLIPFeatures": {"model": 3}},
    ],
    ids=repr,
)
def test_what_was_never_written_is_refused(written):
    """Kinds that are not in the table, and contents that do not fit, are errors."""
    with pytest.raises((TypeError, ValueError, RuntimeError)):
        from_json(written)


@pytest.mark.parametrize(
    ("value", "annotation", "answer"),
    [
        (1, int, True),
        (True, int, False),
        (1, float, True),
        (1.0, int, False),
        ("a", str | None, True),
        (None, str | None, True),
        (1, str | None, False),
        ((1, 2, 3), tuple[int, ...], True),
        ((1, "2"), tuple[int, ...], False),
        ((1,), tuple[int, int], False),
        ([1], tuple[int, ...], False),
        ([{"a": 1}], list[dict[str, int]], True),
        ([{"a": "1"}], list[dict[str, int]], False),
        ({1: "a"}, dict[int, str], True),
        ({"1": "a"}, dict[int, str], False),
        (np.zeros(2), np.typing.NDArray[np.float64], True),
        (np.zeros(2), np.typing.NDArray[np.float32], False),
    ],
    ids=repr,
)
def test_values_against_annotations(value, annotation, answer):
    """Containers are looked into; numbers are what they are said to be."""
    assert fits(value, annotation) is answer
