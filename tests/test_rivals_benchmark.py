"""The rivals of the benchmark: their equations, their sets, and what is scored."""

import importlib
import itertools
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from sklearn_mfavb import MFAVBClustering
from sklearn_mfavb.datasets import make_shape_images

ROOT = Path(__file__).parents[1]
# Packages that rivals need beside those of the tests, by the start of their names.
EXTRAS = {"UMAP": "umap", "Leiden": "leidenalg"}


@pytest.fixture
def room(monkeypatch):
    """Return what imports a module from the folder of the benchmark."""
    monkeypatch.syspath_prepend(str(ROOT))
    return lambda name: importlib.import_module(f"benchmarks.accuracy.{name}")


def three_groups(n_each=60, width=80):
    """Return rows around three orthogonal directions, and their groups."""
    groups = np.repeat(np.arange(3), n_each)
    noise = np.random.default_rng(0).normal(size=(len(groups), width))
    return (10 * np.eye(width)[groups] + noise).astype(np.float32), groups


@pytest.mark.parametrize(
    "name",
    [
        *("k-means", "k-means, centered", "Gaussian mixture", "average linkage"),
        *("Gaussian mixture, 64 components", "spectral clustering", "Ward"),
        *("t-SNE + k-means", "UMAP + k-means", "UMAP + Gaussian mixture"),
        *("UMAP + HDBSCAN", "Leiden", "Leiden, resolution 1"),
    ],
)
@pytest.mark.filterwarnings("ignore:Graph is not fully connected")
def test_rivals_find_three_groups(name, room):
    """Far groups are found, and again by the same seed."""
    for start, package in EXTRAS.items():
        if name.startswith(start):
            pytest.importorskip(package)
    rows, groups = three_groups()
    make = room("rivals").RIVALS[name]
    labels = make(3, 0).fit_predict(rows)
    assert room("scoring").score_labels(groups, labels)["acc"] > 0.95
    np.testing.assert_array_equal(make(3, 0).fit_predict(rows), labels)


@pytest.mark.parametrize("package", EXTRAS.values())
def test_missing_package_is_told_with_its_extra(package, room, monkeypatch):
    """The error says what to install."""
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=rf"needs {package}: .*\[benchmark\]"):
        room("optional").import_extra(package)


def test_shared_neighbors_are_counted(room):
    """A weight is the Jaccard index of two sets of neighbors; far rows have none."""
    rows = np.random.default_rng(0).normal(size=(12, 2))
    graph = room("optional").shared_neighbors(rows, 3).toarray()
    order = np.linalg.norm(rows[:, None] - rows, axis=2).argsort(axis=1)
    near = [set(places[:4]) for places in order]
    for i in range(12):
        for j in range(i + 1, 12):
            joined = i in near[j] or j in near[i]
            jaccard = len(near[i] & near[j]) / len(near[i] | near[j])
            assert graph[i, j] == pytest.approx(jaccard if joined else 0.0)
    assert not np.tril(graph).any()
    assert room("optional").shared_neighbors(rows[:1], 0).nnz == 0


def test_turtle_searches_in_one_space_or_two(room):
    """Equal rows share a label, and different ones do not, as sizes are to be equal."""
    turtle, recall = room("turtle").turtle, room("scoring").balanced_accuracy
    groups = np.repeat(np.arange(3), 20)
    rows = 10 * np.eye(3, dtype=np.float32)[groups]
    assert recall(groups, turtle(rows, 3, seed=0, n_steps=200)) == 1.0
    both = np.hstack([rows, 0.5 * rows[:, :2]])
    labels = turtle(both, 3, seed=0, widths=(3, 2), n_steps=200)
    assert recall(groups, labels) == 1.0
    wide = np.tile(rows, 200)
    assert recall(groups, turtle(wide, 3, seed=0, n_steps=200)) == 1.0
    with pytest.raises(ValueError, match=r"widths=\(9,\) must add up .* 3\."):
        turtle(rows, 3, seed=0, widths=(9,))


def test_turtle_compares_sizes_with_a_power_law(room):
    """The penalty is the Kullback-Leibler divergence, whatever clusters are named."""
    imbalance = room("turtle")._imbalance
    labels = torch.tensor([[0.1, 0.7, 0.2], [0.3, 0.5, 0.2]])
    sizes = torch.tensor([0.6, 0.2, 0.2])
    for exponent in (0.0, 1.0):
        law = torch.tensor([1.0, 2.0, 3.0]) ** -exponent
        law /= law.sum()
        divergence = (sizes * (sizes / law).log()).sum()
        fitting = law[[2, 0, 1]].expand(4, 3)  # no divergence
        found = imbalance(labels, exponent) - imbalance(fitting, exponent)
        assert found.item() == pytest.approx(divergence.item(), abs=1e-6)


def test_duplicates_and_few_rows_are_labeled(room):
    """TURTLE needs no more than a row, and gives equal rows equal labels."""
    rows = np.ones((5, 3), dtype=np.float32)
    assert len({*room("turtle").turtle(rows, 2, seed=0, n_steps=5)}) == 1
    assert len(room("turtle").turtle(rows[:1], 2, seed=0, n_steps=5)) == 1


def test_passes_fill_a_budget_of_cpu_time(room, monkeypatch):
    """Epochs count, by the clock of the process, and nothing before or after them."""
    images, _ = make_shape_images(20, n_clusters=2, image_size=8, random_state=0)
    readings = itertools.count()
    monkeypatch.setattr("time.process_time", lambda: next(readings))
    clusterer = MFAVBClustering(2, random_state=0)
    # From the beginning of an epoch to its end the clock moves on by one.
    assert room("budget").count_passes(clusterer, 7, images) == 7
    assert room("budget").count_passes(clusterer, 0.1, images) == 1
    assert clusterer.max_epochs == "auto"


