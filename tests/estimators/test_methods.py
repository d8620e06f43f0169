"""What is each method's own: stages, starts, and settings of the papers."""

import re
from copy import deepcopy
from itertools import chain, pairwise

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from sklearn_mfavb import (
    AnchorClustering,
    CueCoClustering,
    SCANClustering,
    VTCCClustering,
)
from sklearn_mfavb.backbones import ConvStemViT, FeatureBackbone, TimmBackbone
from sklearn_mfavb.views import View, ViewShape


def stages_of(clusterer):
    """List the stage of every epoch, with its terms."""
    return [
        (row["stage"], {name for name in row if name.endswith("_loss")})
        for row in clusterer.history_
    ]


@pytest.mark.parametrize(
    ("parameters", "n_epochs"),
    [
        ({}, [4, 4, 2]),
        ({"encoder": "precomputed"}, [0, 4, 0]),
        ({"encoder": "precomputed", "use_pixels": True}, [0, 4, 2]),
        ({"pretext_epochs": 3, "self_label_epochs": 1}, [3, 4, 1]),
    ],
    ids=["pixels", "features", "both", "as asked"],
)
def test_stages_of_scan(make, images, features, parameters, n_epochs):
    """With features there is no pretext, without pixels no self-labeling."""
    settings = {"pretext_epochs": "auto", "self_label_epochs": "auto", "max_epochs": 4}
    clusterer = make(SCANClustering, **{**settings, **parameters})
    given = {"features": features} if "encoder" in parameters else {}
    clusterer.fit(images, **given)
    terms = [
        ("pretext", {"instance_loss"}),
        ("clustering", {"consistency_loss", "entropy_loss"}),
        ("self-labeling", {"self_label_loss"}),
    ]
    expected = [each for n, each in zip(n_epochs, terms, strict=True) for _ in range(n)]
    assert stages_of(clusterer) == expected


def test_scan_keeps_one_head_before_self_labeling(make, images, recorded):
    """All heads learn to cluster; one teaches itself and labels."""
    record, training = recorded(
        lambda network: [head.layers.weight.clone() for head in network.cluster_heads]
    )
    settings = {"n_cluster_heads": 4, "self_label_epochs": 3}
    clusterer = make(SCANClustering, training=training, **settings)
    clusterer.set_params(self_label_threshold=0.1, training__learning_rate=0.01)
    clusterer.fit(images)
    heads = clusterer.model_.network.cluster_heads
    pretext, clustering, self_labeling = record.starts
    last = record.steps[-1]
    assert 0 <= heads.chosen < 4
    moved = [not torch.equal(a, b) for a, b in zip(self_labeling, last, strict=True)]
    assert moved == [index == int(heads.chosen) for index in range(4)]
    assert clusterer.model_.assigner is heads[int(heads.chosen)]
    learned = zip(clustering, self_labeling, strict=True)
    assert not any(torch.equal(before, after) for before, after in learned)
    assert not any(torch.equal(a, b) for a, b in zip(pretext, clustering, strict=True))


def test_heads_of_scan_start_at_kmeans(make, features, recorded):
    """Before the first step they label as k-means on the embeddings does."""
    settings = {"encoder": "precomputed", "backbone": "auto", "pretext_epochs": 0}
    _, training = recorded()
    clusterer = make(SCANClustering, training=training, **settings).fit(features)
    assert isinstance(clusterer.model_.network.backbone, FeatureBackbone)
    rows = clusterer.transform(features)  # what the network sees: it learns heads only
    record, training = recorded(
        lambda network: network(View(None, torch.from_numpy(rows))).argmax(dim=2)
    )
    clusterer.set_params(training=training).fit(features)
    expected = KMeans(3, n_init=10, random_state=0).fit_predict(rows)
    starts = record.starts[0].T.numpy()
    agreement = [adjusted_rand_score(expected, labels) for labels in starts]
    assert np.mean(agreement) > 0.8  # a single start of k-means may end elsewhere


def test_scan_needs_something_to_find_neighbors_by(make, images):
    """A random network knows none; one that has learned needs no pretext."""
    with pytest.raises(ValueError, match="pretext_epochs=0 leaves nothing"):
        make(SCANClustering, pretext_epochs=0).fit(images)
    clusterer = make(SCANClustering).fit(images)
    n_before = clusterer.n_iter_
    clusterer.set_params(pretext_epochs=0, self_label_epochs=0)
    clusterer.set_params(training__warm_start=True).fit(images)
    assert [stage for stage, _ in stages_of(clusterer)[n_before:]] == ["clustering"] * 2


@pytest.mark.parametrize("pretrain_epochs", [0, 2, "auto"])
def test_centers_of_anchor_start_at_kmeans(make, images, recorded, pretrain_epochs):
    """Each is the mean of the embeddings nearest to it when clustering starts."""
    view = View(torch.from_numpy(images)[:, None])

    def look(network):
        embedding = network.eval().embed(view)
        return embedding, network.cluster_heads[0].centers.clone()

    record, training = recorded(look)
    settings = {"pretrain_epochs": pretrain_epochs, "max_epochs": 4}
    clusterer = make(AnchorClustering, training=training, **settings)
    clusterer.set_params(training__learning_rate=0.01).fit(images)
    assert len(record.starts) == 1 + (pretrain_epochs != 0)
    embedding, centers = record.starts[-1]
    nearest = torch.cdist(embedding, centers).argmin(dim=1)
    assert nearest.unique().tolist() == [0, 1, 2]
    means = torch.stack([embedding[nearest == k].mean(dim=0) for k in range(3)])
    torch.testing.assert_close(centers, means, rtol=1e-3, atol=1e-3)
    stages = stages_of(clusterer)
    n_before = 0 if pretrain_epochs == 0 else 2
    assert [stage for stage, _ in stages[:n_before]] == ["pretraining"] * n_before
    terms = {"instance_loss", "dec_loss", "anchor_loss"}
    assert stages[n_before:] == [("clustering", terms)] * 4
    [head] = clusterer.model_.network.cluster_heads
    assert clusterer.model_.assigner is head
    assert (head.centers.detach() - centers).abs().max() > 1e-3
    gaps = clusterer.transform(images)[:, None] - head.centers.detach().numpy()
    assert_array_equal(clusterer.labels_, np.linalg.norm(gaps, axis=2).argmin(axis=1))


