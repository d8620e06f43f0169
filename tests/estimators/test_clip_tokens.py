"""Features of a frozen encoder beside the pixels, or in their place."""

import pickle

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from sklearn.base import clone

from sklearn_mfavb.metrics import clustering_accuracy

pytestmark = pytest.mark.filterwarnings(
    "ignore:Only .* clusters hold images:sklearn.exceptions.ConvergenceWarning"
)

METHODS = ("predict", "predict_proba", "transform", "score")


@pytest.fixture(scope="session")
def features(shapes):
    """Draw features of the shapes: the mean of their kind and noise."""
    _, kinds = shapes
    rng = np.random.default_rng(0)
    means = rng.standard_normal((3, 24))
    noise = 0.4 * rng.standard_normal((len(kinds), 24))
    return (means[kinds] + noise).astype(np.float32)


@pytest.fixture
def precomputed(quick):
    """Make a quick estimator that is given features."""
    return lambda **parameters: quick(clip="precomputed", **parameters)


@pytest.mark.parametrize("image_tokens", [True, False])
def test_classes_in_the_features_are_found(precomputed, shapes, features, image_tokens):
    """Features that tell the kinds apart lead to them, whatever the pixels show."""
    images, kinds = shapes
    scrambled = images[np.random.default_rng(1).permutation(len(images))]
    clusterer = precomputed(max_epochs=12, image_tokens=image_tokens)
    clusterer.fit(images if image_tokens else scrambled, clip_features=features)
    assert clustering_accuracy(kinds, clusterer.labels_) > 0.95


def test_every_method_takes_features(precomputed, shapes, features):
    """Fit and its combinations agree with predict, probabilities and embeddings."""
    images, _ = shapes
    given = {"clip_features": features}
    clusterer = precomputed().fit(images, **given)
    labels = clusterer.labels_
    assert_array_equal(clusterer.predict(images, **given), labels)
    probabilities = clusterer.predict_proba(images, **given)
    assert_array_equal(probabilities.argmax(axis=1), labels)
    assert_array_equal(precomputed().fit_predict(images, **given), labels)
    embedding = precomputed().fit_transform(images, **given)
    assert_array_equal(embedding, clusterer.transform(images, **given))
    assert -1 <= clusterer.score(images, **given) <= 1
    part = {"clip_features": features[:7]}
    assert_array_equal(clusterer.predict(images[:7], **part), labels[:7])


def test_embeddings_depend_on_features_and_pixels(precomputed, shapes, features):
    """Other features, or other pixels, give other embeddings."""
    images, _ = shapes
    clusterer = precomputed(image_tokens=True).fit(images, clip_features=features)
    embedding = clusterer.transform(images, clip_features=features)
    for other in (
        clusterer.transform(images, clip_features=features[::-1]),
        clusterer.transform(images[::-1], clip_features=features),
    ):
        assert np.abs(other - embedding).max() > 1e-3


def test_pixels_are_left_out_unless_asked_for(precomputed, shapes, features):
    """With features, other pixels change nothing by default."""
    images, _ = shapes
    clusterer = precomputed().fit(images, clip_features=features)
    assert_array_equal(
        clusterer.transform(images, clip_features=features),
        clusterer.transform(images[::-1], clip_features=features),
    )


def test_length_of_features_does_not_count(precomputed, shapes, features):
    """Only the direction of a feature is used, in fit and in predict."""
    images, _ = shapes
    scale = np.random.default_rng(0).uniform(0.1, 50, (90, 1))
    clusterer = precomputed().fit(images, clip_features=features)
    longer = clusterer.predict_proba(images, clip_features=scale * features)
    shorter = clusterer.predict_proba(images, clip_features=features)
    np.testing.assert_allclose(longer, shorter, atol=1e-4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: None, "clip_features"),
        (lambda rows: rows[:-1], "clip_features has 89 rows.* 90 images"),
        (lambda rows: rows[0], "2D array"),
        (
            lambda rows: np.where(np.arange(90)[:, None] >= 41, np.nan, rows),
            "clip_features has NaN or infinity in 49 rows, the first of them 41",
        ),
        (
            lambda rows: np.where(np.arange(90)[:, None] == 3, np.inf, rows),
            "clip_features has NaN or infinity in 1 rows, the first of them 3",
        ),
    ],
    ids=["missing", "one row short", "one row", "NaN", "infinity"],
)
def test_bad_features_are_refused(precomputed, shapes, features, change, message):
    """Every method says what is wrong with the features, fit among them."""
    images, _ = shapes
    with pytest.raises(ValueError, match=message):
        precomputed().fit(images, clip_features=change(features))
    fitted = precomputed(max_epochs=1).fit(images, clip_features=features)
    for method in METHODS:
        with pytest.raises(ValueError, match=message):
            getattr(fitted, method)(images, clip_features=change(features))


