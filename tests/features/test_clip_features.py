"""CLIPFeatures as a user meets it: inputs, outputs, scikit-learn."""

import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image
from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from sklearn_mfavb.features._build import load_encoder
from sklearn_mfavb.images import Reading


def cosine(first, second):
    """Return the cosine of each pair of rows."""
    first = first / np.linalg.norm(first, axis=1, keepdims=True)
    second = second / np.linalg.norm(second, axis=1, keepdims=True)
    return (first * second).sum(axis=1)


def by_hand(model, images):
    """Embed PIL images as open_clip's own example does."""
    told = PreprocessCfg(**model.visual.preprocess_cfg)
    preprocess = image_transform_v2(told, is_train=False)
    batch = torch.stack([preprocess(image) for image in images])
    with torch.no_grad():
        return model.encode_image(batch).numpy()


def test_scikit_learn_checks(tiny):
    """At least forty of scikit-learn's checks apply, and none of them fails."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = check_estimator(
            tiny(reading=Reading(image_shape=(1, -1), pixel_range="data")), on_skip=None
        )
    statuses = [result["status"] for result in results]
    assert statuses.count("passed") >= 40
    assert set(statuses) <= {"passed", "skipped"}


def test_arrays_match_open_clip(tiny, tiny_model, photos):
    """Features of an array are those of open_clip called by hand."""
    expected = by_hand(tiny_model, [Image.fromarray(image) for image in photos])
    features = tiny().fit_transform(photos)
    assert features.dtype == np.float32
    assert features.shape == (20, 12)
    assert cosine(features, expected).min() > 0.999
    preprocessing = load_encoder(tiny().model, tiny().pretrained).preprocessing
    batch = preprocessing.resize(torch.from_numpy(photos).permute(0, 3, 1, 2))
    with torch.no_grad():
        exact = tiny_model.encode_image(preprocessing.normalize(batch)).numpy()
    assert_allclose(features, exact, atol=1e-5)


def test_folders_match_open_clip(tiny, tiny_model, pictures):
    """Pictures of any aspect are cropped as by open_clip, not stretched."""
    paths = sorted(pictures.iterdir())
    expected = by_hand(tiny_model, [Image.open(path) for path in paths])
    features = tiny().transform(pictures)
    assert cosine(features, expected).min() > 0.999
    assert_array_equal(tiny().transform([str(path) for path in paths]), features)


def test_pil_images_and_datasets(tiny, pictures):
    """PIL images and datasets give the features of their files."""
    images = [Image.open(path) for path in sorted(pictures.iterdir())]

    class Pairs(torch.utils.data.Dataset):
        def __len__(self):
            return len(images)

        def __getitem__(self, index):
            return images[index], 0

    expected = tiny().transform(pictures)
    assert_allclose(tiny().transform(images), expected, atol=1e-5)
    assert_allclose(tiny().transform(Pairs()), expected, atol=1e-5)


def test_batch_size_does_not_matter(tiny, photos):
    """Features do not depend on how images are grouped."""
    whole = tiny(batch_size=64).transform(photos)
    assert_allclose(tiny(batch_size=7).transform(photos), whole, atol=1e-5)
    assert_allclose(tiny(batch_size=1).transform(photos), whole, atol=1e-5)


def test_floats_and_layouts(tiny, photos):
    """Bytes, floats in [0, 1], rows, channels first and gray are the same images."""
    expected = tiny().transform(photos)
    assert_array_equal(tiny().transform(photos.reshape(20, -1)), expected)
    assert_array_equal(tiny().transform(photos.transpose(0, 3, 1, 2)), expected)
    floats = tiny().transform((photos / 255).astype(np.float32))
    assert cosine(floats, expected).min() > 0.999
    gray = photos[..., 0]
    color = np.repeat(gray[..., None], 3, axis=-1)
    assert_allclose(tiny().transform(gray), tiny().transform(color), atol=1e-5)


def test_nothing_is_learned(tiny, photos, pictures):
    """Features do not depend on what was given to fit, be it gray or color."""
    gray_fitted = tiny().fit(photos[..., 0])
    assert_array_equal(gray_fitted.transform(pictures), tiny().transform(pictures))


def test_learned_range(tiny):
    """With pixel_range="data", new images are read with the range given to fit."""
    images = np.random.default_rng(0).normal(size=(6, 16, 16))
    fitted = tiny(reading=Reading(pixel_range="data")).fit(images)
    assert_allclose(fitted.transform(images[:1]), fitted.transform(images)[:1], 0, 1e-5)


def test_other_channels(tiny):
    """Images of two or four channels are refused with their number."""
    with pytest.raises(ValueError, match="4 channels"):
        tiny().transform(np.zeros((2, 8, 8, 4), dtype=np.uint8))


def test_skipped_files(tiny, pictures):
    """A file that cannot be read is a row of NaN, or an error that names it."""
    (pictures / "2.png").write_bytes(b"no picture")
    features = tiny(reading=Reading(on_error="skip")).transform(pictures)
    assert np.flatnonzero(np.isnan(features).all(axis=1)).tolist() == [2]
    with pytest.raises(ValueError, match=r"2\.png"):
        tiny().transform(pictures)


def test_names_without_data(tiny, photos):
    """The number of features is known before any image, and set_output uses it."""
    names = [f"clipfeatures{index}" for index in range(12)]
    assert list(tiny().get_feature_names_out()) == names
    frame = tiny().set_output(transform="pandas").fit_transform(photos)
    assert isinstance(frame, pd.DataFrame)
    assert list(frame.columns) == names


@pytest.mark.parametrize("columns", ["path", ["path"]])
def test_column_of_paths(tiny, pictures, columns):
    """In a ColumnTransformer, a column of paths is one of any other kind."""
    paths = [str(path) for path in sorted(pictures.iterdir())]
    frame = pd.DataFrame({"path": paths, "price": np.arange(5.0)}, index=list("abcde"))
    transformer = ColumnTransformer(
        [("img", tiny(), columns), ("num", StandardScaler(), ["price"])]
    )
    rows = transformer.fit_transform(frame)
    assert_array_equal(rows[:, :12], tiny().transform(pictures))
    names = [f"img__clipfeatures{index}" for index in range(12)]
    assert transformer.get_feature_names_out().tolist() == [*names, "num__price"]
    told = transformer.set_output(transform="pandas").fit(frame).transform(frame)
    assert told.columns.tolist() == [*names, "num__price"]
    assert told.index.tolist() == list("abcde")


def test_images_have_no_columns(tiny, photos):
    """Pixels of images are not counted as columns, those of rows are."""
    fitted = tiny().fit(photos.reshape(20, -1))
    assert fitted.n_features_in_ == 24 * 24 * 3
    fitted.fit(photos)
    assert not hasattr(fitted, "n_features_in_")
    assert len(fitted.get_feature_names_out(["path"])) == 12


def test_bfloat16(tiny, photos):
    """Half precision changes features little and keeps their type."""
    features = tiny(precision="bfloat16").transform(photos)
    assert features.dtype == np.float32
    assert cosine(features, tiny().transform(photos)).min() > 0.99


def test_progress_bar(tiny, photos, capsys):
    """verbose=1 shows a bar with a name, verbose=0 nothing."""
    tiny().transform(photos)
    assert capsys.readouterr().err == ""
    tiny(verbose=1).transform(photos)
    shown = capsys.readouterr().err
    assert "encoding images" in shown
    assert "20/20" in shown


@pytest.mark.gpu
def test_devices_agree(tiny, photos, pictures):
    """A CUDA device computes what the CPU does."""
    for X in (photos, pictures):
        expected = tiny(device="cpu").transform(X)
        assert cosine(tiny(device="cuda").transform(X), expected).min() > 0.999
