"""Training that was cut off goes on, to the same end."""

import errno
import os
import pickle
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback

import sklearn_mfavb
from sklearn_mfavb import AnchorClustering, MFAVBClustering
from sklearn_mfavb.datasets import make_shape_images
from sklearn_mfavb.training import _checkpoint

RESNET = {"backbone": "resnet10t"}
FITS = {
    "MFAVBClustering": {"max_epochs": 3, "embed_dim": 16},
    "MFAVBClustering, neighbours in the embedding": {
        "max_epochs": 3,
        "embed_dim": 16,
        "positives": "neighbors",
        "neighbor_space": "embedding",
        "neighbor_refresh": 1,
    },
    "VTCCClustering": {"max_epochs": 2, "embed_dim": 16},
    "ContrastiveClustering": {"max_epochs": 2, **RESNET},
    "SCANClustering": {
        "pretext_epochs": 2,
        "max_epochs": 2,
        "self_label_epochs": 1,
        **RESNET,
    },
    "AnchorClustering": {"pretrain_epochs": 2, "max_epochs": 2, **RESNET},
    "CueCoClustering": {"max_epochs": 3, "centroid_refresh": 2, **RESNET},
}


class Killed(Exception):
    """What ends a fit in the middle."""


class KillAt(Callback):
    """Raise in a batch of the n-th epoch, counted over all stages."""

    def __init__(self, n_epochs: int):
        self.n_epochs = n_epochs
        self.n_begun = 0

    def on_epoch_begin(self, net, **kwargs):
        self.n_begun += 1

    def on_batch_end(self, net, **kwargs):
        if self.n_begun == self.n_epochs:
            raise Killed


@pytest.fixture(scope="module")
def images():
    """Few images of three shapes."""
    return make_shape_images(48, n_clusters=3, image_size=8, random_state=0)[0]


def build(name, **parameters):
    """Build an estimator of the table, with other parameters."""
    estimator = getattr(sklearn_mfavb, name.partition(",")[0])
    settings = {"random_state": 0, "batch_size": 16, **FITS[name], **parameters}
    return estimator(3, **settings)


def without_seconds(history):
    """Forget how long the epochs took."""
    return [{**row, "seconds": 0} for row in history]


def assert_same_fit(one, other):
    """Hold two fits against each other, bit for bit."""
    np.testing.assert_array_equal(one.labels_, other.labels_)
    assert without_seconds(one.history_) == without_seconds(other.history_)
    mine, its = one.net_.module_.state_dict(), other.net_.module_.state_dict()
    assert mine.keys() == its.keys()
    for name in mine:
        assert torch.equal(mine[name], its[name]), name


def test_a_pickled_model_carries_no_checkpoint(images, tmp_path):
    """What was kept for going on is not part of the result."""
    sizes = [
        len(pickle.dumps(build("MFAVBClustering", checkpoint=path).fit(images)))
        for path in (None, str(tmp_path / "kept"))
    ]
    assert sizes[1] < sizes[0] + 1000


@pytest.mark.parametrize("name", FITS)
def test_a_killed_fit_goes_on_to_the_same_end(name, images, tmp_path):
    """Killed in any epoch of any stage, a fit ends as if nothing had happened."""
    whole = build(name).fit(images)
    for epoch in range(2, whole.n_iter_ + 1):
        path = tmp_path / f"epoch {epoch}"
        with pytest.raises(Killed):
            build(name, checkpoint=path, callbacks=[KillAt(epoch)]).fit(images)
        assert path.exists()
        assert_same_fit(build(name, checkpoint=path).fit(images), whole)
        assert not path.exists()


def test_a_fit_may_be_killed_again_and_again(images, tmp_path):
    """Each fit goes on where the last one stood."""
    path = tmp_path / "training"
    name = "AnchorClustering"
    for epoch in (2, 2, 2):  # counted from where it goes on: each gains one
        with pytest.raises(Killed):
            build(name, checkpoint=path, callbacks=[KillAt(epoch)]).fit(images)
    rest = build(name, checkpoint=path, callbacks=[KillAt(2)]).fit(images)
    assert_same_fit(rest, build(name).fit(images))


def test_keeping_training_changes_nothing(images, tmp_path):
    """A fit that is kept, and not killed, is the same fit."""
    kept = build("MFAVBClustering", checkpoint=tmp_path / "training").fit(images)
    assert_same_fit(kept, build("MFAVBClustering").fit(images))
    assert list(tmp_path.iterdir()) == []


def test_a_process_that_is_killed_goes_on(images, tmp_path):
    """SIGKILL, which nothing can catch, loses no more than an epoch."""
    path = tmp_path / "training"
    np.save(tmp_path / "images.npy", images)
    program = f"""
import os, signal
import numpy as np
from skorch.callbacks import Callback
from sklearn_mfavb import MFAVBClustering
class Kill(Callback):
    def on_batch_end(self, net, **kwargs):
        if len(net.history) == 3:
            os.kill(os.getpid(), signal.SIGKILL)
MFAVBClustering(
    3, max_epochs=3, embed_dim=16, batch_size=16, random_state=0,
    checkpoint={str(path)!r}, callbacks=[Kill()],
).fit(np.load({str(tmp_path / "images.npy")!r}))
"""
    # As many threads as the tests have: sums over other parts differ in the last bits.
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    ended = subprocess.run([sys.executable, "-c", program], env=environment)
    assert ended.returncode == -signal.SIGKILL
    name = "MFAVBClustering"
    resumed = build(name, checkpoint=path).fit(images)
    np.testing.assert_array_equal(resumed.labels_, build(name).fit(images).labels_)


