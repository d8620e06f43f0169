"""CueCoClustering: the key network follows, and its settings reach the objective."""

from itertools import pairwise

import pytest
import torch
from skorch.callbacks import Callback

from sklearn_mfavb import CueCoClustering
from sklearn_mfavb.backbones import ConvStemViT
from sklearn_mfavb.heads import CenterHead

pytestmark = pytest.mark.filterwarnings(
    "ignore:Only .* clusters hold images:sklearn.exceptions.ConvergenceWarning"
)


def tiny_backbone(*, image_size, n_channels, **sees):
    """Build a transformer of one layer, 16 wide, for images of 8 pixels."""
    sizes = {"patch_size": 4, "embed_dim": 16, "n_heads": 2, "depth": 1}
    return ConvStemViT((2, 2), n_channels=n_channels, **sizes, **sees)


def make(**parameters):
    """Make an estimator of few epochs on a tiny network."""
    defaults = {
        "backbone": tiny_backbone,
        "max_epochs": 4,
        "batch_size": 30,
        "random_state": 0,
    }
    return CueCoClustering(3, **{**defaults, **parameters})


class RecordNetworks(Callback):
    """Note weights of query and key at the start and after every step."""

    def __init__(self):
        self.states = []
        self.modes = []

    def note(self, net):
        state = net.module_.state_dict()
        self.states.append({name: value.clone() for name, value in state.items()})

    def on_train_begin(self, net, **kwargs):
        self.note(net)

    def on_batch_end(self, net, **kwargs):
        self.note(net)
        module = net.module_
        keys = (module.key_backbone, module.key_head)
        self.modes += [part.training for key in keys for part in key.modules()]
        assert all(weight.grad is None for key in keys for weight in key.parameters())


@pytest.mark.parametrize("momentum", [0.9, 0.5])
def test_the_key_network_follows_by_the_momentum_formula(shapes, momentum):
    """In every step key = m key + (1 - m) query, in training as the query is."""
    images, _ = shapes
    record = RecordNetworks()
    make(momentum=momentum, learning_rate=0.01, callbacks=[record]).fit(images)
    assert len(record.states) == 1 + 4 * 3
    assert all(record.modes)
    pairs = {"key_backbone.": "backbone.", "key_head.": "instance_head."}
    for start, twin in pairs.items():
        names = [name for name in record.states[0] if name.startswith(start)]
        assert names
        for name in names:
            query = twin + name.removeprefix(start)
            for before, after in pairwise(record.states):
                if "running_" in name or "num_batches" in name:
                    continue  # statistics are each network's own
                expected = momentum * before[name] + (1 - momentum) * after[query]
                torch.testing.assert_close(after[name], expected)
    last = record.states[-1]
    assert not torch.equal(
        last["key_head.layers.0.weight"], last["instance_head.layers.0.weight"]
    )


def test_settings_reach_the_objective(shapes):
    """Queue, centroids and weights are those asked for; warm-up is a tenth."""
    images, _ = shapes
    clusterer = make(
        queue_size=20,
        n_centroids=5,
        temperature=0.3,
        compactness_weight=0.6,
        centroid_refresh=2,
        max_epochs=10,
    ).fit(images)
    objective = clusterer.net_.criterion_
    assert objective.queue.shape == (20, 128)
    assert objective.centroids.shape == (5, 128)
    assert objective.contrast.temperature == 0.3
    assert objective.compactness_weight == 0.6
    assert objective.refresh == 2
    assert objective.n_warmup_steps == 3  # of 10 epochs of 3 steps
    assert [row["compactness_loss"] > 0 for row in clusterer.history_] == (
        [False] + [True] * 9
    )


def test_the_queue_holds_a_quarter_of_the_images(shapes):
    """Few images meet their own last key; twice as many centroids as clusters."""
    images, _ = shapes
    objective = make().fit(images).net_.criterion_
    assert objective.queue_size == len(objective.queue) == 90 // 4
    assert objective.n_centroids == 6


def test_centers_of_kmeans_are_the_readout(shapes):
    """No cluster head learns: it gets no gradient, and does not label."""
    images, _ = shapes
    clusterer = make(assignment="kmeans").fit(images)
    heads = clusterer.net_.module_.cluster_heads
    assert not any(weight.requires_grad for weight in heads.parameters())
    assert isinstance(clusterer.readout_, CenterHead)
    assert clusterer.readout_ is not heads[0]
    with pytest.raises(ValueError, match="assignment"):
        make(assignment="head").fit(images)
