"""What cannot be saved is refused, and what is left out is named."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.cluster import Birch
from sklearn.exceptions import NotFittedError
from sklearn.preprocessing import FunctionTransformer
from skorch.callbacks import Callback

import sklearn_mfavb
from sklearn_mfavb import Augmentation, CLIPFeatures, Training, ViT
from sklearn_mfavb.backbones import ConvStemViT
from sklearn_mfavb.persistence import ModelFileError

pytestmark = pytest.mark.filterwarnings(
    "ignore:Only .* clusters hold images:sklearn.exceptions.ConvergenceWarning"
)


def flip(batch):
    """Mirror images."""
    return batch.flip(-1)


def flatten(images):
    """Make rows of images."""
    return np.asarray(images, dtype=np.float32).reshape(len(images), -1)


def wider_backbone(*, image_size, **shape):
    """Build a network that is wider than `tiny_backbone`."""
    sizes = {"patch_size": 4, "embed_dim": 32, "n_heads": 2, "depth": 1}
    return ConvStemViT((2, 2), **sizes, **shape)


def test_estimators_that_are_not_fitted(make, tmp_path):
    """There is nothing to save before fit."""
    with pytest.raises(NotFittedError):
        make().save(tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"augmentation": flip}, "augmentation"),
        ({"augmentation": Augmentation((flip, flip))}, "augmentation__images"),
        ({"augmentation": Augmentation(features=flip)}, "augmentation__features"),
        ({"training": Training(callbacks=[Callback()])}, "training__callbacks"),
        ({"random_state": np.random.RandomState(0)}, "random_state"),
        ({"training": Training(checkpoint="fit.mfavb")}, "training__checkpoint"),
    ],
    ids=range(6),
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
    assert loaded.get_params()[named] == {"augmentation": "auto"}.get(
        named, make(augmentation=Augmentation(), random_state=None).get_params()[named]
    )


@pytest.mark.filterwarnings("error")
def test_plain_parameters_do_not_warn(fitted, tmp_path):
    """There is no warning without a reason."""
    fitted.save(tmp_path / "model")


def test_attributes_of_the_user(make, images, tmp_path):
    """What someone hung on an estimator is not lost in silence."""
    fitted = make().fit(images)
    fitted.note = "the good one"
    with pytest.warns(UserWarning, match=r"Not saved, .*: note\."):
        fitted.save(tmp_path / "model")


class OwnFeatures(CLIPFeatures):
    """A user's transformer."""


@pytest.mark.parametrize("kind", ["own", "scikit-learn", "list", "assignment"])
def test_objects_of_others(make, images, tiny, tmp_path, kind):
    """Transformers and clusterers of unknown classes would need pickle."""
    own = OwnFeatures(**tiny().get_params(deep=False))
    flat = FunctionTransformer(flatten)
    parameters, told = {
        "own": ({"encoder": own}, r"encoder=OwnFeatures"),
        "scikit-learn": ({"encoder": flat}, r"encoder=FunctionTransformer"),
        "list": ({"encoder": [tiny(), flat]}, r"encoder\.1=FunctionTransformer"),
        "assignment": (
            {"assignment": Birch(threshold=0.01, n_clusters=3)},
            r"assignment=Birch",
        ),
    }[kind]
    fitted = make(**parameters).fit(images)
    with pytest.raises(TypeError, match=rf"{told}(.|\n)* without pickle.*joblib\.dump"):
        fitted.save(tmp_path / "model")
    # Nor are they left out where the parameter was changed after fit.
    with pytest.raises(TypeError, match=r"without pickle(.|\n)*joblib\.dump"):
        fitted.set_params(encoder=None, assignment="mixture").save(tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_functions_as_backbones_must_be_passed(make, images, backbone, tmp_path):
    """The function that is missing is named; one that has no place is refused."""
    fitted = make("ContrastiveClustering", backbone=backbone).fit(images)
    fitted.save(tmp_path / "model")
    with pytest.raises(ModelFileError, match=r"tiny_backbone.* load\(path, backbone="):
        sklearn_mfavb.load(tmp_path / "model")
    with pytest.raises(ModelFileError, match=r"class_token: .*1, 1, 16.*1, 1, 32"):
        sklearn_mfavb.load(tmp_path / "model", backbone=wider_backbone)
    loaded = sklearn_mfavb.load(tmp_path / "model", backbone=backbone)
    assert loaded.backbone is backbone
    make().fit(images).save(tmp_path / "plain")
    with pytest.raises(ModelFileError, match=r"backbone=ViT.*, .* leave out backbone"):
        sklearn_mfavb.load(tmp_path / "plain", backbone=backbone)


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({"backbone": ViT(embed_dim=32)}, r"\(.*16.*\)(.|\n)*32"),
        # The same weights, read otherwise.
        ({"backbone__n_heads": 4}, "it would not predict the same"),
        ({"max_epochs": -1}, "'max_epochs' parameter"),
    ],
    ids=str,
)
def test_parameters_that_changed_after_fit(make, images, tmp_path, parameters, told):
    """A file that would not predict as the estimator does is never written."""
    path = tmp_path / "model"
    path.write_text("before")
    changed = make().fit(images).set_params(**parameters)
    told = rf"cannot be loaded: (.|\n)*{told}(.|\n)* set them back"
    with pytest.raises(ValueError, match=told):
        changed.save(path)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]
