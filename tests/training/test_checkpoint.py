"""The file that training is kept in: its format, whose it is, when it is written."""

import math
import os
import time
from functools import partial

import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator
from skorch.callbacks import Callback

from sklearn_mfavb import CLIPFeatures, MFAVBClustering
from sklearn_mfavb.images import ImageDataset, open_images
from sklearn_mfavb.objectives import CueCoObjective
from sklearn_mfavb.training import Checkpoint, isolated, open_checkpoint
from sklearn_mfavb.training import _checkpoint as checkpoint_module
from sklearn_mfavb.training._checkpoint import FORMAT
from sklearn_mfavb.training._identity import describe_training

CPU = torch.device("cpu")
IDENTITY = {"n_clusters": "3", "images": "10 with the fingerprint 0"}


class Killed(Exception):
    """What ends a training in the middle."""


class KillAt(Callback):
    """Raise in the first batch of an epoch, counted over all stages."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_begin(self, net, **kwargs):
        """Count."""
        self.epoch -= 1

    def on_batch_end(self, net, **kwargs):
        """Raise, if it is time."""
        if self.epoch == 0:
            raise Killed


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
            history = run(
                network, *stages, checkpoint=checkpoint, callbacks=list(callbacks)
            )
            drawn = torch.rand(1).item()
        losses = [(row["epoch"], row["stage"], row["loss"]) for row in history]
        return network.state_dict(), losses, drawn, prepared

    return fit_network


def test_a_killed_training_goes_on_to_the_same_end(fit, open_at, dataset):
    """Killed in any epoch of any stage; only stages that begin are prepared."""
    weights, losses, drawn, prepared = fit()
    assert prepared == ["first", "second"]
    for epoch in range(2, 6):
        with pytest.raises(Killed):
            fit(open_at(f"{epoch}"), [KillAt(epoch)])
        checkpoint = open_at(f"{epoch}", seed=8)
        assert checkpoint.seed == 3  # that of the file
        resumed, *rest, prepared = fit(checkpoint)
        assert rest == [losses, drawn]
        assert prepared == ([] if epoch > 3 else ["second"])
        assert dataset.neighbors is not None
        for name, value in weights.items():
            assert torch.equal(value, resumed[name]), name


def test_a_training_without_checkpoint_is_the_same(fit, open_at):
    """Keeping changes nothing, and the file is gone once the fit is complete."""
    checkpoint = open_at()
    kept, plain = fit(checkpoint), fit()
    assert kept[1:] == plain[1:]
    assert os.path.exists(checkpoint.path)
    checkpoint.close()
    assert not os.path.exists(checkpoint.path)


def test_an_interrupted_training_keeps_its_file(fit, open_at):
    """Ctrl-C is no complete training: it can go on."""

    class CtrlC(Callback):
        def on_epoch_end(self, net, **kwargs):
            raise KeyboardInterrupt

    checkpoint = open_at()
    with pytest.warns(match="stopped after 1"):
        fit(checkpoint, [CtrlC()])
    checkpoint.close()
    assert open_at().stage == 0
    assert fit(open_at())[1:3] == fit()[1:3]


def test_the_file_holds_tensors_and_plain_values(fit, open_at):
    """Version 3 of the format: a dict that is read without running anything."""
    checkpoint = open_at()
    fit(checkpoint)
    content = torch.load(checkpoint.path, weights_only=True)
    assert content["format"] == FORMAT == "sklearn_mfavb checkpoint 3"
    assert content["identity"] == IDENTITY
    assert (content["seed"], content["stage"]) == (3, 1)
    assert [row["epoch"] for row in content["past"]] == [1, 2]
    assert [row["epoch"] for row in content["rows"]] == [1, 2, 3]
    assert content.keys() - {"format", "identity", "seed", "stage", "past", "rows"} == {
        *("network", "objective", "optimizer", "schedule", "neighbors", "random"),
        "continues",
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
    with pytest.raises(Killed):
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


def describe(dataset=None, **parameters):
    """Describe the training of an estimator on six black images."""
    images = np.zeros((6, 8, 8, 3), dtype=np.uint8)
    dataset = dataset or ImageDataset(open_images(images), (8, 8))
    return describe_training(MFAVBClustering(2, **parameters).get_params(), dataset)


def test_only_an_estimator_that_asks_for_a_checkpoint_has_one(dataset, tmp_path):
    """The parameter of the group `training`."""
    clusterer = MFAVBClustering(2)
    assert open_checkpoint(clusterer.get_params(), dataset, 0, CPU) is None
    clusterer.set_params(training__checkpoint=tmp_path / "kept")
    opened = open_checkpoint(clusterer.get_params(), dataset, 5, CPU)
    assert opened.seed == 5
    assert opened.identity["training__learning_rate"] == "0.001"


@pytest.mark.parametrize("wrap", [lambda encoder: encoder, lambda encoder: [encoder]])
def test_what_computes_features_counts_and_not_where(wrap):
    """A training goes on in another folder, and on another machine."""
    expected = describe(encoder=wrap(CLIPFeatures("ViT-B-32")))
    for name, value in [
        ("cache_dir", "elsewhere"),
        ("device", "cpu"),
        ("batch_size", 3),
        ("verbose", 1),
    ]:
        other = CLIPFeatures("ViT-B-32", **{name: value})
        assert describe(encoder=wrap(other)) == expected
    other = CLIPFeatures("ViT-B-32", pretrained="laion2b_e16")
    assert describe(encoder=wrap(other)) != expected


def test_images_count_by_what_is_seen_of_them():
    """Pixels where they are looked at, features where there are any."""
    images, rows = np.zeros((6, 8, 8), np.uint8), np.zeros((6, 2), np.float32)
    others = images.copy()
    others[5, 7, 7] = 1

    def of(pixels, size, features):
        return describe(ImageDataset(open_images(pixels), size, None, features))

    assert of(images, (8, 8), None) == of(images.copy(), (8, 8), None)
    assert of(images, (8, 8), None) != of(others, (8, 8), None)
    assert of(images, None, rows) == of(others, None, rows)
    assert of(images, None, rows) != of(images, None, rows + 1)
    assert describe(ImageDataset(None, None, None, rows))["images"].startswith("6 with")


def scale(images, factor=2):
    """Stand in for an augmentation of the user's."""
    return images * factor


