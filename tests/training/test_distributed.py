"""Two processes, with a batch each, train as one with a batch of twice the size."""

import subprocess
import sys
import warnings
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from PIL import Image
from skorch.callbacks import Callback
from timm.layers import BatchNormAct2d
from torch import distributed, nn
from torch.multiprocessing import start_processes

import sklearn_mfavb
from sklearn_mfavb import (
    AnchorClustering,
    Augmentation,
    C3Clustering,
    CLIPFeatures,
    ConCURLClustering,
    ContrastiveClustering,
    CRLCClustering,
    CueCoClustering,
    GCCClustering,
    IMCSwAVClustering,
    MFAVBClustering,
    Neighbors,
    SCANClustering,
    TEMIClustering,
    Training,
    ViT,
    VTCCClustering,
)
from sklearn_mfavb.backbones import Backbone
from sklearn_mfavb.datasets import make_shape_images
from sklearn_mfavb.distributed import (
    is_joint,
    joint_batch_norm,
    joint_fit,
    own_share,
)
from sklearn_mfavb.training import TimeBudget

IMAGES, _ = make_shape_images(48, n_clusters=3, image_size=8, random_state=0)


class NearestOnly(SCANClustering):
    """The partner of an image is its nearest neighbor: nothing is drawn."""

    def _start_clustering(self, setup):
        super()._start_clustering(setup)
        setup.dataset.neighbors = setup.dataset.neighbors[:, 1:2]


class Convolutions(Backbone):
    """A tiny ResNet in kind: normalizations of torch's and of timm's classes."""

    def __init__(self, image_size, n_channels, feature_dims):
        super().__init__()
        self.embed_dim = 12
        self.layers = nn.Sequential(
            nn.Conv2d(n_channels, 8, 3, stride=2, padding=1),
            BatchNormAct2d(8),
            nn.Conv2d(8, 12, 3, padding=1),
            nn.BatchNorm2d(12),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )

    def forward(self, view):
        return self.layers(view.images)


VIT = ViT(patch_size=4, embed_dim=16, n_heads=2)
# One neighbor is the same whoever draws it.
CONVOLUTIONS = {"positives": Neighbors(1), "backbone": Convolutions}
METHODS = {
    "ContrastiveClustering": (ContrastiveClustering, CONVOLUTIONS),
    "VTCCClustering": (VTCCClustering, {"positives": Neighbors(1), "backbone": VIT}),
    "MFAVBClustering": (
        MFAVBClustering,
        {"positives": Neighbors(1), "backbone": VIT, "n_blocks": 1},
    ),
    # Its centroids start at random keys, and drawing neighbors takes random numbers.
    "CueCoClustering": (CueCoClustering, {**CONVOLUTIONS, "positives": "augmentation"}),
    "AnchorClustering": (
        AnchorClustering,
        {"backbone": Convolutions, "pretrain_epochs": 0},
    ),
    "SCANClustering": (NearestOnly, {"encoder": "precomputed"}),
    "TEMIClustering": (
        TEMIClustering,
        {"encoder": "precomputed", "positives": Neighbors(1)},
    ),
    "CRLCClustering": (CRLCClustering, CONVOLUTIONS),
    "IMCSwAVClustering": (IMCSwAVClustering, CONVOLUTIONS),
    "ConCURLClustering": (ConCURLClustering, CONVOLUTIONS),
    "GCCClustering": (GCCClustering, CONVOLUTIONS),
    "C3Clustering": (C3Clustering, {**CONVOLUTIONS, "pretrain_epochs": 0}),
}


class FirstSteps(Callback):
    """Keep the gradients of the first step, and the losses of all."""

    gradients = torch.zeros(1)

    def initialize(self):
        self.losses = []

    def on_train_begin(self, net, **kwargs):
        if net.module_.pixel_mean.numel():  # a backbone for features makes float32
            net.module_.double()  # else gradients differ by rounding, some 5e-6

    def on_train_end(self, net, **kwargs):
        net.module_.float()

    def on_grad_computed(self, net, named_parameters, **kwargs):
        if not self.gradients.norm():  # CueCo's first queue is empty
            grads = [each.grad for _, each in named_parameters if each.grad is not None]
            self.gradients = torch.cat([grad.flatten() for grad in grads])

    def on_batch_end(self, net, loss, **kwargs):
        self.losses.append(float(loss))


def unchanged(values):
    return values.double()


def fit(method, batch_size):
    """Fit without randomness in the views; return losses, gradients and labels."""
    cls, own = METHODS[method]
    steps = FirstSteps()
    X = IMAGES.reshape(48, -1) / 255 if "encoder" in own else IMAGES
    clusterer = cls(
        3,
        augmentation=Augmentation(unchanged, features=unchanged),
        batch_size=batch_size,
        max_epochs=1,
        training=Training(callbacks=[steps], precision="float32"),
        random_state=0,
        **own,
    ).fit(X)
    return {
        "losses": np.array(steps.losses),
        "gradients": steps.gradients,
        "labels": clusterer.labels_,
        "later": clusterer.predict(X[:5]),
    }


def run_alone(rank, function, arguments, folder, n):
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/store", rank=rank, world_size=n
    )
    torch.save(function(*arguments), f"{folder}/{rank}.pt")
    distributed.destroy_process_group()


