"""What is particular to the methods that the literature lists beside ours."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from skorch.callbacks import Callback

from sklearn_mfavb import (
    C3Clustering,
    ConCURLClustering,
    ContrastiveClustering,
    CRLCClustering,
    GCCClustering,
    IMCSwAVClustering,
    Neighbors,
    TEMIClustering,
    Training,
)
from sklearn_mfavb.assignment import choose_head
from sklearn_mfavb.losses import ProbabilityContrastiveLoss, entropy_of_mean


def stages_of(clusterer):
    return [row.get("stage") for row in clusterer.history_]


def test_crlc_labels_by_the_head_of_its_lowest_loss(make, images):
    settings = {"n_cluster_heads": 4, "positives": "augmentation"}
    clusterer = make(CRLCClustering, **settings, entropy_weight=0.5).fit(images)
    heads = clusterer.model_.network.cluster_heads
    contrast = ProbabilityContrastiveLoss()

    def loss(assignment, of_positives):
        [positives] = of_positives
        return contrast(assignment, positives) - 0.5 * entropy_of_mean(assignment)

    rows, cpu = clusterer.transform(images), torch.device("cpu")
    best = choose_head(heads, rows, None, loss=loss, device=cpu)
    assert clusterer.model_.assigner is heads[best]


def test_the_classifier_of_imcswav_teaches_the_network_nothing(make, images, recorded):
    """Without codes to predict only the classifier would move: see its gradient."""
    record, training = recorded(
        lambda network: {n: p.clone() for n, p in network.named_parameters()}
    )
    training.set_params(weight_decay=0.0)
    clusterer = make(IMCSwAVClustering, training=training, n_prototypes=1)
    clusterer.fit(images)  # the code of one prototype is known to all views
    moved = {
        name.split(".")[0]
        for name, start in record.starts[0].items()
        if not torch.equal(start, record.steps[-1][name])
    }
    assert moved == {"cluster_heads"}


@pytest.mark.parametrize("n_small_crops", [0, 3])
def test_imcswav_sees_small_crops(make, images, recorded, n_small_crops):
    seen = []
    _, training = recorded()

    def note(batch):
        seen.append(batch)
        return batch

    make(
        IMCSwAVClustering,
        n_small_crops=n_small_crops,
        augmentation=note,
        training=training,
        max_epochs=1,
        batch_size=90,
    ).fit(images)
    assert len(seen) == 2 + n_small_crops


def test_prototypes_of_concurl_learn_and_label_nothing(make, images, recorded):
    record, training = recorded()
    clusterer = make(ConCURLClustering, training=training, n_projections=3)
    clusterer.fit(images)
    objective = record.nets[0].criterion_
    assert objective.consensus.projections.shape == (3, 256, 88)
    assert objective.prototypes.shape == (3, 256)
    assert objective.prototypes.grad.abs().max() > 0
    heads = clusterer.model_.network.cluster_heads
    assert not any(weight.requires_grad for weight in heads.parameters())
    with pytest.raises(ValueError, match="assignment"):
        clusterer.set_params(assignment="head").fit(images)


@pytest.mark.parametrize(
    ("parameters", "n_epochs"),
    [
        ({}, [2, 4]),
        ({"encoder": "precomputed"}, [0, 4]),
        ({"pretrain_epochs": 0}, [0, 4]),
    ],
    ids=["pixels", "features", "as asked"],
)
def test_stages_of_gcc(make, images, features, parameters, n_epochs):
    """With features there is no contrast alone."""
    settings = {"pretrain_epochs": "auto", "max_epochs": 4, **parameters}
    clusterer = make(GCCClustering, **settings)
    given = {"features": features} if "encoder" in parameters else {}
    clusterer.fit(images, **given)
    n_before, n_graph = n_epochs
    expected = ["pretraining"] * n_before + ["clustering"] * n_graph
    assert stages_of(clusterer) == expected
    terms = {name for name in clusterer.history_[-1] if name.endswith("_loss")}
    assert terms == {"graph_loss", "cluster_loss", "entropy_loss"}


@pytest.mark.parametrize("refresh", [1, 2])
def test_gcc_draws_its_graph_again(make, images, refresh):
    """Neighbors are those of the embedding, when clustering starts and later."""
    graphs = []

    class Graphs(Callback):
        def on_epoch_begin(self, net, dataset_train=None, **kwargs):
            graphs.append(dataset_train.neighbors)

    training = Training(callbacks=[Graphs()], learning_rate=0.05)
    settings = {"positives": Neighbors(3, refresh=refresh), "max_epochs": 3}
    make(GCCClustering, training=training, **settings).fit(images)
    first, *graphs = graphs  # of the contrast alone: by gray pixels
    assert first.shape == (90, 10)
    assert [graph.shape for graph in graphs] == [(90, 3)] * 3
    changed = [not np.array_equal(graphs[0], graph) for graph in graphs]
    assert changed == [False, refresh == 1, True]


def test_c3_refines_what_contrastive_clustering_has_learned(make, images, recorded):
    """At a thirtieth of the rate; heads stay as they are."""

    def look(network):
        groups = record.nets[-1].optimizer_.param_groups
        head = network.cluster_heads[0].layers[0].weight.clone()
        return head, network.instance_head.layers[0].weight.clone(), groups[0]["lr"]

    record, training = recorded(look)
    training.set_params(schedule="constant", warmup_epochs=0, learning_rate=0.03)
    settings = {"pretrain_epochs": 1, "max_epochs": 2, "training": training}
    clusterer = make(C3Clustering, **settings).fit(images)
    assert stages_of(clusterer) == ["contrast", "refinement", "refinement"]
    before, after = record.starts[1], record.steps[-1]
    assert torch.equal(before[0], after[0])
    assert not torch.equal(before[1], after[1])
    assert [before[2], after[2]] == pytest.approx([0.001, 0.001])
    assert record.starts[0][2] == pytest.approx(0.03)


def test_c3_goes_on_from_a_contrastive_clustering(make, images):
    """The networks are alike: a fitted model is what the second step starts from."""
    trained = make(ContrastiveClustering).fit(images)
    weight = trained.model_.network.cluster_heads[0].layers[0].weight
    clusterer = make(C3Clustering, training=Training(warm_start=True))
    clusterer.model_, clusterer.history_ = trained.model_, trained.history_
    clusterer.fit(images)
    assert stages_of(clusterer) == [None] * 2 + ["refinement"] * 2
    refined = clusterer.model_.network.cluster_heads[0].layers[0].weight
    assert_array_equal(refined.detach(), weight.detach())


@pytest.mark.parametrize("n_clusters", [3, "auto"])
def test_c3_needs_a_model_alone_to_go_on(make, images, n_clusters):
    """Epochs that are not known do not count; the number of clusters is found again."""
    clusterer = make(C3Clustering, n_clusters, training=Training(warm_start=True))
    clusterer.model_ = make(ContrastiveClustering, n_clusters).fit(images).model_
    assert stages_of(clusterer.fit(images)) == ["refinement"] * 2
    assert clusterer.max_epochs_ == 2


def test_temi_labels_by_teachers_that_follow_slowly(make, features, recorded):
    """Heads move a part of 0.004 of the way to their students, and get no gradient."""

    def look(network):
        students = record.nets[-1].criterion_.students
        return [
            heads[0].layers.weight.clone()
            for heads in (network.cluster_heads, students)
        ]

    record, training = recorded(look)
    settings = {"encoder": "precomputed", "backbone": "auto", "training": training}
    clusterer = make(TEMIClustering, **settings).fit(features)
    before, (teacher, student) = record.starts[0][0], record.steps[0]
    assert not torch.equal(student, before)
    torch.testing.assert_close(teacher, before + 0.004 * (student - before))
    network = clusterer.model_.network
    assert not any(weight.requires_grad for weight in network.parameters())
    assert clusterer.model_.assigner in [*network.cluster_heads]
