"""Images of every kind go in, are read as seldom as can be, and labels are aligned."""

from copy import deepcopy

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_array_equal
from PIL import Image

from sklearn_mfavb import CLIPFeatures, Reading, VTCCClustering
from sklearn_mfavb.estimators import comparable_rows
from sklearn_mfavb.images import ImageDataset, open_images
from sklearn_mfavb.training import Runtime


@pytest.fixture(scope="module")
def colors():
    return np.random.default_rng(0).integers(0, 256, (24, 8, 8, 3), dtype=np.uint8)


@pytest.fixture
def quick(make):
    reading = Reading(on_error="skip")
    return lambda **parameters: make(VTCCClustering, reading=reading, **parameters)


def test_names_of_columns_are_kept_and_forgotten(estimator_class, make, images):
    frame = pd.DataFrame(images.reshape(90, -1)).add_prefix("pixel")
    clusterer = make(estimator_class).fit(frame)
    assert clusterer.n_features_in_ == 64
    with pytest.raises(ValueError, match="feature names"):
        clusterer.predict(frame[frame.columns[::-1]])
    clusterer.fit(images)
    assert not hasattr(clusterer, "feature_names_in_")
    assert not hasattr(clusterer, "n_features_in_")


def test_large_images_are_reduced_unless_asked(make):
    images = np.zeros((6, 96, 192, 3), dtype=np.uint8)
    for asked, seen in {"auto": (32, 64), 16: (16, 16), (12, 8): (12, 8)}.items():
        clusterer = make(VTCCClustering, image_size=asked, max_epochs=1)
        assert clusterer.fit(images).image_size_ == seen
    for wrong in ((7.5, 8), [8, 8, 8]):
        with pytest.raises(ValueError, match="image_size must be"):
            make(VTCCClustering, image_size=wrong).fit(images)


@pytest.mark.filterwarnings("ignore:Number of distinct clusters")
@pytest.mark.parametrize("resize", ["crop", "pad", "stretch"])
def test_photographs_keep_their_aspect(estimator_class, make, tmp_path, resize):
    wide = np.zeros((40, 80), dtype=np.uint8)
    wide[10:30, 30:50] = 255  # 20 pixels square, in the middle
    paths = [tmp_path / f"{number}.png" for number in range(6)]
    for path, image in zip(paths, [wide, wide.T] * 3, strict=True):
        Image.fromarray(image).save(path)
    seen = []

    def note(batch):
        seen.append(batch.clone())
        return batch

    settings = {"image_size": 20, "augmentation": note}
    make(estimator_class, 2, reading=Reading(resize=resize), **settings).fit(paths)
    for image in torch.cat(seen)[:, 0]:
        height, width = ((image.mean(dim=side) > 0.05).sum() for side in (1, 0))
        assert (0.75 < float(height / width) < 1.34) is (resize != "stretch")


def test_augmentations_of_users_may_work_in_place(estimator_class, make, images):
    def erase(batch):
        return batch.mul_(0.0).add_(torch.rand_like(batch))

    before = images.copy()
    erased, drawn = (
        make(estimator_class, augmentation=each).fit(images)
        for each in (erase, torch.rand_like)
    )
    assert_array_equal(images, before)
    for one, other in zip(erased.history_, drawn.history_, strict=True):
        assert one["loss"] == pytest.approx(other["loss"], rel=1e-3, abs=1e-4)


def test_modules_of_users_are_never_trained_in_place(make, images):
    module = torch.nn.BatchNorm2d(1)
    before = deepcopy(module.state_dict())
    augmentation = torch.nn.Sequential(module, torch.nn.Sigmoid())
    make(VTCCClustering, augmentation=augmentation).fit(images)
    assert all(torch.equal(module.state_dict()[key], before[key]) for key in before)


def test_files_that_nobody_looks_at_are_not_decoded(
    estimator_class, make, photos, features, decoded
):
    rows = features[:30]
    clusterer = make(estimator_class, encoder="precomputed").fit(photos, features=rows)
    clusterer.predict(photos, features=rows)
    clusterer.score(photos, features=rows)
    assert clusterer.labels_.shape == (30,)
    assert decoded == []


