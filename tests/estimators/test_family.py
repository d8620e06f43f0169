"""What all clusterers have in common, each on a network that fits in a second."""

import pickle
import re

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from skorch.callbacks import Callback

from sklearn_mfavb import (
    AnchorClustering,
    ContrastiveClustering,
    CueCoClustering,
    MFAVBClustering,
    SCANClustering,
    VTCCClustering,
)
from sklearn_mfavb.backbones import ConvStemViT, TimmBackbone
from sklearn_mfavb.datasets import make_shape_images
from sklearn_mfavb.metrics import clustering_accuracy

FAMILY = [
    AnchorClustering,
    ContrastiveClustering,
    CueCoClustering,
    MFAVBClustering,
    SCANClustering,
    VTCCClustering,
]
STAGED = {
    AnchorClustering: {"pretrain_epochs": 3},
    SCANClustering: {"pretext_epochs": 3, "self_label_epochs": 0},
}

pytestmark = pytest.mark.filterwarnings(
    "ignore:Only .* clusters hold images:sklearn.exceptions.ConvergenceWarning"
)
every_class = pytest.mark.parametrize(
    "estimator_class", FAMILY, ids=lambda item: item.__name__
)


def tiny_backbone(*, image_size, n_channels, **sees):
    """Build a transformer of one layer, 16 wide, for images of 8 pixels."""
    assert image_size == (8, 8)
    return ConvStemViT(
        (2, 2),
        n_channels=n_channels,
        patch_size=4,
        embed_dim=16,
        n_heads=2,
        depth=1,
        **sees,
    )


def make(estimator_class, n_clusters=3, **parameters):
    """Make an estimator of two epochs per stage, on a tiny network."""
    defaults = {
        "backbone": tiny_backbone,
        "max_epochs": 2,
        "batch_size": 32,
        "random_state": 0,
    }
    return estimator_class(n_clusters, **{**defaults, **parameters})


@pytest.fixture(scope="module")
def features(shapes):
    """Features that tell the kinds of the shapes apart, as an encoder may."""
    _, kinds = shapes
    rng = np.random.default_rng(0)
    return 3 * np.eye(3, 12)[kinds] + rng.normal(size=(len(kinds), 12))


@pytest.fixture(scope="module", params=FAMILY, ids=lambda item: item.__name__)
def fitted(request, shapes):
    """One fitted estimator of every class; tests must not change it."""
    return make(request.param).fit(shapes[0])


def test_recovers_the_shapes_from_pixels():
    """A small transformer that sees views alone finds the kinds of shapes, too.

    `test_mfavb_clustering` has the same of a fusing one.
    """
    images, kinds = make_shape_images(200, n_clusters=3, image_size=8, random_state=0)
    labels = make(
        VTCCClustering,
        backbone="auto",
        embed_dim=32,
        max_epochs=25,
        positives="neighbors",
        assignment="mixture",
    ).fit_predict(images)
    assert clustering_accuracy(kinds, labels) > 0.9


@pytest.mark.parametrize("seed", range(3))
@every_class
def test_defaults_are_no_worse_than_k_means_on_features(
    shapes, features, estimator_class, seed
):
    """Features that k-means tells apart are enough for every method, in 20 epochs."""
    images, kinds = shapes
    clusterer = make(
        estimator_class,
        backbone="auto",
        clip="precomputed",
        max_epochs=20,
        random_state=seed,
    ).fit(images, clip_features=features)
    by_means = KMeans(3, n_init=10, random_state=0).fit_predict(features)
    worst = clustering_accuracy(kinds, by_means) - 0.015  # one image is 0.011
    assert clustering_accuracy(kinds, clusterer.labels_) >= worst


@pytest.mark.parametrize(
    "estimator_class",
    [ContrastiveClustering, CueCoClustering, MFAVBClustering, VTCCClustering],
    ids=lambda item: item.__name__,
)
def test_neighbours_as_positives(shapes, features, estimator_class):
    """Where neighbours may be positives, they are taken and lead to the kinds."""
    images, kinds = shapes
    clusterer = make(
        estimator_class,
        backbone="auto",
        clip="precomputed",
        positives="neighbors",
        max_epochs=15,
    ).fit(images, clip_features=features)
    assert clustering_accuracy(kinds, clusterer.labels_) > 0.9
    other = clusterer.__sklearn_clone__().set_params(n_neighbors=1)
    other.fit(images, clip_features=features)
    assert other.history_[-1]["loss"] != clusterer.history_[-1]["loss"]


