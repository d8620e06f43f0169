"""The training loop: batches, schedule, frozen parts, failures, randomness."""

import pickle

import numpy as np
import pytest
import torch
from torch import nn

from sklearn_mfavb.training import (
    ClusteringNet,
    EpochProgress,
    FollowQuery,
    RefreshNeighbors,
    TermAverages,
    WarmupConstant,
    WarmupCosine,
    balanced_batches,
    local_seed,
    resolve_autocast,
    resolve_device,
)


class Numbers(torch.utils.data.Dataset):
    """Ten two-dimensional points, read batch by batch."""

    neighbors = None

    def __init__(self, n_samples=10):
        self.points = torch.randn(n_samples, 2)

    def __len__(self):
        return len(self.points)

    def __getitems__(self, positions):
        return {"images": self.points[positions], "index": torch.tensor(positions)}


class Pairs(nn.Module):
    """A frozen layer with batch normalisation under a trained one."""

    def __init__(self):
        super().__init__()
        self.frozen = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Dropout())
        self.frozen.requires_grad_(False)
        self.trained = nn.Linear(3, 1)

    def forward_views(self, first, second):
        return self.trained(self.frozen(first)), self.trained(self.frozen(second))


class Gap(nn.Module):
    """Two terms: the distance of the halves, and of the first from one."""

    def forward(self, positives):
        [(first, second)] = positives
        return {
            "gap_loss": (first - second).square().mean(),
            "one_loss": (first - 1).square().mean(),
        }


class Twice:
    """The same points as both views."""

    def draw(self, batch):
        return batch["images"], batch["images"] + 0.1

    def positives(self, first, second):
        return [(first, second)]


def make_net(criterion=None, contrast=None, callbacks=(), module=None, **kwargs):
    """Build a net over the toy parts."""
    return ClusteringNet(
        module or Pairs(),
        criterion or Gap(),
        contrast=contrast or Twice(),
        optimizer=torch.optim.AdamW,
        lr=0.1,
        max_epochs=3,
        batch_size=4,
        iterator_train=balanced_batches,
        iterator_train__collate_fn=lambda batch: batch,
        train_split=None,
        callbacks=[("terms", TermAverages()), *callbacks],
        callbacks__print_log=None,
        **kwargs,
    )


@pytest.mark.parametrize(
    ("n_samples", "batch_size", "sizes"),
    [(10, 4, [4, 3, 3]), (257, 256, [129, 128]), (3, 256, [3]), (1, 8, [1])],
)
def test_batches_are_nearly_equal_and_cover_everything(n_samples, batch_size, sizes):
    """No image is left out, none comes twice, no batch is a crumb."""
    batches = list(
        balanced_batches(Numbers(n_samples), batch_size, collate_fn=lambda batch: batch)
    )
    assert [len(batch["index"]) for batch in batches] == sizes
    seen = torch.cat([batch["index"] for batch in batches])
    assert sorted(seen.tolist()) == list(range(n_samples))


def test_loss_is_the_sum_of_recorded_terms():
    """Curves of all terms are in the history and add up to the loss."""
    net = make_net().fit(Numbers(12), None)
    assert len(net.history) == 3
    for row in net.history:
        assert row["gap_loss"] + row["one_loss"] == pytest.approx(row["train_loss"])
    assert net.history[-1]["one_loss"] < net.history[0]["one_loss"]


def test_frozen_parts_never_drift():
    """Frozen weights and batch statistics stay; trained weights move."""
    net = make_net().initialize()
    before = {key: value.clone() for key, value in net.module_.state_dict().items()}
    net.partial_fit(Numbers(), None)
    after = net.module_.state_dict()
    for key in before:
        assert torch.equal(before[key], after[key]) is key.startswith("frozen"), key
    assert net.module_.trained.training
    assert not net.module_.frozen[1].training


class Broken(nn.Module):
    """A criterion whose second epoch is not finite."""

    def __init__(self):
        super().__init__()
        self.n_calls = 0

    def forward(self, positives):
        [(first, _)] = positives
        self.n_calls += 1
        factor = 1.0 if self.n_calls <= 3 else float("nan")
        return {"odd_loss": factor * first.square().mean()}


def test_non_finite_loss_stops_with_epoch_terms_and_advice():
    """The error names the epoch and the term, and the weights are still finite."""
    net = make_net(Broken())
    with pytest.raises(FloatingPointError, match=r"epoch 2 \(odd_loss=nan\).*lower"):
        net.fit(Numbers(), None)
    assert all(parameter.isfinite().all() for parameter in net.module_.parameters())


