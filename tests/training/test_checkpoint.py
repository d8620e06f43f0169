"""The file that training is kept in: its format, whose it is, when it is written."""

import math
import os
import time
from functools import partial

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback

from sklearn_mfavb import MFAVBClustering
from sklearn_mfavb.objectives import CueCoObjective
from sklearn_mfavb.training import Checkpoint, _net, isolated, open_checkpoint
from sklearn_mfavb.training import _checkpoint as checkpoint_module
from sklearn_mfavb.training._checkpoint import FORMAT

CPU = torch.device("cpu")
IDENTITY = {"n_clusters": "3", "images": "10 with the fingerprint 0"}


class KillAt(Callback):
    """Run out of memory in the first batch of an epoch, counted over all stages."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_begin(self, net, **kwargs):
        self.epoch -= 1

    def on_batch_end(self, net, **kwargs):
        if self.epoch == 0:
            raise MemoryError


@pytest.fixture(autouse=True)
def keep_every_epoch(monkeypatch):
    """Write after every epoch, however long that takes."""
    monkeypatch.setattr(checkpoint_module, "_SHARE_OF_TIME", math.inf)


@pytest.fixture
def open_at(tmp_path):
    """Open the checkpoint of a training."""

    def open_file(name="kept", seed=3, **identity):
        path = tmp_path / name
        return Checkpoint(path, {**IDENTITY, **identity}, seed=seed, device=CPU)

    return open_file


@pytest.fixture
def fit(run, make_network, make_stage, dataset):
    """Train in two stages, the second with neighbors and a queue of keys."""

    def fit_network(checkpoint=None, callbacks=()):
        network, prepared = make_network(), []
        network.instance_head.layers.append(torch.nn.Dropout(0.1))  # draws in training
        queue = CueCoObjective(
            n_centroids=2,
            queue_size=8,
            projection_dim=3,
            temperature=0.2,
            compactness_weight=1.0,
            n_warmup_steps=1,
            refresh=2,
        )

        def find_neighbors():
            prepared.append("second")
            dataset.neighbors = np.roll(np.arange(10), 1)[:, None]

        dataset.neighbors = None
        stages = [
            make_stage(2, name="first", prepare=lambda: prepared.append("first")),
            make_stage(3, name="second", objective=queue, prepare=find_neighbors),
        ]
        seed = 3 if checkpoint is None else checkpoint.seed
        with isolated(seed, CPU):
            keep = {"checkpoint": checkpoint, "callbacks": list(callbacks)}
            history = run(*stages, network=network, **keep)
            drawn = torch.rand(1).item()
        losses = [(row["epoch"], row["stage"], row["loss"]) for row in history]
        return network.state_dict(), losses, drawn, prepared

    return fit_network


def test_a_killed_training_goes_on_to_the_same_end(fit, open_at, dataset):
    """Killed in any epoch of any stage; only stages that begin are prepared."""
    weights, losses, drawn, prepared = fit()
    assert prepared == ["first", "second"]
    for epoch in range(2, 6):
        with pytest.raises(MemoryError):
            fit(open_at(f"{epoch}"), [KillAt(epoch)])
        checkpoint = open_at(f"{epoch}", seed=8)
        assert checkpoint.seed == 3  # that of the file
        resumed, *rest, prepared = fit(checkpoint)
        assert rest == [losses, drawn]
        assert prepared == ([] if epoch > 3 else ["second"])
        assert dataset.neighbors is not None
        for name, value in weights.items():
            assert torch.equal(value, resumed[name]), name


def test_a_device_that_scales_gradients_goes_on(fit, open_at, monkeypatch):
    """A checkpoint of a device with bfloat16 has no state for the scaler of float16."""
    expected = fit()[1]
    with pytest.raises(MemoryError):
        fit(open_at(), [KillAt(4)])
    scaler = partial(torch.amp.GradScaler, "cpu", init_scale=2.0)
    monkeypatch.setattr(_net.torch.amp, "GradScaler", lambda *_, **__: scaler())
    assert [row[:2] for row in fit(open_at())[1]] == [row[:2] for row in expected]


def test_only_an_interrupted_training_keeps_its_file(fit, open_at):
    """Keeping changes nothing; after Ctrl-C training can go on, and then it is gone."""

    class CtrlC(Callback):
        def on_epoch_end(self, net, **kwargs):
            raise KeyboardInterrupt

    expected = fit()[1:3]
    interrupted, other = open_at(), open_at("other")
    with pytest.warns(match="stopped after 1"):
        fit(interrupted, [CtrlC()])
    interrupted.close()
    resumed = open_at()
    assert resumed.stage == 0
    for checkpoint in (resumed, other):
        assert fit(checkpoint)[1:3] == expected
        assert os.path.exists(checkpoint.path)
        checkpoint.close()
        assert not os.path.exists(checkpoint.path)


def test_the_file_holds_tensors_and_plain_values(fit, open_at):
    """Version 4 of the format: a dict that is read without running anything."""
    checkpoint = open_at()
    fit(checkpoint)
    content = torch.load(checkpoint.path, weights_only=True)
    assert content["format"] == FORMAT == "sklearn_mfavb checkpoint 4"
    assert content["identity"] == IDENTITY
    assert (content["seed"], content["stage"]) == (3, 1)
    assert [row["epoch"] for row in content["past"]] == [1, 2]
    assert [row["epoch"] for row in content["rows"]] == [1, 2, 3]
    assert content.keys() - {"format", "identity", "seed", "stage", "past", "rows"} == {
        *("network", "objective", "optimizer", "scaler", "schedule"),
        *("neighbors", "random", "continues"),
    }


@pytest.mark.parametrize(
    "content", [b"", b"no checkpoint", b"PK\x03\x04 broken", {"format": "other"}, [1]]
)
def test_other_files_are_refused_and_stay(open_at, tmp_path, content):
    """The error names the file, which may be the user's only copy of something."""
    path = tmp_path / "notes.txt"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"checkpoint='.*notes\.txt' exists, but"):
        open_at("notes.txt")
    assert path.read_bytes() == before


