"""What cannot be saved or loaded is refused, and what is left out is named."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.exceptions import NotFittedError
from skorch.callbacks import Callback

import sklearn_mfavb
from sklearn_mfavb import CLIPFeatures, VTCCClustering
from sklearn_mfavb.backbones import ConvStemViT
from sklearn_mfavb.persistence import ModelFileError

pytestmark = pytest.mark.filterwarnings(
    "ignore:Only .* clusters hold images:sklearn.exceptions.ConvergenceWarning"
)


def flip(batch):
    """Mirror images."""
    return batch.flip(-1)


def other_backbone(*, image_size, n_channels, **sees):
    """Build a network that is wider than `tiny_backbone`."""
    return ConvStemViT(
        (2, 2),
        n_channels=n_channels,
        patch_size=4,
        embed_dim=32,
        n_heads=2,
        depth=1,
        **sees,
    )


def test_estimators_that_are_not_fitted(make, tmp_path):
    """There is nothing to save before fit."""
    with pytest.raises(NotFittedError):
        make().save(tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


class OwnClustering(VTCCClustering):
    """A user's class."""


def test_classes_of_users(images, tmp_path):
    """A subclass has code that is not ours to save."""
    fitted = OwnClustering(3, embed_dim=16, n_heads=2, max_epochs=1).fit(images)
    with pytest.raises(TypeError, match=r"OwnClustering is no class .*joblib\.dump"):
        fitted.save(tmp_path / "model")


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"augmentation": flip}, "augmentation"),
        ({"augmentation": (flip, flip)}, "augmentation"),
        ({"feature_augmentation": flip}, "feature_augmentation"),
        ({"callbacks": [Callback()]}, "callbacks"),
        ({"random_state": np.random.RandomState(0)}, "random_state"),
        ({"checkpoint": "fit.checkpoint"}, "checkpoint"),
        ({"augmentation": flip, "callbacks": [Callback()]}, "augmentation, callbacks"),
    ],
    ids=str,
)
def test_what_only_training_needs(
    make, images, tmp_path, monkeypatch, parameters, named
):
    """It is left out with a warning that names it, and is the default after loading."""
    monkeypatch.chdir(tmp_path)
    fitted = make(**parameters).fit(images)
    with pytest.warns(UserWarning, match=rf"Not saved, .*machine: {named}\.") as caught:
        fitted.save("model")
    assert [warning.filename for warning in caught] == [__file__]
    loaded = sklearn_mfavb.load("model")
    assert_array_equal(loaded.predict_proba(images), fitted.predict_proba(images))
    changed = {name: getattr(VTCCClustering(), name) for name in parameters}
    assert loaded.get_params() == {**fitted.get_params(), **changed}


def test_plain_parameters_do_not_warn(fitted, tmp_path):
    """There is no warning without a reason."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted.save(tmp_path / "model")
        sklearn_mfavb.load(tmp_path / "model")


def test_attributes_of_the_user(make, images, tmp_path):
    """What someone hung on an estimator is not lost in silence."""
    fitted = make().fit(images)
    fitted.note = "the good one"
    with pytest.warns(UserWarning, match=r"Not saved, .*: note\."):
        fitted.save(tmp_path / "model")


class OwnFeatures(CLIPFeatures):
    """A user's transformer."""


def test_encoders_of_users(make, images, tiny, tmp_path):
    """A transformer of another class cannot be saved, and the model not without it."""
    fitted = make(clip=OwnFeatures(**tiny().get_params())).fit(images)
    with pytest.raises(TypeError, match=r"clip=OwnFeatures\((.|\n)* cannot be saved"):
        fitted.save(tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_functions_as_backbones_must_be_passed(make, images, backbone, tmp_path):
    """The function that is missing is named; one that has no place is refused."""
    fitted = make("ContrastiveClustering", backbone=backbone).fit(images)
    fitted.save(tmp_path / "model")
    with pytest.raises(ModelFileError, match=r"tiny_backbone.* load\(path, backbone="):
        sklearn_mfavb.load(tmp_path / "model")
    assert (
        sklearn_mfavb.load(tmp_path / "model", backbone=backbone).backbone is backbone
    )
    make().fit(images).save(tmp_path / "plain")
    with pytest.raises(ModelFileError, match=r"backbone='auto', .* leave out backbone"):
        sklearn_mfavb.load(tmp_path / "plain", backbone=backbone)


def test_another_function_as_backbone(make, images, backbone, tmp_path):
    """A function that builds another network is told by the shapes of its weights."""
    fitted = make("ContrastiveClustering", backbone=backbone).fit(images)
    fitted.save(tmp_path / "model")
    told = r"class_token \(float32 \(1, 1, 16\) saved, float32 \(1, 1, 32\) built\)"
    with pytest.raises(ModelFileError, match=told):
        sklearn_mfavb.load(tmp_path / "model", backbone=other_backbone)


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({"embed_dim": 32}, r"float32 \(1, 1, 16\) saved, float32 \(1, 1, 32\) built"),
        # The same weights, read otherwise.
        ({"n_heads": 4}, "its embeddings differ from those of the estimator"),
        ({"n_clusters": 4}, "other weights than those saved"),
        ({"max_epochs": -1}, "'max_epochs' parameter"),
        ({"image_tokens": False}, "image_tokens=False"),
    ],
    ids=str,
)
def test_parameters_that_changed_after_fit(make, images, tmp_path, parameters, told):
    """A file that would not predict as the estimator does is never written."""
    path = tmp_path / "model"
    path.write_text("before")
    changed = make().fit(images).set_params(**parameters)
    with pytest.raises(
        ValueError, match=rf"cannot be loaded: .*{told}.* set them back"
    ):
        changed.save(path)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]