class Scale:
    """Stand in for a callable of the user's that says nothing of itself."""

    def __init__(self, factor):
        self.factor = factor

    def __call__(self, images):
        """Scale the images."""
        return images * self.factor


class Encoder(BaseEstimator):
    """Stand in for a transformer of the user's."""

    def __init__(self, factor=1):
        self.factor = factor


@pytest.mark.parametrize(
    ("first", "second", "is_same"),
    [
        (Scale(2), Scale(2), True),
        (Scale(2), Scale(3), False),
        (Scale(torch.ones(2)), Scale(torch.ones(2)), True),
        (np.arange(5000), np.arange(5000) // 4000 + np.arange(5000), False),
        (Scale([scale, Scale(2)]), Scale([scale, Scale(2)]), True),
        (Scale([scale, Scale(2)]), Scale([scale, Scale(3)]), False),
        ((np.float64(0.5), 1), (0.5, 1), True),
        (partial(scale, factor=2), partial(scale, factor=2), True),
        (
            partial(scale, factor=torch.tensor([0.48145])),
            partial(scale, factor=torch.tensor([0.48149])),
            False,
        ),
        (scale, scale, True),
        (scale, partial(scale, factor=2), False),
        (np.float64(0.5), 0.5, True),
        (torch.nn.Linear(2, 3), torch.nn.Linear(2, 4), False),
        ([Encoder(1), Encoder(2)], [Encoder(1), Encoder(2)], True),
        ([Encoder(1), Encoder(2)], [Encoder(1), Encoder(3)], False),
        (Encoder(1), Encoder(3), False),
    ],
)
def test_objects_are_told_apart_by_what_they_were_made_with(first, second, is_same):
    """Not by where they are in memory, nor by NumPy's type of a number."""
    assert (describe(augmentation=first) == describe(augmentation=second)) is is_same


def test_functions_without_a_name_are_refused():
    """Two lambdas cannot be told apart: a checkpoint might be taken up by another."""

    def local(images):
        return images

    for function in (lambda images: images, local, (scale, local)):
        with pytest.raises(ValueError, match="checkpoint needs to know augmentation"):
            describe(augmentation=function)