def on_processes(function, *arguments, folder, n=2):
    """Call a function in processes that torch.distributed connects."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python does not like threads beside a fork
        start_processes(
            run_alone, (function, arguments, folder, n), nprocs=n, start_method="fork"
        )
    return [torch.load(f"{folder}/{rank}.pt", weights_only=False) for rank in range(n)]


def test_every_estimator_is_compared():
    names = {name for name in sklearn_mfavb.__all__ if name.endswith("Clustering")}
    assert METHODS.keys() == names - {"KMeansClustering"}  # it trains no network


@pytest.mark.filterwarnings("ignore:Only:sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("method", METHODS)
def test_two_processes_train_as_one_with_twice_the_batch(method, tmp_path):
    """So do both of them: losses, the first gradients, and labels."""
    alone = fit(method, 12)
    for joint in on_processes(fit, method, 6, folder=tmp_path):
        difference = joint["gradients"] - alone["gradients"]
        assert difference.norm() <= 1e-6 * alone["gradients"].norm()
        np.testing.assert_allclose(joint["losses"], alone["losses"], rtol=1e-6)
        np.testing.assert_array_equal(joint["labels"], alone["labels"])
        np.testing.assert_array_equal(joint["later"], alone["later"])


def in_joint_fit(function):
    with joint_fit():
        return function()


def normalize(network, rows):
    """Return what a network makes of rows, its gradients and its statistics."""
    with joint_batch_norm() if is_joint() else nullcontext():
        output = network(rows)
    output.square().mul(rows).sum().backward()
    return output.detach(), {n: p.grad for n, p in network.named_parameters()}, network


def normalize_share(network, rows):
    return in_joint_fit(lambda: normalize(network, rows[distributed.get_rank() :: 2]))


@pytest.mark.parametrize("shape", [(8, 5), (8, 5, 3, 2)])
def test_normalization_sees_all_images(shape, tmp_path):
    """Outputs and running statistics are those of one batch."""
    rows = 3 + 2 * torch.randn(shape)
    layer = nn.BatchNorm1d(5) if len(shape) == 2 else nn.BatchNorm2d(5)
    parts = on_processes(normalize_share, layer, rows, folder=tmp_path)
    output, gradients, network = normalize(layer, rows)
    for number, (part, _, other) in enumerate(parts):
        torch.testing.assert_close(part, output[number::2])
        torch.testing.assert_close(other.state_dict(), network.state_dict())
    for name, gradient in gradients.items():
        torch.testing.assert_close(sum(part[1][name] for part in parts), gradient)


def shares():
    def draw():
        torch.manual_seed(distributed.get_rank())
        return own_share(torch.randperm(7))

    return in_joint_fit(draw)


def test_every_image_is_in_one_share_or_repeated_to_fill_up(tmp_path):
    first, second = on_processes(shares, folder=tmp_path)
    assert len(first) == len(second) == 4
    assert set(first.tolist()) | set(second.tolist()) == set(range(7))


def fit_and_resume(encoder, folder):
    """Encode, train for an epoch, resume, and save, on one of two processes."""
    embedded, embed = [], CLIPFeatures.embed

    def counted(self, images, **options):
        embedded.append(len(images))
        return embed(self, images, **options)

    CLIPFeatures.embed = counted  # in this process, which ends soon
    training = Training(checkpoint=folder / "state", callbacks=[TimeBudget(1e-3)])
    clusterer = MFAVBClustering(3, encoder=encoder, max_epochs=3, training=training)
    n_first, n_embedded = clusterer.fit(IMAGES).n_iter_, sum(embedded)
    is_kept = (folder / "state").exists()
    clusterer.set_params(training__callbacks=None).fit(IMAGES)
    clusterer.save(folder / f"{distributed.get_rank()}.mfavb")
    return n_first, is_kept, clusterer.n_iter_, n_embedded, clusterer.labels_


def test_processes_share_encoding_and_the_first_writes(tiny, tmp_path):
    """A fit without a seed has the same on all; it stops and resumes on all."""
    encoder = tiny(batch_size=8)
    first, second = on_processes(fit_and_resume, encoder, tmp_path, folder=tmp_path)
    assert first[:4] == second[:4] == (1, True, 3, 24)
    np.testing.assert_array_equal(first[4], second[4])
    assert not (tmp_path / "state").exists()
    assert [path.name for path in tmp_path.glob("*.mfavb")] == ["0.mfavb"]
    loaded = sklearn_mfavb.load(tmp_path / "0.mfavb")
    np.testing.assert_array_equal(loaded.predict(IMAGES), first[4])


@pytest.mark.slow
def test_a_launched_program_clusters_files(tmp_path):
    """`accelerate launch` starts the program on two processes; one of them writes."""
    photos = tmp_path / "photos"
    photos.mkdir()
    for number, pixels in enumerate(IMAGES):
        Image.fromarray(pixels).save(photos / f"{number:02d}.png")
    launch = "accelerate.commands.launch --cpu --num_processes 2 --num_machines 1"
    options = "--mixed_precision no --dynamo_backend no --module sklearn_mfavb"
    words = [*launch.split(), *options.split(), "cluster", str(photos), "-k", "3"]
    out = tmp_path / "out"
    result = subprocess.run(
        [sys.executable, "-m", *words, "-o", out, "--max-epochs", "2", "--no-report"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("48 images in 3 clusters") == 1
    assert len((out / "clusters.csv").read_text().splitlines()) == 49
