"""Tests of file sources: folders, broken files, the cache."""

import os
import pickle

import numpy as np
import pytest
import torch
from PIL import Image

from sklearn_mfavb.images import Reading, _files, _pictures, list_images, open_images

GREY = np.arange(0, 240, 10, dtype=np.uint8).reshape(4, 6)


def save(path, value=0, *, mode="RGB", size=(6, 4)):
    """Write a plain picture and return its path as a string."""
    path.parent.mkdir(parents=True, exist_ok=True)
    colour = value if mode == "L" else (value, value, 10)
    Image.new(mode, size, colour).save(path)
    return str(path)


@pytest.fixture
def damaged(tmp_path):
    """Return four paths: good, truncated, not an image, missing; then a good one."""
    good = save(tmp_path / "good.png", 50)
    truncated = tmp_path / "truncated.jpg"
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(truncated)
    truncated.write_bytes(truncated.read_bytes()[:2000])
    text = tmp_path / "text.png"
    text.write_text("no picture")
    missing = str(tmp_path / "missing.png")
    last = save(tmp_path / "last.png", 90)
    return [good, str(truncated), str(text), missing, last]


def test_folder(tmp_path):
    """A folder gives its images, sorted, from all levels, without hidden files."""
    paths = [save(tmp_path / name) for name in ("b/1.png", "b/0.JPG", "a.webp")]
    save(tmp_path / ".hidden.png")
    save(tmp_path / ".cache" / "c.png")
    (tmp_path / "notes.txt").write_text("not an image")
    assert list_images(tmp_path) == sorted(paths)
    for folder in (tmp_path, str(tmp_path)):
        assert open_images(folder).paths == sorted(paths)


def test_folder_without_images(tmp_path):
    """A folder without images is refused by name."""
    (tmp_path / "notes.txt").write_text("not an image")
    with pytest.raises(ValueError, match=f"No image files.*{tmp_path.name}"):
        open_images(tmp_path)


def test_missing_folder(tmp_path):
    """A folder that is not there is a FileNotFoundError with its name."""
    with pytest.raises(FileNotFoundError, match=r"no folder .*nowhere"):
        open_images(tmp_path / "nowhere")


def test_path_of_one_file(tmp_path):
    """The path of a file is refused with the advice to pass a list."""
    with pytest.raises(ValueError, match=r"pass \[path\]"):
        open_images(save(tmp_path / "a.png"))


def test_names_outside_ascii(tmp_path):
    """Folders and files may have any names."""
    save(tmp_path / "Füße 图像" / "été ß.png", 70)
    source = open_images(tmp_path)
    assert source.read([0], (4, 6))[0, 0].unique().tolist() == [70]


def test_grey_only_if_all_are(tmp_path):
    """Files are read as grey if every one is, as RGB otherwise."""
    grey = save(tmp_path / "grey.png", 50, mode="L")
    colour = save(tmp_path / "colour.png", 90)
    assert open_images([grey, grey]).n_channels == 1
    source = open_images([grey, colour])
    assert source.n_channels == 3
    assert source.read([0], (4, 6)).unique().tolist() == [50]


def test_files_are_converted_to_the_fitted_channels(tmp_path):
    """New files become grey or RGB as the fitted ones were."""
    grey = save(tmp_path / "grey.png", 50, mode="L")
    colour = save(tmp_path / "colour.png", 90)
    as_grey = open_images([colour], format=open_images([grey]).format)
    as_colour = open_images([grey], format=open_images([colour]).format)
    luma = np.asarray(Image.open(colour).convert("L"))
    np.testing.assert_array_equal(as_grey.read([0], (4, 6))[0, 0], luma)
    assert as_colour.read([0], (4, 6)).shape == (1, 3, 4, 6)


def test_files_for_a_format_of_other_channels(tmp_path):
    """Files cannot be read with the five channels of fitted arrays."""
    images = np.zeros((2, 4, 6, 5), dtype=np.uint8)
    fitted = open_images(images, reading=Reading(channel_axis=-1)).format
    with pytest.raises(ValueError, match="5 channels"):
        open_images([save(tmp_path / "a.png")], format=fitted)


def test_median_size_and_resizing(tmp_path):
    """Files of different sizes report the median and are read at one size."""
    sizes = [(6, 4), (8, 4), (20, 40)]
    paths = [save(tmp_path / f"{size}.png", 50, size=size) for size in sizes]
    source = open_images(paths)
    assert source.image_size == (4, 8)
    batch = source.read([2, 0], (5, 7))
    assert batch.shape == (2, 3, 5, 7)
    assert batch[:, 0].unique().tolist() == [50]


@pytest.mark.parametrize(
    ("index", "error"), [(1, ValueError), (2, ValueError), (3, FileNotFoundError)]
)
def test_broken_files_raise(damaged, index, error):
    """A broken file is named, with the reason, before training can begin."""
    name = os.path.basename(damaged[index])
    with pytest.raises(error, match=f"image 1 .*{name}.*on_error='skip'"):
        open_images([damaged[0], damaged[index]]).verify((4, 6))


