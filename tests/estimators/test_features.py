"""Features that users pass: alone, as X, or beside the images they belong to."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sklearn_mfavb import (
    Augmentation,
    MFAVBClustering,
    Reading,
    ViT,
    VTCCClustering,
    load,
)
from sklearn_mfavb.backbones import FeatureMLP, FusingAugmentingViT
from sklearn_mfavb.metrics import clustering_accuracy, clustering_accuracy_scorer

METHODS = ("predict", "predict_proba", "transform", "score")


@pytest.fixture(scope="module")
def alone(estimator_class, make, features):
    """Fit every class on features without images; tests must not change it."""
    return make(estimator_class, encoder="precomputed").fit(features)


@pytest.fixture
def precomputed(make):
    """Make a quick estimator that is given features."""
    return partial(make, MFAVBClustering, encoder="precomputed")


def test_features_on_disk_give_the_labels_of_those_in_memory(
    precomputed, features, tmp_path
):
    """A memory map of float16 is read as an array of it, and left as it is."""
    np.save(tmp_path / "x.npy", features.astype(np.float16))
    on_disk = np.load(tmp_path / "x.npy", mmap_mode="r")
    fitted = precomputed().fit(on_disk)
    assert_array_equal(fitted.labels_, precomputed().fit(np.array(on_disk)).labels_)
    assert_array_equal(fitted.predict(on_disk), fitted.labels_)


def test_rows_of_features_are_all_that_is_needed(alone, features, images):
    labels = alone.labels_
    given = features.astype(np.float32)
    given.setflags(write=False)
    assert_array_equal(alone.predict(given), labels)
    probabilities = alone.predict_proba(features)
    assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    assert_array_equal(probabilities.argmax(axis=1), labels)
    assert -1 <= alone.score(features) <= 1
    assert alone.image_size_ is None
    assert alone.paths_ is None
    embedding = alone.transform(features)
    assert len(alone.get_feature_names_out()) == embedding.shape[1]
    part = alone.transform(features[6::-1])  # in bfloat16, so with its rounding
    assert_allclose(part[::-1], embedding[:7], rtol=0.05, atol=0.05)
    with pytest.raises(ValueError, match=r"rows of features.*shape \(90, 8, 8\)"):
        alone.predict(images)
    with pytest.raises(ValueError, match="Reshape your data"):
        alone.predict(features[0])


@pytest.mark.parametrize(
    "pack",
    [
        np.asarray,
        lambda rows: [rows],
        lambda rows: {"DINO": rows},
        torch.from_numpy,
        np.ndarray.tolist,
        np.asfortranarray,
        pd.DataFrame,
    ],
    ids=["array", "list", "dict", "tensor", "rows", "Fortran order", "frame"],
)
def test_features_without_images_or_beside_them(precomputed, images, features, pack):
    reference, given = precomputed().fit(features), pack(features)
    for X in (None, images):
        clusterer = precomputed()
        embedding = clusterer.fit_transform(X, features=given)
        assert_array_equal(clusterer.labels_, reference.labels_)
        assert_array_equal(clusterer.predict(X, features=given), reference.labels_)
        assert_array_equal(embedding, clusterer.transform(X, features=given))


def test_tensors_of_any_type_are_rows(precomputed, features):
    """NumPy has no bfloat16, but rows of features may come in it."""
    rows = torch.from_numpy(features).to(torch.bfloat16)
    clusterer = precomputed().fit(rows)
    assert_array_equal(clusterer.predict(rows), clusterer.labels_)


def test_several_arrays_are_several_tokens(precomputed, features):
    """Each has its own mean, width and token; a dict may come in any order."""
    parts = {"first": features, "second": 100 + 5 * features[:, ::-1]}
    clusterer = precomputed().fit(None, features=parts)
    assert len(clusterer.model_.network.backbone.feature_tokens) == 2
    for encoder, rows in zip(clusterer.model_.encoders, parts.values(), strict=True):
        unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        assert_allclose(encoder.mean, unit.mean(axis=0), rtol=1e-4, atol=1e-6)
    assert [each.name for each in clusterer.model_.encoders] == list(parts)
    for given in (parts, dict(reversed(parts.items()))):
        assert_array_equal(clusterer.predict(None, features=given), clusterer.labels_)
    with pytest.raises(ValueError, match="second"):
        clusterer.predict(None, features={"first": features})


def test_as_the_step_of_a_column_transformer(estimator_class, make, features):
    frame = pd.DataFrame(features).add_prefix("feature").assign(weight=7.0)
    columns = ColumnTransformer(
        [("embed", make(estimator_class, encoder="precomputed"), list(frame)[:12])],
        remainder="passthrough",
    )
    columns.set_output(transform="pandas")
    table = columns.fit_transform(frame)
    assert table.shape[0] == 90
    assert (table["remainder__weight"] == 7).all()
    assert_array_equal(columns.transform(frame), table)


def test_cross_validation_and_grid_search(make, features, shapes):
    clusterer = make(VTCCClustering, encoder="precomputed", max_epochs=1)
    scoring = clustering_accuracy_scorer
    scores = cross_val_score(clusterer, features, shapes[1], cv=3, scoring=scoring)
    assert np.isfinite(scores).all()
    search = GridSearchCV(clusterer, {"n_clusters": [1, 3]}, cv=2).fit(features)
    assert search.best_params_ == {"n_clusters": 3}


def test_rows_without_an_encoder_are_told_of_precomputed(
    estimator_class, make, features
):
    for width in (12, 9):  # a square number of columns may be an image
        with pytest.raises(ValueError, match=r"encoder=.precomputed."):
            make(estimator_class).fit(features[:, :width])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: None, "encoder='precomputed' needs features"),
        (lambda rows: [], "encoder='precomputed' needs features"),
        (lambda rows: {}, "encoder='precomputed' needs features"),
        (lambda rows: rows[:-1], "features has 89 rows.* 90 images"),
        (lambda rows: rows[0], "2D array"),
        (lambda rows: [rows, rows[:80]], r"features\[1\] has 80 rows"),
        (
            lambda rows: np.vstack([rows[:41], np.nan * rows[41:]]),
            "features has NaN or infinity in 49 rows, the first of them 41",
        ),
        (
            lambda rows: {"DINO": np.vstack([rows[:89], np.inf * rows[89:]])},
            "DINO has NaN or infinity in 1 rows, the first of them 89",
        ),
    ],
)
def test_bad_features_are_refused(precomputed, images, features, change, message):
    fitted = precomputed(max_epochs=1).fit(images, features=features)
    for method in ("fit", *METHODS):
        with pytest.raises(ValueError, match=message):
            getattr(fitted, method)(images, features=change(features))
    with pytest.raises(ValueError, match=r"11 columns .*passed to fit.* 12 columns"):
        fitted.predict(images, features=features[:, 1:])
    # A fit that is refused leaves the last one as it was.
    labels = fitted.predict(images, features=features)
    assert_array_equal(labels, fitted.labels_)


def test_features_that_nobody_asks_for_are_refused(
    estimator_class, make, fitted, images, features
):
    for encoder in (None, "ViT-B-32"):
        with pytest.raises(ValueError, match=r"features.*encoder='precomputed'"):
            make(estimator_class, encoder=encoder).fit(images, features=features)
    with pytest.raises(ValueError, match=r"features.*encoder='precomputed'"):
        fitted.predict(images, features=features)


@pytest.mark.parametrize("use_pixels", [True, False])
def test_pixels_count_if_they_are_used(
    estimator_class, make, images, features, use_pixels
):
    clusterer = make(estimator_class, encoder="precomputed", use_pixels=use_pixels)
    clusterer.fit(images, features=features)
    embedding = clusterer.transform(images, features=features)
    labels = clusterer.predict(images, features=features)
    assert_array_equal(labels, clusterer.labels_)
    assert clusterer.image_size_ == ((8, 8) if use_pixels else None)
    swapped = clusterer.transform(images, features=features[::-1])
    assert not np.allclose(swapped, embedding)
    inverted = clusterer.transform(255 - images, features=features)
    assert np.allclose(inverted, embedding) != use_pixels


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"use_pixels": True}, "use_pixels=True needs images"),
        ({"augmentation": Augmentation(encoded_views=2)}, "encoded_views=2"),
        ({"backbone": "resnet18"}, "backbone='resnet18' looks at pixels"),
    ],
    ids=str,
)
def test_settings_that_need_pixels_are_named(
    precomputed, features, parameters, message
):
    with pytest.raises(ValueError, match=message):
        precomputed(**parameters).fit(features)


def test_only_the_direction_of_a_feature_counts(alone, features):
    scale = np.random.default_rng(0).uniform(0.1, 50, (90, 1))
    longer = alone.predict_proba(scale * features)
    assert_allclose(longer, alone.predict_proba(features), atol=0.02)


@pytest.mark.parametrize("n_bytes", [10, 60], ids=["no header", "header"])
def test_skipped_files_keep_features_aligned(precomputed, photos, features, n_bytes):
    """A broken file is labeled -1 whatever its features are, and shifts no others."""
    photos[4].write_bytes(photos[4].read_bytes()[:n_bytes])
    means = []
    for value in (1.0, np.nan, -99.0):
        rows = features[:30].copy()
        rows[4] = value
        clusterer = precomputed(use_pixels=True, reading=Reading(on_error="skip"))
        clusterer.set_params(training__precision="float32").fit(photos, features=rows)
        assert list(clusterer.skipped_) == [4]
        assert np.flatnonzero(clusterer.labels_ == -1).tolist() == [4]
        labels = clusterer.predict(photos, features=rows)
        assert_array_equal(labels, clusterer.labels_)
        paths = photos[:4] + photos[5:]
        alone = clusterer.predict(paths, features=np.delete(rows, 4, axis=0))
        assert_array_equal(alone, np.delete(clusterer.labels_, 4))
        means.append(clusterer.model_.encoders[0].mean)
    assert_array_equal(means[0], means[1])
    assert_array_equal(means[0], means[2])


def test_pipelines_route_features(make, images, features):
    with config_context(enable_metadata_routing=True):
        clusterer = make(VTCCClustering, encoder="precomputed")
        clusterer.set_fit_request(features=True).set_predict_request(features=True)
        clusterer.set_transform_request(features=True)
        pipeline = make_pipeline(FunctionTransformer(), clusterer)
        pipeline.fit(images, features=features)
        labels = pipeline.predict(images, features=features)
        assert_array_equal(labels, pipeline[-1].labels_)
        assert pipeline.transform(images, features=features).shape == (90, 16)
        clusterer.set_fit_request(features=False)
        with pytest.raises((TypeError, ValueError), match="features"):
            make_pipeline(FunctionTransformer(), clusterer).fit(
                images, features=features
            )


def test_images_that_were_fitted_are_needed_again(make, images, features):
    clusterer = make(MFAVBClustering, encoder="precomputed", use_pixels=True)
    clusterer.fit(images, features=features)
    with pytest.raises(ValueError, match="pass the images too"):
        clusterer.predict(None, features=features)
    with pytest.raises(ValueError, match="use_pixels=False leaves nothing"):
        make(MFAVBClustering, use_pixels=False).fit(images)


def blobs(sizes, seed=0):
    """Draw features of classes that are far apart, and their classes."""
    rng = np.random.default_rng(seed)
    kinds = np.repeat(np.arange(len(sizes)), sizes)
    centers = 3 * rng.standard_normal((len(sizes), 32))
    return centers[kinds] + rng.standard_normal((len(kinds), 32)), kinds


def test_the_number_of_clusters_is_found(tmp_path):
    features, kinds = blobs([40] * 4)
    clusterer = MFAVBClustering("auto", encoder="precomputed", random_state=0)
    labels = clusterer.fit_predict(features)
    assert clusterer.n_clusters_ == 4
    assert clustering_accuracy(kinds, labels) == 1
    assert len(clusterer.n_clusters_scores_[4]) == 2
    assert clusterer.predict_proba(features).shape == (160, 4)
    clusterer.save(tmp_path / "model")
    loaded = load(tmp_path / "model")
    assert_array_equal(loaded.predict(features), labels)
    assert loaded.n_clusters_scores_ == clusterer.n_clusters_scores_
    # Trained on, the network keeps the number that it was made for.
    clusterer.set_params(training__warm_start=True, max_epochs=1)
    assert clusterer.fit(blobs([40] * 6, seed=1)[0]).n_clusters_ == 4


def test_what_contradicts_an_unknown_number_is_told(precomputed):
    features, _ = blobs([20, 20])
    kmeans = precomputed(n_clusters="auto", assignment=KMeans(8))
    with pytest.raises(
        ValueError, match="n_clusters=8, but n_clusters='auto' may find"
    ):
        kmeans.fit(features)
    with pytest.raises(ValueError, match="n_clusters='auto' needs 3 images or more"):
        precomputed(n_clusters="auto").fit(features[:2])


def test_outliers_are_labeled_and_scored(tmp_path):
    """Rows unlike all others, in fit and in predict, also once loaded."""
    features, _ = blobs([60, 60, 60])
    features = features + 8  # what all have in common
    strangers = -features[:6]
    everything = np.concatenate([features, strangers])
    clusterer = MFAVBClustering(
        3, encoder="precomputed", outliers="auto", max_epochs=3, random_state=0
    )
    labels = clusterer.fit_predict(everything)
    assert (labels[-6:] == -1).all()
    assert (labels[:-6] == -1).mean() < 0.05
    assert_array_equal(clusterer.predict(everything), labels)
    scores = clusterer.score_samples(everything)
    assert scores[-6:].max() < scores[:-6].min()
    assert_allclose(clusterer.predict_proba(strangers).sum(axis=1), 1, rtol=1e-5)
    assert clusterer.score(strangers) == 0  # none belongs to a cluster
    clusterer.save(tmp_path / "model")
    loaded = load(tmp_path / "model")
    assert_array_equal(loaded.predict(everything), labels)
    assert_array_equal(loaded.score_samples(everything), scores)
    share = clusterer.set_params(outliers=0.1).fit(everything)
    assert (share.labels_ == -1).sum() == round(0.1 * len(everything))


def test_rows_of_features_pass_an_mlp(precomputed):
    """Blocks of transformers are there if they are asked for."""
    features, _ = blobs([20, 20])
    networks = {
        "auto": precomputed(n_clusters=2, backbone="auto"),
        "ViT": precomputed(n_clusters=2, backbone=ViT(embed_dim=16, n_heads=2)),
        "depth": precomputed(n_clusters=2, backbone="auto", shared_depth=1),
    }
    kinds = {
        name: type(each.fit(features).model_.network.backbone)
        for name, each in networks.items()
    }
    assert kinds["auto"] is FeatureMLP
    assert kinds["ViT"] is kinds["depth"] is FusingAugmentingViT


def test_clusters_are_fitted_without_outliers():
    """What is unlike all others takes no cluster; labels of the rest count."""
    rng = np.random.default_rng(0)
    rows = rng.normal(2, 0.5, (126, 16)).astype(np.float32)
    rows[120:] *= -1
    clusterer = MFAVBClustering(
        3,
        encoder="precomputed",
        assignment=KMeans(3),
        outliers=6 / 126,
        max_epochs=2,
        random_state=0,
    ).fit(rows)
    assert set(clusterer.labels_[120:]) == {-1}
    kmeans = clusterer.model_.assigner.estimator
    assert_array_equal(kmeans.labels_, clusterer.labels_[:120])