@pytest.mark.parametrize("ratio", [10, 50])
def test_tails_fall_exponentially(ratio, room):
    """Sizes are a geometric row, the seed draws whose; images are not drawn twice."""
    draw_tail = room("data").draw_tail
    classes = np.repeat([0, 3, 5, 7], [100, 120, 100, 110])
    places = draw_tail(classes, ratio, 0)
    assert len({*places}) == len(places)
    sizes = np.unique(classes[places], return_counts=True)[1]
    expected = [max(2, round(100 * ratio ** (-i / 3))) for i in range(4)]
    assert sorted(sizes, reverse=True) == expected
    np.testing.assert_array_equal(draw_tail(classes, ratio, 0), places)
    assert draw_tail(classes, ratio, 1).tolist() != places.tolist()
    assert len(draw_tail(np.zeros(9, dtype=int), ratio, 0)) == 9  # a single class


def test_names_say_which_images_are_taken(room, tmp_path):
    """Classes, tails and strangers, one or all of them."""
    for seed, name in enumerate(("one", "two")):
        rng = np.random.default_rng(seed)
        np.savez(
            tmp_path / f"{name}.npz",
            images=np.zeros((80, 4 + seed, 4), dtype=np.uint8),
            labels=np.repeat(np.arange(4), 20),
            rows=rng.normal(size=(80, 5)),
        )

    def load(dataset, encoders=("rows",)):
        profile = room("profiles").PROFILES["rivals"]
        return room("data").load(
            dataset, 0, data_dir=tmp_path, encoders=list(encoders), p=profile
        )

    assert load("one:3").n_clusters == 3
    assert np.bincount(load("one-tail10").classes).min() == 2
    mixed = load("one+two")
    assert (len(mixed.classes), (~mixed.is_known).sum()) == (89, 9)
    assert (mixed.n_clusters, mixed.widths, mixed.images) == (4, (5,), None)
    everything = load("one:2-tail10+two")
    assert sorted(np.bincount(everything.classes + 1, minlength=1))[-1] == 20
    with pytest.raises(room("data").MissingFeatures, match="features alone"):
        load("one+two", encoders=())


def test_scores_count_classes_alike_and_noise_as_wrong(room):
    """Balanced accuracy is a mean over classes; noise is no cluster that was found."""
    scores = room("scoring").score_labels(
        np.array([0, 0, 0, 0, 1, 2]), np.array([4, 4, 4, -1, 0, 4])
    )
    assert scores["acc"] == pytest.approx(4 / 6)
    assert scores["balanced_acc"] == pytest.approx((3 / 4 + 1 + 0) / 3)
    assert scores["n_found"] == 2
    one = room("scoring").score_labels(np.zeros(3), np.zeros(3, dtype=int))
    assert one["acc"] == one["balanced_acc"] == 1.0


def test_means_are_over_sets_that_all_seeds_have(room):
    """Seeds are averaged over sets; a method that lacks a set is left out."""
    records = [
        {"method": method, "dataset": name, "seed": seed, "acc": acc}
        for method, name, seed, acc in (
            ("k-means", "one", 0, 0.5),
            ("k-means", "two", 0, 0.7),
            ("k-means", "one", 1, 0.9),
            ("Ward", "two", 0, 1.0),
        )
    ]
    (average,) = room("tables").over_sets(records)
    assert average == {"method": "k-means", "seed": 0, "acc": pytest.approx(0.6)}


def test_strangers_are_scored_by_what_a_method_says(room):
    """Mixtures and k-means put a far row last; linkage has nothing to say."""
    rows, _ = three_groups()
    rows = np.vstack([rows, -rows[:1]])
    rivals, score_rows = room("rivals").RIVALS, room("scoring").score_rows
    for name in ("k-means", "Gaussian mixture, 64 components"):
        estimator = rivals[name](3, 0)
        estimator.fit_predict(rows)
        assert score_rows(estimator, [rows], {}).argmin() == len(rows) - 1
    estimator = rivals["Ward"](3, 0).fit(rows)
    assert score_rows(estimator, [rows], {}) is None


@pytest.mark.slow
def test_profiles_run_on_sets_by_name(room, tmp_path):
    """Tails, parts and strangers are recorded with their scores, ours and rivals'."""
    for seed, name in enumerate(("one", "two")):
        rows, groups = three_groups(40, 70)
        images = np.zeros((len(rows), 8 + seed, 8), dtype=np.uint8)
        file = tmp_path / f"{name}.npz"
        np.savez(
            file, images=images, labels=groups, rows=rows[:, ::-1] if seed else rows
        )
    measure = room("fitting").measure
    for profile, dataset, method, keys in (
        ("rivals", "one", "MFAVBClustering", {"acc", "balanced_acc", "ami"}),
        ("longtail", "one-tail10", "Ward", {"acc", "balanced_acc", "ami"}),
        ("strangers", "one+two", "MFAVBClustering", {"acc", "auroc"}),
        ("strangers", "one+two", "k-means", {"acc", "auroc"}),
        ("n_clusters", "one:2", "NClustersSelector", {"estimated"}),
    ):
        run = {"method": method, "dataset": dataset, "seed": 0, "profile": profile}
        record = measure(run | {"features": ["rows"]}, tmp_path, ["rows"])
        assert keys <= record.keys()
        assert record.get("acc", 1.0) > 0.9
        assert record.get("auroc", 1.0) > 0.9
        assert record["seconds"] > 0