def test_broken_files_are_skipped(damaged):
    """With skip, broken files are zeros in their place, with a reason each."""
    source = open_images(damaged, reading=Reading(on_error="skip"))
    assert sorted(source.unreadable) == [2, 3]
    source.verify((4, 6))
    assert sorted(source.unreadable) == [1, 2, 3]
    assert "truncated" in source.unreadable[1]
    batch = source.read(range(5), (4, 6))
    assert batch[:, 0].amax((1, 2)).tolist() == [50, 0, 0, 0, 90]
    assert not batch[1:4].any()


def test_nothing_readable(damaged):
    """If no file can be read, skipping is no way out at fit."""
    with pytest.raises(ValueError, match="None of the 2 images can be read"):
        open_images(damaged[2:4], reading=Reading(on_error="skip"))
    source = open_images(damaged[1:3], reading=Reading(on_error="skip"))
    with pytest.raises(ValueError, match="None of the 2 images can be read"):
        source.verify((4, 6))


def test_nothing_readable_at_predict(damaged):
    """With a format, a batch of broken files alone is read as zeros."""
    fitted = open_images(damaged[:1]).format
    source = open_images(damaged[2:4], format=fitted, reading=Reading(on_error="skip"))
    assert not source.read([0, 1], source.image_size).any()


def test_decompression_bomb(tmp_path, monkeypatch):
    """A picture that Pillow warns of is unreadable."""
    path = save(tmp_path / "a.png", size=(60, 40))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 2000)
    with pytest.raises(ValueError, match=r"a\.png.*decompression bomb"):
        open_images([path])


def test_second_epoch_is_cached(tmp_path):
    """What was decoded once is read again without the file."""
    paths = [save(tmp_path / f"{value}.png", value) for value in (10, 20, 30)]
    source = open_images(paths)
    first = source.read([2, 0, 2], (4, 6))
    for path in paths:
        os.remove(path)
    assert torch.equal(source.read([2, 0, 2], (4, 6)), first)
    with pytest.raises(FileNotFoundError):
        source.read([1], (4, 6))
    with pytest.raises(FileNotFoundError):
        source.read([0], (8, 8))


def test_large_collections_are_not_cached(tmp_path, monkeypatch):
    """Images beyond the limit of the cache are decoded each time."""
    monkeypatch.setattr(_pictures, "CACHE_BYTES", 3 * 4 * 6 - 1)
    path = save(tmp_path / "a.png", 10)
    source = open_images([path])
    source.verify((4, 6))
    os.remove(path)
    with pytest.raises(FileNotFoundError):
        source.read([0], (4, 6))


def test_batch_is_a_copy(tmp_path):
    """Changing a batch in place leaves the cache alone."""
    source = open_images([save(tmp_path / "a.png", 10)])
    source.read([0], (4, 6)).zero_()
    assert source.read([0], (4, 6)).any()


def test_native_size_is_not_resampled(tmp_path):
    """At their own size, pixels come out as they are stored."""
    path = tmp_path / "a.png"
    Image.fromarray(GREY).save(path)
    np.testing.assert_array_equal(open_images([path]).read([0], (4, 6))[0, 0], GREY)


def test_file_source_pickles(tmp_path):
    """A file source survives the trip to a worker process."""
    source = open_images([save(tmp_path / "a.png", 10)])
    copy = pickle.loads(pickle.dumps(source))
    assert torch.equal(copy.read([0], (4, 6)), source.read([0], (4, 6)))


def test_only_decodable_extensions_are_listed():
    """Documents that Pillow can only write or recognise are no images."""
    extensions = _files._readable_extensions()
    assert {".png", ".jpg", ".jpeg", ".webp", ".tif", ".bmp", ".gif"} <= extensions
    assert not {".pdf", ".h5", ".mpg", ".eps"} & extensions


def test_reading_with_another_fit(tmp_path):
    """A caller brings images to a size in its own way, and resized ones stay cached."""
    source = open_images([save(tmp_path / "a.png", 50, size=(9, 4))])
    resized = source.read([0], (2, 2))
    seen = []

    def crop(images, size):
        seen.append(tuple(images.shape))
        return images[..., : size[0], : size[1]]

    cropped = source.read([0], (3, 2), resize=crop)
    assert seen == [(1, 3, 4, 9)]
    assert cropped.shape == (1, 3, 3, 2)
    assert torch.equal(source.read([0], (2, 2)), resized)
    arrays = open_images(np.zeros((2, 5, 6, 3), dtype=np.uint8))
    assert arrays.read([0, 1], (3, 2), resize=crop).shape == (2, 3, 3, 2)
    assert (source.has_one_size, arrays.has_one_size) == (False, True)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_not_waited_for(tmp_path):
    """A pipe under the name of an image is unreadable at once."""
    paths = [save(tmp_path / "a.png", 10), tmp_path / "pipe.png"]
    os.mkfifo(paths[1])
    with pytest.raises(ValueError, match=r"pipe\.png.*no regular file"):
        open_images(paths)
    assert list(open_images(tmp_path, reading=Reading(on_error="skip")).unreadable) == [
        1
    ]


def test_an_empty_name_is_no_folder():
    """Least of all the one that the program works in."""
    with pytest.raises(FileNotFoundError, match="''"):
        open_images("")
