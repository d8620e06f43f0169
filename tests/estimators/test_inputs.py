"""Every kind of images goes in, and labels come out aligned."""

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image
from sklearn_mfavb.estimators._positives import EmbeddingNeighbors, pixel_neighbors

from sklearn_mfavb.images import ImageDataset, check_images

pytestmark = pytest.mark.filterwarnings(
    "ignore:Only .* clusters hold images:sklearn.exceptions.ConvergenceWarning"
)


@pytest.fixture(scope="module")
def colors():
    """Twenty-four random colour pictures of 8 x 8 pixels."""
    return np.random.default_rng(0).integers(0, 256, (24, 8, 8, 3), dtype=np.uint8)


class Pictures(torch.utils.data.Dataset):
    """A map-style data set of (picture, label)."""

    def __init__(self, images):
        self.images = images

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return Image.fromarray(self.images[index]), -1


KINDS = {
    "channels first": lambda images: images.transpose(0, 3, 1, 2),
    "rows": lambda images: images.reshape(len(images), -1),
    "floats": lambda images: (images / 255).astype(np.float64),
    "tensor": lambda images: torch.from_numpy(images),
    "list of arrays": list,
    "PIL": lambda images: [Image.fromarray(image) for image in images],
    "dataset": Pictures,
}


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_of_input_agree(quick, colors, kind):
    """The same pictures in another form give the same embedding, also mixed."""
    reference = quick().fit(colors)
    converted = KINDS[kind](colors)
    embedding = reference.transform(colors)
    other = quick().fit(converted)
    assert_allclose(other.transform(converted), embedding, rtol=1e-3, atol=1e-4)
    if kind != "rows":  # rows need the number of features of the fit
        assert_allclose(reference.transform(converted), embedding, atol=1e-4)


def test_memmap_is_read_in_place(quick, colors, tmp_path):
    """A read-only memory map is accepted."""
    np.save(tmp_path / "images.npy", colors)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    assert_array_equal(quick().fit_predict(mapped), quick().fit_predict(colors))


def test_dataframe_names_are_kept(quick, colors):
    """Columns of a dataframe become feature_names_in_ and are checked later."""
    frame = pd.DataFrame(colors.reshape(len(colors), -1)).add_prefix("pixel")
    clusterer = quick().fit(frame)
    assert clusterer.n_features_in_ == 192
    assert clusterer.feature_names_in_[0] == "pixel0"
    with pytest.raises(ValueError, match="feature names"):
        clusterer.predict(frame[frame.columns[::-1]])


def test_other_sizes_are_resized_for_prediction(quick, colors):
    """New images may have another size, as files may."""
    clusterer = quick().fit(colors)
    larger = colors.repeat(2, axis=1).repeat(2, axis=2)
    assert clusterer.predict(larger).shape == (24,)
    assert clusterer.image_size_ == (8, 8)


def test_large_images_are_reduced_unless_asked(quick):
    """By default images are read at a longest side of 64 and keeps the aspect ratio."""
    images = np.zeros((6, 96, 192, 3), dtype=np.uint8)
    assert quick(max_epochs=1).fit(images).image_size_ == (32, 64)
    assert quick(max_epochs=1, image_size=48).fit(images).image_size_ == (48, 48)


