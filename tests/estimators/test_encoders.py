"""Encoders of an estimator: one or several, called once, owned, and kept apart."""

import pickle
from copy import deepcopy

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.preprocessing import FunctionTransformer

from sklearn_mfavb import Augmentation, Training, VTCCClustering
from sklearn_mfavb.estimators._augmentations import make_augmentations
from sklearn_mfavb.features import Encoder, FeatureTable, FrozenEncoder
from sklearn_mfavb.images import ImageDataset
from sklearn_mfavb.views import View


def flatten(images):
    """Stand in for an encoder of the user's, in a module so that it pickles."""
    return np.asarray(images, dtype=np.float64).reshape(len(images), -1)[:, ::5]


class CountingEncoder(TransformerMixin, BaseEstimator):
    """A transformer of scikit-learn's kind that counts its calls."""

    calls = None

    def __init__(self, step=3):
        self.step = step

    def fit(self, X, y=None):
        CountingEncoder.calls.append("fit")
        self.mean_ = np.asarray(X).mean()
        return self

    def transform(self, X):
        CountingEncoder.calls.append(len(X))
        return np.asarray(X).reshape(len(X), -1)[:, :: self.step] - self.mean_


@pytest.fixture
def calls():
    CountingEncoder.calls = []
    return CountingEncoder.calls


@pytest.fixture
def embedded(monkeypatch):
    """Note the shapes that every `Encoder` embeds, but for the image that tries it."""
    shapes, embed = [], Encoder.embed

    def note(self, images, **keywords):
        if len(images) > 1:
            shapes.append(tuple(images.shape))
        return embed(self, images, **keywords)

    monkeypatch.setattr(Encoder, "embed", note)
    return shapes


def test_every_encoder_gives_a_token(estimator_class, make, images, tiny):
    encoders = [tiny(), tiny(precision="bfloat16"), FunctionTransformer(flatten)]
    training = Training(precision="float32")  # bfloat16 rounds a batch of seven anew
    clusterer = make(estimator_class, encoder=encoders, training=training).fit(images)
    model = clusterer.model_
    assert [each.feature_dim for each in model.encoders] == [12, 12, 13]
    assert model.view_shape.feature_dims == (12, 12, 13)
    assert len(model.network.backbone.feature_tokens) == 3
    for held, given in zip(model.encoders, encoders, strict=True):
        rows = given.fit_transform(images)
        unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        assert_allclose(held.mean, unit.mean(axis=0), atol=1e-3)
    assert_array_equal(clusterer.predict(images), clusterer.labels_)
    assert_array_equal(clusterer.predict(images[:7]), clusterer.labels_[:7])


def test_features_of_the_same_encoder_are_the_same_fit(make, images, tiny):
    features = tiny().transform(images)
    by_hand = make(VTCCClustering, encoder="precomputed").fit(images, features=features)
    embedding = by_hand.transform(images, features=features)
    for encoder in (tiny(), [tiny()]):
        other = make(VTCCClustering, encoder=encoder).fit(images)
        assert_array_equal(other.labels_, by_hand.labels_)
        assert_array_equal(other.transform(images), embedding)


def test_a_name_stands_for_its_encoder(make, images, tiny, monkeypatch):
    loaded, encoder = [], tiny().build_encoder()

    def load(model, pretrained):
        loaded.append(model)
        return encoder

    monkeypatch.setattr("sklearn_mfavb.features._clip_features.load_encoder", load)
    clusterer = make(VTCCClustering, encoder="ViT-B-32", device="cpu").fit(images)
    assert loaded == ["ViT-B-32"]
    assert_array_equal(clusterer.predict(images), clusterer.labels_)
    assert len(loaded) == 1
    assert clusterer.model_.encoders[0].transformer.device == "cpu"


def test_encoders_are_called_once(estimator_class, make, images, calls):
    clusterer = make(estimator_class, encoder=CountingEncoder()).fit(images)
    assert calls == ["fit", 90]
    for method in (clusterer.predict, clusterer.transform, clusterer.score):
        calls.clear()
        method(images[:50])
        assert calls == [50]
    for method in ("fit_transform", "fit_predict"):
        calls.clear()
        getattr(clone(clusterer), method)(images)
        assert calls == ["fit", 90]


@pytest.mark.parametrize("use_pixels", [False, True])
def test_images_pass_our_encoder_once(make, images, tiny, embedded, use_pixels):
    clusterer = make(VTCCClustering, encoder=tiny(), use_pixels=use_pixels)
    clusterer.fit_transform(images)
    assert sum(shape[0] for shape in embedded) == 90
    for method in (clusterer.predict, clusterer.score):
        embedded.clear()
        method(images)  # whose features are kept
        assert embedded == []
        method(255 - images)
        assert sum(shape[0] for shape in embedded) == 90


@pytest.mark.parametrize("outliers", [0.0, 0.1])
def test_images_pass_the_network_once_after_training(
    estimator_class, make, images, tiny_backbone, outliers
):
    """What fit_transform returns labels too; nothing is embedded for it again."""
    rows = []

    def build(**shape):
        backbone = tiny_backbone(**shape)
        backbone.register_forward_hook(
            lambda module, views, out: rows.append((module.training, len(out)))
        )
        return backbone

    fitted = make(estimator_class, backbone=build, outliers=outliers)
    fitted.fit_transform(images)
    last_step = max(i for i, (is_training, _) in enumerate(rows) if is_training)
    assert sum(n for _, n in rows[last_step + 1 :]) == 90
    assert sum(n for is_training, n in rows if not is_training) % 90 == 0
    rows.clear()
    fitted.predict(images)
    assert sum(n for _, n in rows) == 90