def test_features_must_be_those_of_the_fit(precomputed, shapes, features):
    """Another number of columns at predict is refused."""
    images, _ = shapes
    fitted = precomputed(max_epochs=1).fit(images, clip_features=features)
    message = "clip_features has 23 columns, but those passed to fit had 24"
    with pytest.raises(ValueError, match=message):
        fitted.predict(images, clip_features=features[:, 1:])


@pytest.mark.parametrize("clip", [None, "ViT-B-32"])
def test_features_that_are_not_asked_for_are_refused(quick, shapes, features, clip):
    """Passing features while clip is None or names a model names the way out."""
    images, _ = shapes
    with pytest.raises(ValueError, match=r"clip_features.*clip='precomputed'"):
        quick(clip=clip).fit(images, clip_features=features)
    fitted = quick(max_epochs=1).fit(images)
    with pytest.raises(ValueError, match=r"clip_features.*clip='precomputed'"):
        fitted.predict(images, clip_features=features)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"image_tokens": False}, "image_tokens=False"),
        ({"neighbor_space": "clip"}, "neighbor_space='clip'"),
        ({"clip": 3}, "'clip'"),
        ({"feature_augmentation": "loud"}, "feature_augmentation"),
        ({"assignment": "coin"}, "assignment"),
        ({"n_cluster_heads": 0}, "n_cluster_heads"),
    ],
    ids=str,
)
def test_settings_that_make_no_sense_are_named(quick, shapes, parameters, message):
    """The error names the parameter that lacks its features or is unknown."""
    images, _ = shapes
    with pytest.raises(ValueError, match=message):
        quick(**parameters).fit(images)


def double(features):
    """Scale features: a user's augmentation that pickles."""
    return 2 * features


@pytest.mark.parametrize(
    "parameters",
    [
        {"feature_augmentation": "none"},
        {"feature_augmentation": double},
        {"neighbor_space": "clip"},
        {"neighbor_space": "pixels"},
        {"neighbor_space": "embedding", "neighbor_refresh": 1},
        {"neighbor_space": "embedding", "image_tokens": False, "neighbor_refresh": 1},
        {"neighbor_space": "pixels", "image_tokens": False},
        {"positives": "augmentation"},
        {"contrast": "within_pair"},
        {"assignment": "head"},
        {"assignment": "head", "n_cluster_heads": 1},
        {"assignment": "head", "neighbor_space": "embedding", "neighbor_refresh": 1},
        {"information_weight": 0.0},
        {"balance_weight": 0.0},
    ],
    ids=str,
)
def test_every_setting_fits_with_features(precomputed, shapes, features, parameters):
    """Losses are finite, and predict repeats the labels of every image."""
    images, _ = shapes
    clusterer = precomputed(**parameters).fit(images, clip_features=features)
    assert all(np.isfinite(list(row.values())).all() for row in clusterer.history_)
    assert_array_equal(
        clusterer.predict(images, clip_features=features), clusterer.labels_
    )


def test_feature_augmentation_sees_standardised_features(precomputed, shapes, features):
    """A callable gets rows of mean 0 and variance 1, as documented."""
    seen = []

    def record(rows):
        seen.append(rows.clone())
        return rows

    precomputed(max_epochs=1, feature_augmentation=record).fit(
        shapes[0], clip_features=features
    )
    rows = torch.cat(seen)
    assert rows.shape[1] == 24
    assert abs(rows.mean()) < 0.1
    torch.testing.assert_close(rows.square().mean(dim=1), torch.ones(len(rows)))


def test_history_has_a_term_for_the_information(precomputed, shapes, features):
    """Terms of several heads add up; without its weight the information is no term."""
    images, _ = shapes
    names = ["instance_loss", "cluster_loss", "balance_loss", "information_loss"]
    clusterer = precomputed(n_cluster_heads=3).fit(images, clip_features=features)
    for row in clusterer.history_:
        assert sum(row[name] for name in names) == pytest.approx(row["loss"], rel=1e-5)
    without = precomputed(information_weight=0.0).fit(images, clip_features=features)
    assert "information_loss" not in without.history_[0]


def test_head_assignment_is_that_of_one_trained_head(quick, shapes):
    """With assignment="head" labels come from one of the heads."""
    images, _ = shapes
    clusterer = quick(assignment="head", n_cluster_heads=3).fit(images)
    heads = clusterer.net_.module_.cluster_heads
    assert len(heads) == 3
    assert any(clusterer.readout_ is head for head in heads)
    embedding = torch.from_numpy(clusterer.transform(images))
    expected = clusterer.readout_(embedding).argmax(dim=1)
    assert_array_equal(clusterer.labels_, expected)