def test_files_with_kept_features_are_not_decoded(
    make, photos, tiny, tmp_path, decoded
):
    encoder = tiny(cache_dir=tmp_path / "cache")
    first = make(VTCCClustering, encoder=encoder).fit(photos)
    assert len(decoded) == 30
    decoded.clear()
    again = make(VTCCClustering, encoder=encoder).fit(photos)
    again.predict(photos)
    assert decoded == []
    assert_array_equal(again.labels_, first.labels_)


@pytest.mark.parametrize("with_encoder", [False, True])
def test_files_are_decoded_once(
    estimator_class, make, photos, tiny, decoded, with_encoder
):
    """For the encoder and all epochs of the network together."""
    encoder = tiny() if with_encoder else None
    clusterer = make(estimator_class, encoder=encoder, use_pixels=True)
    for method in (clusterer.fit_transform, clusterer.predict):
        decoded.clear()
        method(photos)
        assert len(decoded) == 30


def test_folders_and_paths_are_the_same_images(make, photos):
    folder = make(VTCCClustering).fit(photos[0].parent)
    paths = make(VTCCClustering).fit(folder.paths_)
    assert folder.paths_ == [str(path) for path in photos]
    assert folder.skipped_ == {}
    assert_array_equal(folder.labels_, paths.labels_)
    assert_array_equal(folder.predict(str(photos[0].parent)), folder.labels_)


@pytest.mark.parametrize("with_encoder", [False, True])
def test_broken_files_are_named_or_skipped(quick, make, photos, tiny, with_encoder):
    """Labels stay aligned: -1 for the file that is listed in skipped_."""
    photos[4].write_bytes(photos[4].read_bytes()[:60])
    encoder = tiny() if with_encoder else None
    with pytest.raises(ValueError, match=r"04\.png"):
        make(VTCCClustering, encoder=encoder).fit(photos)
    clusterer = quick(encoder=encoder).fit(photos)
    assert list(clusterer.skipped_) == [4]
    assert np.flatnonzero(clusterer.labels_ == -1).tolist() == [4]
    assert_array_equal(clusterer.predict(photos), clusterer.labels_)
    for method in (clusterer.predict_proba, clusterer.transform):
        assert np.flatnonzero(np.isnan(method(photos)).all(axis=1)).tolist() == [4]
    assert np.isfinite(clusterer.score(photos))
    with pytest.raises(ValueError, match="None of the 1 images"):
        clusterer.score(photos[4:5])


def test_files_that_vanish_before_they_are_embedded(quick, photos, tiny, monkeypatch):
    """Training sees no features that are missing; what is left may be too little."""
    extract, gone = CLIPFeatures.extract, photos[5:6]

    def extract_late(self, source):
        for path in gone:
            path.unlink(missing_ok=True)
        return extract(self, source)

    monkeypatch.setattr(CLIPFeatures, "extract", extract_late)
    clusterer = quick(encoder=tiny()).fit(photos)
    assert list(clusterer.skipped_) == [5]
    assert np.flatnonzero(clusterer.labels_ < 0).tolist() == [5]
    gone = photos[2:]
    with pytest.raises(ValueError, match=r"n_samples=2 .*more could not be read"):
        quick(encoder=tiny()).fit([path for path in photos if path.exists()])


def test_images_of_another_kind_are_refused(make, colors):
    with pytest.raises(TypeError, match=r"[Ss]parse"):
        make(VTCCClustering).fit(torch.from_numpy(colors).float().to_sparse())
    with pytest.raises(ValueError, match="channel"):
        make(VTCCClustering).fit(colors).predict(colors[..., 0])


def test_of_images_that_are_compared_no_others_are_read(colors, tmp_path, monkeypatch):
    """To decode 100,000 photographs for a sample of 5,000 takes half an hour."""
    for number, pixels in enumerate(colors):
        Image.fromarray(pixels).save(tmp_path / f"{number:02d}.png")
    source, read = open_images(tmp_path), []
    dataset = ImageDataset(source, (8, 8))
    runtime = Runtime(torch.device("cpu"), None, batch_size=4)
    rows = comparable_rows(dataset, runtime, np.arange(24))
    load = type(source)._load
    monkeypatch.setattr(
        type(source), "_load", lambda *given: read.extend(given[1]) or load(*given)
    )
    some = comparable_rows(dataset, runtime, np.array([7, 1]))
    assert read == [7, 1]
    assert_array_equal(some, rows[[7, 1]])