def write_folder(folder):
    """Write pictures of many formats and modes, one of them broken; sorted names."""
    rng = np.random.default_rng(0)
    (folder / "déjà vu").mkdir()
    colour = Image.fromarray(rng.integers(0, 256, (20, 30, 3), dtype=np.uint8))
    grey = Image.fromarray(rng.integers(0, 256, (16, 16), dtype=np.uint8))
    colour.save(folder / "a.png")
    colour.save(folder / "b.jpg")
    colour.convert("CMYK").save(folder / "c.jpeg")
    colour.convert("RGBA").save(folder / "d.webp")
    colour.convert("P").save(folder / "déjà vu" / "e.gif")
    grey.save(folder / "f.bmp")
    grey.convert("1").save(folder / "g.tiff")
    Image.fromarray(rng.integers(0, 65536, (9, 9), dtype=np.uint16)).save(
        folder / "h.png"
    )
    exif = Image.Exif()
    exif[0x0112] = 6
    colour.save(folder / "i.jpg", exif=exif)
    content = (folder / "b.jpg").read_bytes()
    (folder / "j broken.jpg").write_bytes(content[: len(content) // 2])
    (folder / "notes.txt").write_text("not an image", encoding="utf-8")
    (folder / ".hidden.png").write_bytes(b"")


def test_folder_and_paths(quick, tmp_path):
    """A folder and the list of its files are the same images."""
    write_folder(tmp_path)
    (tmp_path / "j broken.jpg").unlink()
    from_folder = quick().fit(tmp_path)
    assert len(from_folder.paths_) == 9
    from_paths = quick().fit(from_folder.paths_)
    assert_array_equal(from_folder.labels_, from_paths.labels_)
    assert_array_equal(from_folder.labels_, from_folder.predict(str(tmp_path)))
    assert from_folder.skipped_ == {}


def test_broken_file_is_named(quick, tmp_path):
    """The error says which file could not be read."""
    write_folder(tmp_path)
    with pytest.raises(ValueError, match=r"j broken\.jpg"):
        quick().fit(tmp_path)


def test_broken_file_can_be_skipped(quick, tmp_path):
    """Labels stay aligned: -1 for the file that is listed in skipped_."""
    write_folder(tmp_path)
    clusterer = quick(on_error="skip").fit(tmp_path)
    [index] = clusterer.skipped_
    assert clusterer.paths_[index].endswith("j broken.jpg")
    assert clusterer.labels_[index] == -1
    assert (np.delete(clusterer.labels_, index) >= 0).all()
    assert np.isnan(clusterer.predict_proba(tmp_path)[index]).all()
    assert np.isnan(clusterer.transform(tmp_path)[index]).all()
    assert_array_equal(clusterer.predict(tmp_path), clusterer.labels_)
    assert np.isfinite(clusterer.score(tmp_path))


def test_neighbours_count_readable_files_only(tmp_path):
    """A broken first file shifts nobody's neighbours, in pixels or embedding."""
    write_folder(tmp_path)
    (tmp_path / "0 broken.jpg").write_bytes(b"no image")
    every = check_images(tmp_path, on_error="skip")
    size = (16, 16)
    every.verify(size)
    indices = [i for i in range(len(every)) if i not in every.unreadable]
    assert indices[0] > 0
    clean = check_images([every.paths[i] for i in indices])
    skipping = ImageDataset(every, size, indices=np.array(indices))
    complete = ImageDataset(clean, size)
    assert_array_equal(pixel_neighbors(skipping, 3), pixel_neighbors(complete, 3))

    class Net:
        device = "cpu"
        autocast_dtype = None

        class module_(torch.nn.Module):
            @staticmethod
            def eval():
                return Net.module_

            @staticmethod
            def embed(view):
                return view.images.float().flatten(1)[:, ::7]

    find = EmbeddingNeighbors(3, batch_size=4)
    assert_array_equal(find(Net, skipping), find(Net, complete))


@pytest.mark.parametrize(
    "image_size", [(7,), (), ("a", "b"), (0, -3), (7.5, 8), [8, 8, 8]]
)
def test_bad_image_sizes_are_refused(quick, colors, image_size):
    """The error names image_size and what it may be."""
    with pytest.raises(ValueError, match="image_size must be"):
        quick(image_size=image_size).fit(colors)


def test_sparse_tensor_is_refused(quick, colors):
    """Sparse input gets a clear error."""
    sparse = torch.from_numpy(colors).float().to_sparse()
    with pytest.raises(TypeError, match=r"[Ss]parse"):
        quick().fit(sparse)


def test_all_files_broken(quick, colors, tmp_path):
    """Scoring nothing but broken files names the first reason."""
    path = tmp_path / "broken.png"
    path.write_bytes(b"no image")
    clusterer = quick(on_error="skip").fit(colors)
    with pytest.raises(ValueError, match=r"None of the 1 images.*"):
        clusterer.score([path])


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((5, 8, 8)) + 7.0, r"pixel_range"),
        (np.full((5, 8, 8), np.nan), "NaN"),
        (np.full((5, 8, 8), np.inf), "infinity"),
        (np.zeros((0, 8, 8)), "0 sample"),
        (np.zeros((5, 7), dtype=np.uint8), "image_shape"),
        (np.zeros((5, 3, 8, 3), dtype=np.uint8), "channel_axis"),
        (np.zeros((5, 8, 8, 2), dtype=np.uint8), "channel"),
        (np.zeros((8, 8, 3), dtype=np.uint8), r"X\[None\]"),
        (np.zeros((5, 8, 8), dtype=np.int64) + 300, r"pixel_range"),
    ],
)
def test_bad_images_are_refused(quick, images, message):
    """The error says what was seen and what would be right."""
    with pytest.raises(ValueError, match=message):
        quick(2).fit(images)


def test_channels_must_match_the_fit(quick, colors):
    """Grey arrays are no input for a model of colour arrays."""
    with pytest.raises(ValueError, match="channel"):
        quick().fit(colors).predict(colors[..., 0])