@pytest.mark.parametrize(
    ("value", "image_tokens", "keeps_header"),
    [
        (1.0, True, False),
        (np.nan, True, False),
        (1.0, False, False),
        (np.nan, False, False),
        (1.0, True, True),
        (np.nan, True, True),
        (1.0, False, True),
        (np.nan, False, True),
    ],
)
def test_skipped_files_keep_features_aligned(
    write_folder,
    precomputed,
    shapes,
    features,
    tmp_path,
    value,
    image_tokens,
    keeps_header,
):
    """A broken file is labelled -1, whatever its features, and shifts no others."""
    images = shapes[0][:30]
    write_folder(tmp_path, images, broken=4, keeps_header=keeps_header)
    rows = features[:30].copy()
    rows[4] = value
    clusterer = precomputed(on_error="skip", image_tokens=image_tokens)
    clusterer.fit(tmp_path, clip_features=rows)
    assert list(clusterer.skipped_) == [4]
    assert np.flatnonzero(clusterer.labels_ == -1).tolist() == [4]
    labels = clusterer.predict(tmp_path, clip_features=rows)
    assert_array_equal(labels, clusterer.labels_)
    whole = np.delete(np.arange(30), 4)
    alone = clusterer.predict(
        [clusterer.paths_[i] for i in whole], clip_features=rows[whole]
    )
    assert_array_equal(alone, clusterer.labels_[whole])


def test_features_of_skipped_files_do_not_shift_the_others(
    precomputed, shapes, features, tmp_path, write_folder
):
    """What the features of a broken file are changes nothing that is learned."""
    write_folder(tmp_path, shapes[0][:30], broken=4)
    means = []
    for value in (1.0, -1000.0):
        rows = features[:30].copy()
        rows[4] = value
        clusterer = precomputed(on_error="skip", max_epochs=1)
        means.append(clusterer.fit(tmp_path, clip_features=rows).feature_mean_)
    assert_array_equal(*means)


@pytest.mark.parametrize(
    "convert",
    [
        lambda rows: rows.astype(np.float16),
        lambda rows: rows.astype(np.float64),
        lambda rows: rows.tolist(),
        lambda rows: torch.from_numpy(rows),
        np.asfortranarray,
    ],
    ids=["float16", "float64", "list", "tensor", "Fortran order"],
)
def test_kinds_of_features_agree(precomputed, shapes, features, convert):
    """Features that float16 can hold mean the same in any array."""
    images, _ = shapes
    exact = features.astype(np.float16).astype(np.float32)
    reference = precomputed().fit(images, clip_features=exact)
    other = precomputed().fit(images, clip_features=convert(exact))
    assert_array_equal(other.labels_, reference.labels_)
    assert_array_equal(
        other.predict(images, clip_features=convert(exact)), reference.labels_
    )


def test_same_seed_same_labels(precomputed, shapes, features):
    """Two fits agree bit for bit; another seed has other embeddings."""
    images, _ = shapes
    embeddings = [
        precomputed(random_state=seed).fit_transform(images, clip_features=features)
        for seed in (0, 0, 1)
    ]
    assert_array_equal(embeddings[0], embeddings[1])
    assert not np.allclose(embeddings[0], embeddings[2])


def test_features_passed_in_are_left_alone(precomputed, shapes, features):
    """Fit and predict do not write into the user's array."""
    before = features.copy()
    fitted = precomputed().fit(shapes[0], clip_features=features)
    fitted.predict(shapes[0], clip_features=features)
    assert_array_equal(features, before)


def test_pickle_and_clone(precomputed, shapes, features):
    """A copy predicts the same; a clone has the parameters only."""
    images, _ = shapes
    fitted = precomputed(image_tokens=False).fit(images, clip_features=features)
    copy = pickle.loads(pickle.dumps(fitted))
    assert_array_equal(copy.predict(images, clip_features=features), fitted.labels_)
    fresh = clone(fitted)
    assert fresh.get_params() == fitted.get_params()
    assert not hasattr(fresh, "feature_mean_")


def test_refused_refit_leaves_the_estimator_as_it_was(precomputed, shapes, features):
    """A fit that fails on its features forgets nothing of the last."""
    images, _ = shapes
    fitted = precomputed().fit(images, clip_features=features)
    with pytest.raises(ValueError, match="clip_features"):
        fitted.fit(images)
    assert_array_equal(fitted.predict(images, clip_features=features), fitted.labels_)


def test_sets_of_features_in_frames(precomputed, shapes, features):
    """Embeddings come as a dataframe if asked, with features too."""
    clusterer = precomputed().set_output(transform="pandas")
    frame = clusterer.fit_transform(shapes[0], clip_features=features)
    assert frame.shape == (90, 16)