def test_encoders_are_not_shared(make, images, tiny):
    given = tiny()
    given.build_encoder()
    before = deepcopy(given.encoder_.state_dict())
    first = make(VTCCClustering, encoder=given).fit(images)
    second = make(VTCCClustering, encoder=given).fit(images)
    owned = [each.model_.encoders[0].transformer for each in (first, second)]
    assert first.encoder is given
    assert len({id(each.encoder_) for each in (given, *owned)}) == 3
    labels = second.labels_
    for weight in owned[0].encoder_.parameters():
        weight.data.zero_()
    for name, value in given.encoder_.state_dict().items():
        assert torch.equal(value, before[name])
    assert_array_equal(second.predict(images), labels)
    assert not hasattr(clone(given), "encoder_")


@pytest.mark.parametrize("cache", [None, "cache"])
def test_a_fitted_model_needs_nothing_but_images(
    make, images, tiny, tiny_weights, tmp_path, cache
):
    weights = tmp_path / "own.safetensors"
    weights.write_bytes(tiny_weights.read_bytes())
    encoder = tiny(pretrained=weights, cache_dir=cache and tmp_path / cache)
    fitted = make(VTCCClustering, encoder=encoder).fit(images)
    copy = pickle.dumps(fitted)
    weights.unlink()
    for estimator in (fitted, pickle.loads(copy)):
        assert_array_equal(estimator.predict(images), fitted.labels_)
        assert estimator.predict(255 - images).shape == (90,)


@pytest.mark.parametrize(
    ("encoder", "error", "message"),
    [
        (FunctionTransformer(lambda X: flatten(X)[:9]), ValueError, "9 rows"),
        (FunctionTransformer(lambda X: X), ValueError, "[dD]im"),
        (
            FunctionTransformer(lambda X: np.where(flatten(X)[:, :1] < 0, 0, np.nan)),
            ValueError,
            "FunctionTransformer.* NaN or infinity for .* image 0",
        ),
        ([FunctionTransformer(flatten), 3], TypeError, "encoder must be .* got 3"),
        ([], ValueError, "encoder"),
        (["precomputed"], TypeError, "encoder must be"),
    ],
    ids=["too few", "no rows", "not finite", "a number", "none", "precomputed in list"],
)
def test_what_is_no_encoder_is_refused(make, images, encoder, error, message):
    with pytest.raises(error, match=message):
        make(VTCCClustering, encoder=encoder).fit(images)


def test_encoders_need_images(make, tiny):
    with pytest.raises(TypeError, match="X is of type NoneType"):
        make(VTCCClustering, encoder=tiny()).fit(None)
    clusterer = make(VTCCClustering, encoder=tiny()).set_params(reading__channel_axis=1)
    with pytest.raises(ValueError, match="2 channels"):
        clusterer.fit(np.zeros((9, 2, 8, 8), dtype=np.uint8))


def test_encoded_views_are_drawn_once_and_undistorted(make, tiny, embedded):
    """Every view is encoded before training, at the aspect of its image."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (30, 12, 24, 3), dtype=np.uint8)
    settings = {"encoder": tiny(), "augmentation": Augmentation(encoded_views=4)}
    for use_pixels in (False, True):
        fits = []
        for _ in range(2):
            embedded.clear()
            clusterer = make(VTCCClustering, use_pixels=use_pixels, **settings)
            fits.append(clusterer.set_params(image_size=8).fit(images))
            assert sum(shape[0] for shape in embedded) == 30 + 4 * 30
            assert {shape[2:] for shape in embedded} == {(12, 24)}
        assert_array_equal(fits[0].transform(images), fits[1].transform(images))
    plain = clone(clusterer).set_params(augmentation="auto").fit(images)
    assert not np.allclose(plain.transform(images), clusterer.transform(images))
    assert len(pickle.dumps(clusterer)) < len(pickle.dumps(plain)) + 2000


@pytest.mark.parametrize("encoder", [None, FunctionTransformer(flatten)])
def test_encoded_views_need_an_encoder_of_ours(make, images, encoder):
    augmentation = Augmentation(encoded_views=2)
    with pytest.raises(ValueError, match="encoded_views=2"):
        make(VTCCClustering, encoder=encoder, augmentation=augmentation).fit(images)


def test_one_encoded_view_is_too_few(make, images, tiny):
    augmentation = Augmentation(encoded_views=1)
    with pytest.raises(ValueError, match="encoded_views=1"):
        make(VTCCClustering, encoder=tiny(), augmentation=augmentation).fit(images)


def test_the_encoder_of_largest_weight_is_left_alone_most_often():
    """Half of the views lack the features of the others, a tenth its own."""
    encoders = [
        FrozenEncoder(str(dim), None, np.zeros(dim, dtype=np.float32), weight)
        for dim, weight in ((20, 0.5), (30, 1.0))
    ]
    blocks = [np.ones((3, each.feature_dim)) for each in encoders]
    dataset = ImageDataset(None, None, None, FeatureTable(encoders, blocks))
    augment, _ = make_augmentations("auto", dataset, encoders)
    parts = augment(View(None, torch.ones(2000, 50))).features.split([20, 30], dim=1)
    missing = [(part == 0).all(dim=1).float().mean().item() for part in parts]
    assert missing == pytest.approx([0.5, 0.1], abs=0.05)