def test_ctrl_c_between_stages_that_are_kept_is_one(images, tmp_path, monkeypatch):
    """While neighbours are sought anew, before any epoch of this process."""
    monkeypatch.setattr(_checkpoint, "_SHARE_OF_TIME", np.inf)  # keep every epoch
    path = tmp_path / "training.ckpt"
    with pytest.raises(Killed):
        build("SCANClustering", checkpoint=path, callbacks=[KillAt(4)]).fit(images)
    before = path.read_bytes()

    def press(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(sklearn_mfavb.SCANClustering, "_mine_neighbors", press)
    with pytest.raises(KeyboardInterrupt):
        build("SCANClustering", checkpoint=path).fit(images)
    assert path.read_bytes() == before


def test_ctrl_c_leaves_the_checkpoint(images, tmp_path):
    """Training that the user ends gives labels, and can go on."""

    class CtrlC(Callback):
        def on_epoch_end(self, net, **kwargs):
            if len(net.history) == 2:
                raise KeyboardInterrupt

    path = tmp_path / "training"
    name = "MFAVBClustering"
    with pytest.warns(match="stopped after 2"):
        build(name, checkpoint=path, callbacks=[CtrlC()]).fit(images)
    assert_same_fit(build(name, checkpoint=path).fit(images), build(name).fit(images))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"learning_rate": 0.5}, "learning_rate was 0.001, now 0.5"),
        ({"random_state": 1}, "random_state was 0, now 1"),
        ({"n_blocks": 1}, "n_blocks was 2, now 1"),
    ],
)
def test_a_checkpoint_of_other_parameters_is_refused(images, tmp_path, change, told):
    """What differs is named, and the file stays."""
    path = tmp_path / "training"
    with pytest.raises(Killed):
        build("MFAVBClustering", checkpoint=path, callbacks=[KillAt(2)]).fit(images)
    with pytest.raises(ValueError, match=told):
        build("MFAVBClustering", checkpoint=path, **change).fit(images)
    assert path.exists()


def test_a_checkpoint_of_other_images_is_refused(images, tmp_path):
    """Images count by what they show."""
    path = tmp_path / "training"
    with pytest.raises(Killed):
        build("MFAVBClustering", checkpoint=path, callbacks=[KillAt(2)]).fit(images)
    with pytest.raises(ValueError, match="images was 48 with"):
        build("MFAVBClustering", checkpoint=path).fit(255 - images)


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\x03\x04 broken"])
def test_what_is_no_checkpoint_is_not_overwritten(images, tmp_path, content):
    """A file of the user's is refused by name, and stays as it is."""
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"notes\.txt"):
        build("MFAVBClustering", checkpoint=path).fit(images)
    assert path.read_bytes() == content


def test_code_in_a_file_is_not_run(images, tmp_path):
    """A pickle that would run something is refused."""

    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "was run"),)

    path = tmp_path / "bomb"
    torch.save({"format": Bomb()}, path)
    with pytest.raises(ValueError, match="bomb"):
        build("MFAVBClustering", checkpoint=path).fit(images)
    assert not (tmp_path / "was run").exists()


def test_a_full_disk_leaves_the_last_checkpoint_whole(images, tmp_path, monkeypatch):
    """The error names the file, and what was kept before can be gone on with."""
    path = tmp_path / "training"
    save, n_saved = torch.save, []

    def save_twice(content, file):
        n_saved.append(1)
        if len(n_saved) > 1:
            file.write(b"half a checkp")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        save(content, file)

    monkeypatch.setattr("sklearn_mfavb.training._checkpoint._SHARE_OF_TIME", 1e9)
    monkeypatch.setattr(torch, "save", save_twice)
    with pytest.raises(OSError, match=r"No space left.*training"):
        build("MFAVBClustering", checkpoint=path).fit(images)
    monkeypatch.undo()
    assert list(tmp_path.iterdir()) == [path]
    resumed = build("MFAVBClustering", checkpoint=path).fit(images)
    assert_same_fit(resumed, build("MFAVBClustering").fit(images))


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_disk_that_is_full_from_the_start_is_told(images, tmp_path, monkeypatch):
    """Torch, which writes the file, has no error of its own for that."""

    def open_full(path, mode):
        os.symlink("/dev/full", path)
        return open(path, "wb")

    monkeypatch.setattr(sklearn_mfavb.files, "open", open_full, raising=False)
    with pytest.raises(OSError, match=r"No space left.*training"):
        build("MFAVBClustering", checkpoint=tmp_path / "training").fit(images)
    assert list(tmp_path.iterdir()) == []


def test_a_seed_that_was_drawn_is_kept(images, tmp_path):
    """Without random_state, a fit goes on with the seed that it began with."""
    path = tmp_path / "training"
    settings = {"max_epochs": 3, "embed_dim": 16, "batch_size": 16}
    with pytest.raises(Killed):
        MFAVBClustering(3, checkpoint=path, callbacks=[KillAt(2)], **settings).fit(
            images
        )
    seed = torch.load(path, weights_only=True)["seed"]
    fit = MFAVBClustering(3, checkpoint=path, **settings).fit(images)
    assert fit.n_iter_ == 3
    assert isinstance(seed, int)


def test_a_folder_that_is_missing_is_named(images, tmp_path):
    """The error says where nothing could be written."""
    path = tmp_path / "missing" / "training"
    with pytest.raises(OSError, match="missing"):
        AnchorClustering(3, max_epochs=1, checkpoint=path, **RESNET).fit(images)