@pytest.mark.parametrize("momentum", [0.9, 0.5])
def test_the_key_network_of_cueco_follows(make, images, recorded, momentum):
    """In every step key = m key + (1 - m) query; its statistics are its own."""
    record, training = recorded(
        lambda network: {n: v.clone() for n, v in network.state_dict().items()}
    )
    training.set_params(learning_rate=0.01)
    make(CueCoClustering, momentum=momentum, training=training).fit(images)
    for start, twin in (("key_backbone", "backbone"), ("key_head", "instance_head")):
        names = [n for n in record.starts[0] if n.startswith(start)]
        weights = [n for n in names if not re.search("running_|num_batches", n)]
        assert weights
        for name in weights:
            query = twin + name.removeprefix(start)
            for before, after in pairwise([record.starts[0], *record.steps]):
                expected = momentum * before[name] + (1 - momentum) * after[query]
                torch.testing.assert_close(after[name], expected)


def test_settings_of_cueco_reach_its_objective(make, images, recorded):
    record, training = recorded()
    settings = {"queue_size": 20, "n_centroids": 5, "temperature": 0.3}
    settings |= {"compactness_weight": 0.6, "max_epochs": 6}
    clusterer = make(CueCoClustering, training=training, **settings).fit(images)
    objective = record.nets[0].criterion_
    assert (len(objective.queue), len(objective.centroids)) == (20, 5)
    assert objective.contrast.temperature == 0.3
    assert objective.compactness_weight == 0.6
    assert clusterer.history_[-1]["compactness_loss"] > 0
    heads = clusterer.model_.network.cluster_heads
    assert not any(weight.requires_grad for weight in heads.parameters())


def test_vtcc_has_the_network_of_the_released_code():
    clusterer = VTCCClustering(10).set_params(**VTCCClustering.REFERENCE)
    clusterer.n_clusters_ = 10
    network = clusterer._make_network(ViewShape((224, 224), 3))
    count = {
        name: sum(p.numel() for p in part.parameters())
        for name, part in network.named_children()
    }
    assert count["backbone"] == 15_218_352
    assert count["instance_head"] == 3_155_072
    assert count["cluster_heads"] == 2_973_706
    bound = np.sqrt(6 / (384 + 384))  # each of query, key and value apart
    layers = [m for name, m in network.named_modules() if name.endswith(".qkv")]
    assert len(layers) == 8
    for matrix in (m for layer in layers for m in layer.weight.chunk(3)):
        assert 0.999 * bound < matrix.abs().max() <= bound
        assert matrix.std().item() == pytest.approx(bound / np.sqrt(3), rel=0.01)


def test_vtcc_trains_by_adam_at_a_constant_rate(make, images, recorded):
    """Rate 3e-4 from the first step to the last, no decay, losses of equal weight."""
    record, _ = recorded(
        lambda network: deepcopy(record.nets[-1].optimizer_.param_groups)
    )
    clusterer = make(VTCCClustering).set_params(**VTCCClustering.REFERENCE)
    clusterer.set_params(image_size=8, max_epochs=2, training__callbacks=[record])
    clusterer.fit(images.repeat(2, axis=0))
    assert len(record.steps) == 4  # 180 images in batches of at most 128, twice
    for group in chain(*record.steps):
        assert group["lr"] == 3e-4
        assert group["weight_decay"] == 0.0  # without decay AdamW is Adam
        assert group["betas"] == (0.9, 0.999)
    criterion = record.nets[0].criterion_
    weights = ("instance", "cluster", "balance")
    assert [getattr(criterion, f"{name}_weight") for name in weights] == [1.0] * 3
    assert criterion.information_weight == 0.0


def test_a_network_of_timm_is_named(estimator_class, make, images):
    clusterer = make(estimator_class, backbone="resnet10t", max_epochs=1)
    backbone = clusterer.fit(images[:24]).model_.network.backbone
    assert isinstance(backbone, TimmBackbone)
    assert clusterer.transform(images[:2]).shape == (2, backbone.embed_dim)


@pytest.mark.parametrize(
    ("use_pixels", "n_arrays", "told"),
    [
        (True, 0, ((8, 8), 1, ())),
        (False, 1, (None, 0, (12,))),
        (True, 1, ((8, 8), 1, (12,))),
        (False, 2, (None, 0, (12, 12))),
    ],
)
def test_functions_are_told_what_there_is_to_see(
    estimator_class, make, images, features, tiny_backbone, use_pixels, n_arrays, told
):
    seen = []

    def note(**shape):
        seen.append(shape)
        return tiny_backbone(**shape)

    settings = {"use_pixels": use_pixels, "max_epochs": 1}
    encoder = "precomputed" if n_arrays else None
    clusterer = make(estimator_class, backbone=note, encoder=encoder, **settings)
    clusterer.fit(images, features=[features] * n_arrays or None)
    names = ("image_size", "n_channels", "feature_dims")
    assert seen == [dict(zip(names, told, strict=True))]
    assert isinstance(clusterer.model_.network.backbone, ConvStemViT)
