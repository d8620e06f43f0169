"""Names of clusters: from images to the words that their encoder has for them."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from safetensors.torch import save_file
from sklearn.base import clone

import sklearn_mfavb
from sklearn_mfavb import CLIPFeatures, VTCCClustering
from sklearn_mfavb.features import embed_words
from sklearn_mfavb.naming import cluster_names

NUMBERS = ["cluster 0", "cluster 1", "cluster 2"]
COLORS = {"red": (250, 20, 20), "green": (20, 250, 20), "blue": (20, 20, 250)}
OTHERS = ["a tall ship", "winter", "seventeen"]


@pytest.fixture(scope="module")
def images():
    """Twelve images of each color."""
    rng = np.random.default_rng(0)
    shape = (12, 32, 32, 3)
    noisy = [rng.normal(color, 3, shape).clip(0, 255) for color in COLORS.values()]
    return np.concatenate(noisy).astype(np.uint8)


@pytest.fixture(scope="module")
def encoder(tiny_text_model, images, tmp_path_factory):
    """Make an encoder whose features of red images are those of the word "red"."""
    path = tmp_path_factory.mktemp("weights") / "planted.safetensors"
    weights = tiny_text_model.state_dict()
    save_file(weights, path)
    options = {"precision": "float32", "device": "cpu"}
    random = CLIPFeatures("tiny-clip-with-text", path, **options)
    random.build_encoder().tower.proj = None
    wide = random.embed(torch.from_numpy(images).permute(0, 3, 1, 2)).numpy()
    projection = np.linalg.pinv(wide[::12]) @ embed_words(random, list(COLORS))
    save_file({**weights, "visual.proj": torch.from_numpy(projection)}, path)
    return CLIPFeatures("tiny-clip-with-text", path, **options)


@pytest.fixture(scope="module")
def fitted(encoder, images):
    clusterer = VTCCClustering(3, encoder=encoder, max_epochs=1, random_state=0)
    return clusterer.fit(images)


def named(clusterer):
    """Return the name of every image's cluster."""
    return [clusterer.cluster_names_[label] for label in clusterer.labels_]


def test_images_get_the_words_that_their_encoder_has_for_them(fitted, images):
    """Before they are named, and after another fit, numbers are their names."""
    assert fitted.cluster_names_ == cluster_names(fitted) == NUMBERS
    copy = clone(fitted).fit(images)
    assert copy.name_clusters(list(COLORS)[::-1]) is copy
    assert named(copy) == np.repeat(list(COLORS), 12).tolist()
    assert cluster_names(copy) == copy.cluster_names_
    assert copy.fit(images).cluster_names_ == NUMBERS


def test_features_of_clusters_are_means_of_unit_vectors(fitted, encoder, images):
    """The centering that training needs is undone."""
    features = encoder.transform(images)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    for cluster, mean in enumerate(fitted.cluster_features_):
        expected = features[fitted.labels_ == cluster].mean(axis=0)
        assert_allclose(mean, expected, atol=1e-5)


def test_names_are_saved_and_can_be_proposed_again(fitted, images, tmp_path):
    """The file has the names, and what naming by other words needs."""
    fitted.name_clusters(list(COLORS)).save(tmp_path / "model")
    loaded = sklearn_mfavb.load(tmp_path / "model", device="cpu")
    assert loaded.cluster_names_ == fitted.cluster_names_
    loaded.name_clusters(OTHERS)
    assert set(loaded.cluster_names_) <= {*OTHERS, *NUMBERS}
    assert loaded.name_clusters(list(COLORS)).cluster_names_ == fitted.cluster_names_


def test_first_encoder_with_a_text_tower_names(encoder, tiny, images):
    """Its own part of the features is compared."""
    both = [tiny(device="cpu"), encoder]
    clusterer = VTCCClustering(3, encoder=both, max_epochs=1, random_state=0)
    clusterer.fit(images).name_clusters(list(COLORS))
    assert clusterer.cluster_features_.shape == (3, 24)
    assert named(clusterer) == np.repeat(list(COLORS), 12).tolist()


def test_without_a_text_tower_there_is_no_guess(tiny, images):
    """Neither from pixels, nor features, nor the file of an image tower."""
    settings = {"n_clusters": 3, "max_epochs": 1, "random_state": 0}
    pixels = VTCCClustering(**settings, image_size=8).fit(images)
    features = VTCCClustering(**settings, encoder="precomputed")
    features.fit(np.random.default_rng(0).normal(size=(30, 6)))
    tower = VTCCClustering(**settings, encoder=tiny(device="cpu")).fit(images)
    for clusterer in (pixels, features, tower):
        assert clusterer.name_clusters().cluster_names_ == NUMBERS
        with pytest.warns(UserWarning, match="words name no clusters"):
            clusterer.name_clusters(list(COLORS))
        assert clusterer.cluster_names_ == NUMBERS


def test_words_are_checked_before_a_tower_is_built(fitted, monkeypatch):
    monkeypatch.setattr("open_clip.create_model", None)
    with pytest.raises(ValueError, match="words holds no words"):
        fitted.name_clusters([])