def test_neighbors_are_refreshed_on_schedule():
    """The first search comes after `every` epochs, the next as many later."""
    searched = []

    def find(net, dataset):
        searched.append(len(net.history) - 1)
        return np.zeros((len(dataset), 1), dtype=np.int64)

    dataset = Numbers()
    net = make_net(callbacks=[("neighbors", RefreshNeighbors(find, 2))])
    net.set_params(max_epochs=5)
    net.fit(dataset, None)
    assert searched == [2, 4]
    assert dataset.neighbors.shape == (10, 1)


def test_progress_bar_counts_epochs_and_leaves_the_net_picklable(capsys):
    """One tick per epoch on standard error; no open bar stays behind."""
    callback = EpochProgress()
    net = make_net(callbacks=[("progress", callback)])
    net.fit(Numbers(), None)
    assert "3/3" in capsys.readouterr().err
    pickle.dumps(callback)


@pytest.mark.parametrize("dtype", [None, torch.bfloat16])
def test_autocast_is_as_asked(dtype):
    """The forward pass runs in the wanted type, the terms in float32."""
    seen = []

    class Watch(Gap):
        def forward(self, positives):
            seen.append(positives[0][0].dtype)
            return {k: v.float() for k, v in super().forward(positives).items()}

    make_net(Watch(), autocast_dtype=dtype).fit(Numbers(), None)
    assert set(seen) == {dtype or torch.float32}


def test_schedule_rises_then_falls_to_zero():
    """Linear warm-up, a peak of exactly one, a cosine to zero; no warm-up is fine."""
    schedule = WarmupCosine(n_steps=50, n_warmup_steps=5)
    factors = [schedule(step) for step in range(51)]
    assert factors[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert max(factors) == 1.0
    assert sorted(factors[5:], reverse=True) == factors[5:]
    assert factors[50] == pytest.approx(0.0, abs=1e-12)
    assert WarmupCosine(n_steps=4, n_warmup_steps=0)(0) == 1.0
    assert WarmupCosine(n_steps=4, n_warmup_steps=4)(4) == 1.0


def test_constant_schedule_rises_then_stays():
    """Linear warm-up, then one; no warm-up is fine."""
    schedule = WarmupConstant(n_steps=50, n_warmup_steps=5)
    factors = [schedule(step) for step in range(51)]
    assert factors[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert factors[5:] == [1.0] * 46
    assert WarmupConstant(n_steps=4, n_warmup_steps=0)(0) == 1.0


class Following(Pairs):
    """The toy network, which counts how often it was told to follow."""

    def __init__(self):
        super().__init__()
        self.momenta = []

    def follow(self, momentum):
        self.momenta.append(momentum)


def test_following_happens_after_every_training_step():
    """Once per batch with the momentum given; validation does not count."""
    net = make_net(callbacks=[("follow", FollowQuery(0.7))], module=Following())
    net.fit(Numbers(), None)
    assert net.module_.momenta == [0.7] * 9
    net.notify("on_batch_end", batch={}, training=False, terms={})
    assert len(net.module_.momenta) == 9


def test_local_seed_leaves_the_global_state_alone():
    """Draws inside follow the seed; draws outside continue as if nothing was."""
    torch.manual_seed(7)
    expected = torch.rand(2)
    torch.manual_seed(7)
    with local_seed(1, torch.device("cpu")):
        first = torch.rand(3)
    assert torch.equal(torch.rand(2), expected)
    with local_seed(1, torch.device("cpu")):
        assert torch.equal(torch.rand(3), first)


def test_devices_are_resolved_or_refused_by_name():
    """A device is found for "auto"; an unknown one is named in the error."""
    assert resolve_device("auto").type in {"cpu", "cuda"}
    assert resolve_device(torch.device("cpu")) == torch.device("cpu")
    with pytest.raises(ValueError, match="device='abacus'"):
        resolve_device("abacus")


@pytest.mark.parametrize("capability", ["avx512_bf16", "amx_bf16", None])
def test_precision_is_resolved_by_device(capability, monkeypatch):
    """On a CPU "auto" is bfloat16 if there are instructions for it, else float32."""
    cpu = torch.device("cpu")
    found = {} if capability is None else {capability: True}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: found, raising=False)
    expected = None if capability is None else torch.bfloat16
    assert resolve_autocast("auto", cpu) is expected
    assert resolve_autocast("float32", cpu) is None
    assert resolve_autocast("bfloat16", cpu) is torch.bfloat16
