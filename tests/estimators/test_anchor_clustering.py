"""AnchorClustering: where the centers start, and what labels an embedding."""

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback

from sklearn_mfavb import AnchorClustering
from sklearn_mfavb.backbones import ConvStemViT
from sklearn_mfavb.heads import CenterHead
from sklearn_mfavb.views import View

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
        "max_epochs": 3,
        "batch_size": 32,
        "random_state": 0,
    }
    return AnchorClustering(3, **{**defaults, **parameters})


class RecordStarts(Callback):
    """Note embeddings and centers at the start of every stage."""

    def __init__(self, images):
        self.view = View(torch.from_numpy(images)[:, None])
        self.starts = []

    @torch.no_grad()
    def on_train_begin(self, net, **kwargs):
        network = net.module_.eval()
        embedding = network.embed(self.view)
        self.starts.append((embedding, network.cluster_heads[0].centers.clone()))


@pytest.mark.parametrize("pretrain_epochs", [0, 2])
def test_centers_start_at_kmeans_of_the_embeddings(shapes, pretrain_epochs):
    """Each center is the mean of the embeddings nearest to it when clustering starts.

    With a pretraining they are not those of the network as it was before.
    """
    images, _ = shapes
    record = RecordStarts(images)
    settings = {"callbacks": [record], "precision": "float32"}
    make(pretrain_epochs=pretrain_epochs, **settings).fit(images)
    assert len(record.starts) == 1 + (pretrain_epochs > 0)
    embedding, centers = record.starts[-1]
    nearest = torch.cdist(embedding, centers).argmin(dim=1)
    assert nearest.unique().tolist() == [0, 1, 2]
    means = torch.stack([embedding[nearest == k].mean(dim=0) for k in range(3)])
    torch.testing.assert_close(centers, means, rtol=1e-4, atol=1e-4)
    if pretrain_epochs:
        assert not torch.allclose(embedding, record.starts[0][0], atol=1e-2)


def test_pretraining_is_contrast_alone(shapes):
    """Half as many epochs of the contrast, then all three losses."""
    images, _ = shapes
    history = make(max_epochs=5).fit(images).history_
    assert [row["stage"] for row in history] == ["pretraining"] * 2 + ["clustering"] * 5
    terms = [{name for name in row if name.endswith("_loss")} for row in history]
    assert terms[0] == {"instance_loss"}
    assert terms[-1] == {"instance_loss", "dec_loss", "anchor_loss"}


def test_centers_are_learned(shapes):
    """The centers that label are not where k-means put them."""
    images, _ = shapes
    record = RecordStarts(images)
    clusterer = make(callbacks=[record], learning_rate=0.01).fit(images)
    moved = clusterer.readout_.centers.detach() - record.starts[-1][1]
    assert moved.abs().max() > 1e-3


def test_the_learned_centers_are_the_readout(shapes):
    """With "head" the nearest learned center labels an image."""
    images, _ = shapes
    clusterer = make(assignment="head").fit(images)
    [head] = clusterer.net_.module_.cluster_heads
    assert clusterer.readout_ is head
    centers = head.centers.detach().numpy()
    gaps = clusterer.transform(images)[:, None] - centers
    np.testing.assert_array_equal(
        clusterer.labels_, np.linalg.norm(gaps, axis=2).argmin(axis=1)
    )


def test_kmeans_on_the_representation_is_the_other_readout(shapes):
    """With "kmeans" each label is the nearest mean of the embeddings so labelled."""
    images, _ = shapes
    clusterer = make(assignment="kmeans").fit(images)
    [head] = clusterer.net_.module_.cluster_heads
    assert isinstance(clusterer.readout_, CenterHead)
    assert clusterer.readout_ is not head
    assert not torch.allclose(clusterer.readout_.centers, head.centers, atol=1e-3)
    embedding, labels = clusterer.transform(images), clusterer.labels_
    means = np.stack([embedding[labels == k].mean(axis=0) for k in range(3)])
    np.testing.assert_allclose(
        clusterer.readout_.centers.numpy(), means, rtol=1e-4, atol=1e-4
    )
    gaps = np.linalg.norm(embedding[:, None] - means, axis=2)
    np.testing.assert_array_equal(labels, gaps.argmin(axis=1))


def test_warm_start_keeps_the_learned_centers(shapes):
    """A second fit goes on from the centers, and does not place them anew."""
    images, _ = shapes
    clusterer = make(pretrain_epochs=0, warm_start=True).fit(images)
    learned = clusterer.readout_.centers.detach().clone()
    record = RecordStarts(images)
    clusterer.set_params(callbacks=[record]).fit(images)
    torch.testing.assert_close(record.starts[0][1], learned)