def test_labels_are_those_of_predict(fitted, shapes):
    """labels_ equals predict on the training images, and the likeliest cluster."""
    images, _ = shapes
    assert_array_equal(fitted.labels_, fitted.predict(images))
    probabilities = fitted.predict_proba(images)
    assert probabilities.shape == (90, 3)
    assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    assert_array_equal(probabilities.argmax(axis=1), fitted.labels_)


def test_a_seed_replays_the_fit_and_leaves_the_global_state(fitted, shapes):
    """One seed gives equal labels and embeddings bit for bit; another differs."""
    images, _ = shapes
    torch.manual_seed(5)
    np.random.seed(5)
    states = torch.get_rng_state(), np.random.get_state()[1].copy()
    again = fitted.__sklearn_clone__().fit(images)
    assert_array_equal(torch.get_rng_state(), states[0])
    assert_array_equal(np.random.get_state()[1], states[1])
    assert_array_equal(again.labels_, fitted.labels_)
    assert_array_equal(again.transform(images), fitted.transform(images))
    other = fitted.__sklearn_clone__().set_params(random_state=1).fit(images)
    assert not np.allclose(other.transform(images), fitted.transform(images))


def test_pickle_round_trip(fitted, shapes):
    """A copy by pickle predicts the same, bit for bit, and can go on training."""
    images, _ = shapes
    copy = pickle.loads(pickle.dumps(fitted))
    assert_array_equal(copy.predict(images), fitted.labels_)
    assert_array_equal(copy.predict_proba(images), fitted.predict_proba(images))
    copy.set_params(warm_start=True).fit(images)
    assert copy.n_iter_ >= fitted.n_iter_ + 2


def test_history_has_named_terms_that_add_up(fitted):
    """Epochs are counted over all stages; the terms of a row sum to its loss."""
    n_epochs = len(fitted.history_)
    assert [row["epoch"] for row in fitted.history_] == list(range(1, n_epochs + 1))
    assert fitted.n_iter_ == n_epochs >= 2
    for row in fitted.history_:
        terms = [row[name] for name in row if name.endswith("_loss")]
        assert terms
        assert sum(terms) == pytest.approx(row["loss"], rel=1e-5, abs=1e-6)
        assert row["seconds"] > 0


@every_class
def test_unknown_networks_are_refused(shapes, estimator_class):
    """The error names the parameter, what was given and networks of like names."""
    images, _ = shapes
    with pytest.raises(ValueError, match=r"backbone='resnet81' .*resnet18"):
        make(estimator_class, backbone="resnet81").fit(images)


@every_class
def test_features_must_match_the_images(shapes, features, estimator_class):
    """The error counts rows and images; features without clip are refused as well."""
    images, _ = shapes
    clusterer = make(estimator_class, clip="precomputed")
    with pytest.raises(ValueError, match=r"clip_features has 89 rows, .*90 images"):
        clusterer.fit(images, clip_features=features[:89])
    with pytest.raises(ValueError, match=r"clip='precomputed' needs the features"):
        clusterer.fit(images)
    with pytest.raises(ValueError, match=r"clip=None does not use any"):
        make(estimator_class).fit(images, clip_features=features)


@every_class
def test_more_clusters_than_images_are_refused(shapes, estimator_class):
    """The error names both numbers."""
    images, _ = shapes
    with pytest.raises(ValueError, match=r"n_samples=5 should be >= n_clusters=6"):
        make(estimator_class, n_clusters=6).fit(images[:5])


@every_class
def test_the_smallest_problem_has_a_solution(shapes, estimator_class):
    """One image is one cluster."""
    images, _ = shapes
    assert make(estimator_class, n_clusters=1).fit_predict(images[:1]).tolist() == [0]


@every_class
def test_as_many_clusters_as_images(shapes, estimator_class):
    """K = n is allowed and labels stay in range."""
    images, _ = shapes
    labels = make(estimator_class, n_clusters=5).fit_predict(images[:5])
    assert set(labels) <= set(range(5))