def test_code_in_a_file_is_not_run(open_at, tmp_path):
    """A pickle that would run something is refused."""

    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "was run"),)

    torch.save({"format": Bomb()}, tmp_path / "bomb")
    with pytest.raises(ValueError, match="bomb"):
        open_at("bomb")
    assert not (tmp_path / "was run").exists()


def test_the_checkpoint_of_another_training_is_refused(fit, open_at):
    """All that differs is named."""
    with pytest.raises(MemoryError):
        fit(open_at(), [KillAt(2)])
    with pytest.raises(ValueError, match="depth was missing, now 2; n_clusters was 3,"):
        open_at(n_clusters="4", depth="2")


def test_writing_takes_little_of_the_time(fit, open_at, monkeypatch):
    """After a slow writing the next ones wait until it was one part in twenty."""
    monkeypatch.setattr(checkpoint_module, "_SHARE_OF_TIME", 0.05)
    now, written = [0.0], []
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    save = torch.save

    def save_slowly(content, file):
        written.append(len(content["past"]) + len(content["rows"]))
        now[0] += 1.5
        save(content, file)

    class Pass(Callback):
        def on_epoch_begin(self, net, **kwargs):
            now[0] += 12.0

    monkeypatch.setattr(torch, "save", save_slowly)
    fit(open_at(), [Pass()])
    assert written == [1, 4]


def test_only_an_estimator_that_asks_for_a_checkpoint_has_one(dataset, tmp_path):
    """The parameter of the group `training`."""
    clusterer = MFAVBClustering(2)
    assert open_checkpoint(clusterer.get_params(), dataset, 0, CPU) is None
    clusterer.set_params(training__checkpoint=tmp_path / "kept")
    opened = open_checkpoint(clusterer.get_params(), dataset, 5, CPU)
    assert opened.seed == 5
    assert opened.identity["training__learning_rate"] == "0.001"
