"""Encoders that the estimator builds, keeps and carries."""

import io
import pickle

import numpy as np
import pytest
from numpy.testing import assert_array_equal

pytestmark = pytest.mark.filterwarnings(
    "ignore:Only .* clusters hold images:sklearn.exceptions.ConvergenceWarning"
)


@pytest.fixture
def model(tiny_weights):
    """Name the tiny model and its file of weights."""
    return {"clip": "tiny-clip-of-the-tests", "clip_pretrained": tiny_weights}


@pytest.fixture
def own_weights(tiny_weights, tmp_path):
    """Copy the weights to where a test may delete them."""
    path = tmp_path / "own.safetensors"
    path.write_bytes(tiny_weights.read_bytes())
    return path


@pytest.mark.parametrize("by", ["name", "instance", "cache"])
def test_fitted_model_needs_nothing_but_images(
    quick, tiny, model, shapes, own_weights, tmp_path, by
):
    """Without the file of weights a pickled model predicts the same labels."""
    images, _ = shapes
    settings = {
        "name": {**model, "clip_pretrained": own_weights},
        "instance": {"clip": tiny(pretrained=own_weights)},
        "cache": {"clip": tiny(pretrained=own_weights, cache_dir=tmp_path / "cache")},
    }
    fitted = quick(**settings[by]).fit(images)
    buffer = io.BytesIO(pickle.dumps(fitted))
    own_weights.unlink()
    copy = pickle.load(buffer)
    for estimator in (fitted, copy):
        assert_array_equal(estimator.predict(images), fitted.labels_)
        assert estimator.predict(255 - images).shape == (90,)


def test_named_model_gives_the_features_of_its_transformer(quick, tiny, model, shapes):
    """A name, an instance and features computed beforehand are one."""
    images, _ = shapes
    by_name = quick(**model).fit(images)
    features = tiny(precision="auto").transform(images)
    by_hand = quick(clip="precomputed").fit(images, clip_features=features)
    np.testing.assert_allclose(by_name.feature_mean_, by_hand.feature_mean_, atol=1e-5)
    np.testing.assert_allclose(
        by_name.transform(images),
        by_hand.transform(images, clip_features=features),
        atol=1e-3,
    )


def test_users_transformer_is_not_touched(quick, tiny, shapes):
    """The instance that is passed stays as it was: a clone does the work."""
    extractor = tiny()
    before = dict(vars(extractor))
    fitted = quick(clip=extractor).fit(shapes[0])
    assert vars(extractor) == before
    assert fitted.clip is extractor
    assert fitted.clip_extractor_ is not extractor


def test_encoder_is_frozen(quick, tiny, tiny_model, shapes):
    """Training leaves the weights of the encoder as they were."""
    images, _ = shapes
    fitted = quick(clip=tiny()).fit(images)
    features = fitted.clip_extractor_.extract(
        fitted._read_images(images, reset=False), fitted.clip_encoder_
    )
    np.testing.assert_array_equal(features, tiny().transform(images))
    trained = {id(weight) for weight in fitted.net_.module_.parameters()}
    assert not trained & {id(weight) for weight in fitted.clip_encoder_.parameters()}


@pytest.mark.parametrize("image_tokens", [True, False])
@pytest.mark.parametrize("keeps_header", [True, False])
def test_folder_of_images_gets_features(
    quick, model, shapes, tmp_path, image_tokens, keeps_header, write_folder
):
    """Files of a folder are embedded; the broken one is skipped."""
    write_folder(tmp_path, shapes[0][:20], broken=7, keeps_header=keeps_header)
    clusterer = quick(on_error="skip", image_tokens=image_tokens, **model)
    labels = clusterer.fit_predict(tmp_path)
    assert np.flatnonzero(labels == -1).tolist() == [7]
    assert_array_equal(clusterer.predict(tmp_path), labels)
    assert np.isfinite(clusterer.score(tmp_path))


def test_encoder_needs_grey_or_colour(quick, model):
    """Images of two channels are refused before anything is trained."""
    images = np.zeros((9, 8, 8, 2), dtype=np.uint8)
    with pytest.raises(ValueError, match="2 channels"):
        quick(channel_axis=-1, **model).fit(images)


def test_unknown_model_is_named(quick, shapes):
    """A model that nobody knows is an error that names it."""
    with pytest.raises(ValueError, match="no-such-model"):
        quick(clip="no-such-model").fit(shapes[0])


def test_bank_of_views_is_embedded_once_and_seeded(quick, tiny, shapes, monkeypatch):
    """Every view of every image is embedded before training; a seed repeats it all."""
    images = shapes[0][:30]
    embedded = []
    encoder_type = type(tiny().build_encoder())
    embed = encoder_type.embed

    def count(self, images, **keywords):
        embedded.append(len(images))
        return embed(self, images, **keywords)

    monkeypatch.setattr(encoder_type, "embed", count)
    fitted = [quick(clip=tiny(), clip_views=4).fit(images) for _ in range(2)]
    # Twice: the clean images and four views of each, in training; labelling needs
    # no more than the features of `fit`.
    assert sum(embedded) == 2 * (30 + 4 * 30)
    assert_array_equal(fitted[0].transform(images), fitted[1].transform(images))
    plain = quick(clip=tiny()).fit(images)
    assert not np.allclose(plain.transform(images), fitted[0].transform(images))


@pytest.mark.parametrize("parameters", [{}, {"clip": "precomputed"}], ids=str)
def test_bank_of_views_needs_an_encoder(quick, tiny, shapes, parameters):
    """Features that are passed cannot be those of views; not even after another fit."""
    features = np.random.default_rng(0).standard_normal((90, 8))
    given = {"clip_features": features} if parameters else {}
    clusterer = quick(clip=tiny()).fit(shapes[0])
    clusterer.set_params(clip=None, clip_views=2).set_params(**parameters)
    with pytest.raises(ValueError, match=r"clip_views=2 .* no encoder"):
        clusterer.fit(shapes[0], **given)


def test_trained_network_holds_no_images(quick, tiny, shapes):
    """The bank is gone after training."""
    fitted = quick(clip=tiny(), clip_views=2).fit(shapes[0])
    assert fitted.net_.contrast is None


def test_one_view_is_too_few(quick, tiny, shapes):
    """Either view of a pair needs its own."""
    with pytest.raises(ValueError, match="clip_views=1"):
        quick(clip=tiny(), clip_views=1).fit(shapes[0])


def test_clip_that_changed_after_fit_is_refused(quick, tiny, shapes):
    """Prediction with other inputs than those of the fit says what to do."""
    images, _ = shapes
    fitted = quick(clip=tiny()).fit(images)
    with pytest.raises(ValueError, match="clip=None is not what"):
        fitted.set_params(clip=None).predict(images)


@pytest.mark.gpu
def test_pickles_hold_their_networks_on_the_cpu(quick, tiny, shapes):
    """What is fitted on a GPU is copied for a pickle, and stays where it is."""
    fitted = quick(clip=tiny(device="cuda"), device="cuda").fit(shapes[0])
    state = fitted.__getstate__()
    assert state["readout_"].center.device.type == "cpu"
    assert state["clip_encoder_"].device.type == "cpu"
    assert fitted.readout_.center.device.type == "cuda"
    assert_array_equal(
        pickle.loads(pickle.dumps(fitted)).predict(shapes[0]), fitted.labels_
    )
