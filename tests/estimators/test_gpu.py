"""Steps on a GPU: no step waits for it, and the same seed gives the same labels.

The first tests need none: torch's fake tensors compute shapes and devices alone, and
refuse what would read a value or mix devices.
"""

import copy

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from torch import is_tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import sklearn_mfavb
from sklearn_mfavb import Training
from sklearn_mfavb.training import ClusteringNet

GPU = torch.device("cuda")
PARTS = ("module_", "criterion_")
# These read a value, or make a shape depend on one.
READING = ("_local_scalar_dense", "nonzero", "masked_select", "equal", "_unique2")


class NoWaiting(TorchDispatchMode):
    """Refuse operations for which the program waits until the device is done."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.overloadpacket.__name__
        assert name not in READING, f"{name} waits for the device"
        if name in ("index", "index_put", "index_put_"):
            indices = [index for index in args[1] if index is not None]
            assert all(index.dtype != torch.bool for index in indices), "a mask waits"
            assert {index.device for index in indices} == {args[0].device}
        output = function(*args, **kwargs or {})
        if name in ("_to_copy", "copy_") and not (kwargs or {}).get("non_blocking"):
            tensors = [each for each in tree_leaves((args, output)) if is_tensor(each)]
            assert len({each.device for each in tensors}) == 1, "a copy waits"
        return output


def pretend(values):
    """Make a tensor of the same shape on a GPU that does not exist."""
    shape, strides = values.shape, values.stride()
    return torch.empty_strided(shape, strides, dtype=values.dtype, device=GPU)


def move(module):
    """Move a module to that GPU."""
    for part in module.modules():
        for name, values in part._buffers.items():
            part._buffers[name] = values if values is None else pretend(values)
        for name, values in part._parameters.items():
            if values is not None:
                there = torch.nn.Parameter(pretend(values), values.requires_grad)
                part._parameters[name] = there
    return module


def step_on_a_gpu(net, batch):
    """Take the forward part of a step on that GPU: its autograd would need one."""
    there = copy.copy(net)
    parts = {name: copy.deepcopy(getattr(net, name)) for name in PARTS}
    with FakeTensorMode(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.Tensor, "backward", lambda loss: None)
        moved = {name: move(part) for name, part in parts.items()}
        there.__dict__.update(moved, device=GPU)
        batch = {name: pretend(values) for name, values in batch.items()}
        with NoWaiting():
            terms = there.train_step_single(batch)["terms"]
    assert {term.device.type for term in terms.values()} == {"cuda"}


@pytest.mark.parametrize("has_features", [False, True])
def test_no_step_waits_for_the_device(
    estimator_class, make, images, features, monkeypatch, has_features
):
    """Of every stage of every estimator: forward on a GPU, the whole step here."""
    step, seen = ClusteringNet.train_step, set()

    def watch(net, batch, **kwargs):
        epoch = id(net), len(net.history)
        if epoch not in seen:
            seen.add(epoch)
            step_on_a_gpu(net, batch)
        with NoWaiting():
            return step(net, batch, **kwargs)

    monkeypatch.setattr(ClusteringNet, "train_step", watch)
    clusterer = make(estimator_class, training=Training(precision="float32"))
    if has_features:
        clusterer.set_params(encoder="precomputed").fit(features)
    else:
        clusterer.fit(images)
    assert seen


def test_what_waits_is_found():
    """The watches above can fail."""
    with FakeTensorMode():
        rows = torch.rand(4, 4, device=GPU)
        for wait in (
            lambda: rows.cpu(),
            lambda: rows[torch.tensor([0])],
            lambda: rows[rows[:, 0] > 0],
            lambda: rows + torch.rand(4).to(GPU),
        ):
            with pytest.raises(Exception, match=r"wait|mask|device"), NoWaiting():
                wait()
    with NoWaiting(), pytest.raises(AssertionError, match="_local_scalar_dense"):
        bool(torch.rand(2).sum() > 0)


@pytest.mark.gpu
def test_same_seed_same_labels_on_a_gpu(estimator_class, make, images, monkeypatch):
    """Sums are added in one order if torch is asked for it; else nearly all is same."""
    clusterers = [make(estimator_class, device="cuda") for _ in range(4)]
    first, second = (each.fit(images) for each in clusterers[:2])
    assert np.mean(first.labels_ == second.labels_) > 0.9
    assert first.history_[-1]["loss"] == pytest.approx(
        second.history_[-1]["loss"], rel=1e-2
    )
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        third, fourth = (each.fit(images) for each in clusterers[2:])
    finally:
        torch.use_deterministic_algorithms(False)
    assert_array_equal(third.labels_, fourth.labels_)
    assert_array_equal(third.embedding_, fourth.embedding_)


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_every_estimator_goes_to_a_gpu_and_back(
    estimator_class, make, images, tiny_backbone, tmp_path, precision
):
    """It trains, predicts and saves there, and labels nearly the same on the CPU."""
    training = Training(precision=precision)
    clusterer = make(estimator_class, device="cuda", training=training).fit(images)
    assert clusterer.model_.device.type == "cuda"
    assert_array_equal(clusterer.predict(images), clusterer.labels_)
    path = tmp_path / "model"
    clusterer.save(path)
    here = sklearn_mfavb.load(path, device="cpu", backbone=tiny_backbone)
    assert np.mean(here.predict(images) == clusterer.labels_) > 0.9


@pytest.mark.gpu
def test_training_resumes_on_a_gpu(estimator_class, make, images, stop_at, tmp_path):
    """From the file of a fit that was killed at the end of its first epoch."""
    training = stop_at(1, MemoryError, at_its_end=True, checkpoint=tmp_path / "kept")
    with pytest.raises(MemoryError):
        make(estimator_class, device="cuda", training=training).fit(images)
    training = Training(checkpoint=tmp_path / "kept")
    resumed = make(estimator_class, device="cuda", training=training).fit(images)
    alone = make(estimator_class, device="cuda").fit(images)
    losses = [[row["loss"] for row in each.history_] for each in (resumed, alone)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-2)


@pytest.mark.gpu
def test_steps_on_a_real_gpu_wait_for_nothing(
    estimator_class, make, images, monkeypatch
):
    """What fake tensors cannot tell: backward pass, optimizer, copies of batches."""
    step = ClusteringNet.train_step

    def watch(net, batch, **kwargs):
        torch.cuda.set_sync_debug_mode("error")
        try:
            return step(net, batch, **kwargs)
        finally:
            torch.cuda.set_sync_debug_mode("default")

    monkeypatch.setattr(ClusteringNet, "train_step", watch)
    make(estimator_class, device="cuda").fit(images)
