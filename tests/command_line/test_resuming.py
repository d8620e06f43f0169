"""Runs that end early keep what they have, and go on to the same results."""

import os
import shlex
import shutil
import subprocess
import sys

import pytest

from sklearn_mfavb.command_line._results import advice
from sklearn_mfavb.estimators import BaseImageClusterer
from sklearn_mfavb.objectives import SCANObjective
from sklearn_mfavb.training import EpochProgress

# Ctrl-C, as a terminal sends it, when two epochs are kept.
PROGRAM = """
import os, signal, sys
from sklearn_mfavb.command_line import main
from sklearn_mfavb.training import EpochProgress
signal.signal(signal.SIGINT, signal.default_int_handler)
advance = EpochProgress.on_epoch_end
def press(self, net, **kwargs):
    advance(self, net, **kwargs)
    if len(net.history) == 2:
        os.kill(os.getpid(), signal.SIGINT)
EpochProgress.on_epoch_end = press
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def out(tmp_path):
    """Return a folder for results, which is not there yet."""
    return tmp_path / "out"


@pytest.fixture
def is_whole(clustered, out):
    """Compare results with those of a training that was not interrupted."""

    def compare():
        tables = [(folder / "clusters.csv").read_bytes() for folder in (out, clustered)]
        return tables[0] == tables[1] and {*os.listdir(out)} == {*os.listdir(clustered)}

    return compare


def press_ctrl_c(*args, **kwargs):
    """Do what Python does on Ctrl-C."""
    raise KeyboardInterrupt


def last_command(printed):
    """Return the words of the command line that the program says to go on with."""
    program, *words = shlex.split(printed.strip().splitlines()[-1])
    assert program == "sklearn-mfavb"
    return words


def test_ctrl_c_leaves_results_and_the_way_to_go_on(
    photos, words, out, is_whole, read_summary, run
):
    """A process that gets SIGINT says how to go on, and that ends as if undisturbed."""
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, *words(photos, out)],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        encoding="utf-8",
    )
    assert ended.returncode == 0, ended.stderr
    assert "stopped after 2 of max_epochs=3 epochs" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not read_summary(out)["is_complete"]
    assert {"clusters.csv", "training.checkpoint"} < set(os.listdir(out))
    run(last_command(ended.stderr))
    assert is_whole()
    assert read_summary(out)["is_complete"]


def test_ctrl_c_before_the_first_epoch_is_short(photos, words, out, monkeypatch, run):
    """Nothing was learned: the program ends with code 130 and a line."""
    monkeypatch.setattr(EpochProgress, "on_batch_end", press_ctrl_c)
    assert "ended by Ctrl-C" in run(words(photos, out), code=130).err
    assert os.listdir(out) == []


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (KeyboardInterrupt(), 130, "ended by Ctrl-C"),
        (OSError(28, "No space left on device", "model.mfavb"), 1, "No space left"),
        (RuntimeError("a bug"), 1, "Traceback"),
        (ValueError("no image can be read"), 2, "no image can be read"),
    ],
    ids=["a second Ctrl-C", "a full disk", "a bug", "images that were taken away"],
)
def test_what_fails_after_training_does_not_lose_it(
    photos, words, out, is_whole, monkeypatch, run, error, code, told
):
    """Training that was complete is kept until there are results, and said to be."""

    def fail(self, path):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(BaseImageClusterer, "save", fail)
        printed = run(words(photos, out), code, has_bug=told == "Traceback").err
    assert told in printed
    run(last_command(printed))
    assert is_whole()


def test_a_time_budget_ends_training_and_can_go_on(
    photos, words, out, is_whole, read_summary, run
):
    """Time that is over after an epoch leaves its results; more time, all of them.

    In a folder that is new `--resume` starts training.
    """
    printed = run(words(photos, out, "--time-budget", "0s", "--resume")).err
    assert "stopped after 1 of max_epochs=3 epochs" in printed
    assert len(read_summary(out)["history"]) == 1
    run(last_command(printed))
    assert len(read_summary(out)["history"]) == 2
    run(words(photos, out, "--resume", "--time-budget", "1h"))
    assert is_whole()


def test_training_is_overwritten_only_by_training(
    photos, words, out, is_whole, monkeypatch, run
):
    """What is refused, or ends in its first epoch, leaves what it was to replace."""
    run(words(photos, out, "--time-budget", "0s"))
    run(words(photos, out, "--overwrite", "-k", "25"), code=2)
    with monkeypatch.context() as patch:
        patch.setattr(EpochProgress, "on_batch_end", press_ctrl_c)
        run(words(photos, out, "--overwrite", "--seed", "1"), code=130)
    printed = run(words(photos, out, "--resume", "--seed", "1"), code=2).err
    assert "--seed was 0, now 1" in printed
    assert "To resume, repeat the original options" in printed
    run(words(photos, out, "--resume", "--time-budget", "0s"))
    assert (out / "training.checkpoint").exists()
    run(words(photos, out, "--overwrite"))
    assert is_whole()


def test_going_on_is_not_advised_where_it_would_fail_again(
    photos, words, out, monkeypatch, run
):
    """A loss that is not finite in a later stage is not finite the next time."""
    advance = EpochProgress.on_epoch_end

    def explode(self, net, **kwargs):
        if isinstance(net.criterion_, SCANObjective):
            raise FloatingPointError("The loss is not finite in epoch 1")
        advance(self, net, **kwargs)

    monkeypatch.setattr(EpochProgress, "on_epoch_end", explode)
    printed = run(words(photos, out, "--method", "scan"), code=1).err
    assert "not finite" in printed
    assert "--resume" not in printed
    assert (out / "training.checkpoint").exists()


def test_going_on_is_possible_after_two_hyphens():
    """A folder whose name looks like an option is gone on with too."""
    told = advice(["cluster", "--overwrite", "-k", "3", "--", "-my photos"])
    expected = ["cluster", "--resume", "-k", "3", "--", "-my photos"]
    assert last_command(told) == expected


def test_images_stay_until_training_is_complete(photos, words, out, tmp_path, run):
    """Training goes on with the files that it began with."""
    folder = tmp_path / "photos"
    shutil.copytree(photos, folder)
    given = words(folder, out, "--sort", "move", epochs=2)
    assert "no images were moved" in run([*given, "--time-budget", "0s"]).err
    assert len(list(folder.rglob("*.png"))) == 24
    run([*given, "--resume"])
    assert not list(folder.rglob("*.png"))