@every_class
def test_networks_of_timm_are_taken_by_name(shapes, estimator_class):
    """A name of timm builds that network, for the images' channels."""
    images, _ = shapes
    clusterer = make(estimator_class, backbone="resnet10t", max_epochs=1)
    clusterer.fit(images[:24])
    backbone = clusterer.net_.module_.backbone
    assert isinstance(backbone, TimmBackbone)
    assert clusterer.transform(images[:2]).shape == (2, backbone.embed_dim)


@every_class
@pytest.mark.parametrize("clip", [None, "precomputed"])
def test_callables_are_told_what_there_is_to_see(
    shapes, features, estimator_class, clip
):
    """A callable gets the sizes, and its network is the one that is trained."""
    images, _ = shapes
    seen = []

    def build(**sizes):
        seen.append(sizes)
        return tiny_backbone(**sizes)

    clusterer = make(estimator_class, backbone=build, clip=clip, max_epochs=1)
    clusterer.fit(images, clip_features=None if clip is None else features)
    assert seen == [
        {
            "image_size": (8, 8),
            "n_channels": 1,
            "feature_dim": None if clip is None else 12,
            "image_tokens": clip is None,
        }
    ]
    assert isinstance(clusterer.net_.module_.backbone, ConvStemViT)


@every_class
@pytest.mark.parametrize("image_tokens", [True, False])
def test_pixels_beside_features(shapes, features, estimator_class, image_tokens):
    """Features always count in `predict`; pixels exactly with image_tokens."""
    images, _ = shapes
    clusterer = make(
        estimator_class, clip="precomputed", image_tokens=image_tokens, max_epochs=1
    ).fit(images, clip_features=features)
    embedding = clusterer.transform(images, clip_features=features)
    assert_array_equal(
        clusterer.labels_, clusterer.predict(images, clip_features=features)
    )
    swapped = clusterer.transform(images, clip_features=features[::-1])
    assert not np.allclose(swapped, embedding)
    inverted = clusterer.transform(255 - images, clip_features=features)
    assert np.allclose(inverted, embedding) != image_tokens


class StopAfter(Callback):
    """Press Ctrl-C at the end of an epoch, or in the middle of the next."""

    def __init__(self, n_epochs, in_the_middle=False):
        self.n_epochs = n_epochs
        self.in_the_middle = in_the_middle
        self.n_done = 0

    def on_epoch_end(self, net, **kwargs):
        self.n_done += 1
        if self.n_done == self.n_epochs and not self.in_the_middle:
            raise KeyboardInterrupt

    def on_batch_end(self, net, **kwargs):
        if self.n_done == self.n_epochs and self.in_the_middle:
            raise KeyboardInterrupt


@every_class
@pytest.mark.parametrize("in_the_middle", [True, False])
@pytest.mark.parametrize("n_epochs", [2, 5])
def test_ctrl_c_ends_the_fit(shapes, estimator_class, n_epochs, in_the_middle):
    """The stage that is cut is the last, and a warning says so."""
    images, _ = shapes
    stages = STAGED.get(estimator_class, {})
    n_before = 3 if stages and n_epochs > 3 else 0
    n_wanted = 3 if stages and n_epochs < 3 else 6
    clusterer = make(
        estimator_class,
        callbacks=[StopAfter(n_epochs, in_the_middle)],
        **{**stages, "max_epochs": 6},
    )
    wanted = f"after {n_epochs - n_before} of max_epochs={n_wanted}"
    with pytest.warns(ConvergenceWarning, match=re.escape(wanted)):
        clusterer.fit(images)
    assert clusterer.n_iter_ == n_epochs
    assert clusterer.labels_.shape == (90,)


@pytest.mark.parametrize("estimator_class", STAGED, ids=lambda item: item.__name__)
def test_ctrl_c_in_the_first_epoch_of_a_later_stage(shapes, estimator_class):
    """What the stage before has learned is kept, with a warning that says so."""
    images, _ = shapes
    clusterer = make(
        estimator_class, callbacks=[StopAfter(3, True)], **STAGED[estimator_class]
    )
    with pytest.warns(ConvergenceWarning, match="after 0 of max_epochs=2 .*clustering"):
        clusterer.fit(images)
    assert clusterer.n_iter_ == 3
    assert_array_equal(clusterer.predict(images), clusterer.labels_)
