"""Runs that end early keep what they have, and go on to the same results."""

import os
import shlex
import subprocess
import sys

import pytest

from sklearn_mfavb.command_line import main
from sklearn_mfavb.estimators import BaseImageClusterer
from sklearn_mfavb.objectives import SCANObjective
from sklearn_mfavb.training import TermAverages

TABLE = "clusters.csv"
CHECKPOINT = "training.checkpoint"

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


def last_command(printed):
    """Return the words of the command line that the program says to go on with."""
    program, *words = shlex.split(printed.strip().splitlines()[-1])
    assert program == "sklearn-mfavb"
    return words


def test_ctrl_c_leaves_results_and_the_way_to_go_on(
    photos, words, clustered, tmp_path, read_summary
):
    """A process that gets SIGINT says how to go on, and that ends as if undisturbed."""
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, *words(photos, tmp_path / "out")],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        encoding="utf-8",
    )
    out = tmp_path / "out"
    assert ended.returncode == 0, ended.stderr
    assert "stopped after 2 of max_epochs=3 epochs" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not read_summary(out)["is_complete"]
    assert (out / TABLE).exists()
    assert (out / CHECKPOINT).exists()

    assert main(last_command(ended.stderr)) == 0
    assert (out / TABLE).read_bytes() == (clustered / TABLE).read_bytes()
    assert set(os.listdir(out)) == set(os.listdir(clustered))
    assert read_summary(out)["is_complete"]


def test_ctrl_c_before_the_first_epoch_is_short(
    photos, words, tmp_path, capsys, monkeypatch
):
    """Nothing was learned: the program ends with code 130 and a line."""

    def press(self, net, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(TermAverages, "on_batch_end", press)
    assert main(words(photos, tmp_path / "out")) == 130
    printed = capsys.readouterr().err
    assert "ended by Ctrl-C" in printed
    assert "Traceback" not in printed
    assert os.listdir(tmp_path / "out") == []


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
    photos, words, clustered, tmp_path, capsys, monkeypatch, error, code, told
):
    """Training that was complete is kept until there are results, and said to be."""

    def fail(self, path):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(BaseImageClusterer, "save", fail)
        assert main(words(photos, tmp_path / "out")) == code
    printed = capsys.readouterr().err
    assert told in printed
    assert main(last_command(printed)) == 0
    table = (tmp_path / "out" / TABLE).read_bytes()
    assert table == (clustered / TABLE).read_bytes()
    assert set(os.listdir(tmp_path / "out")) == set(os.listdir(clustered))


def test_a_time_budget_ends_training_and_can_go_on(
    photos, words, clustered, tmp_path, capsys, read_summary
):
    """Time that is over after an epoch leaves its results; more time, all of them.

    In a folder that is new `--resume` starts training.
    """
    out = tmp_path / "out"
    assert main(words(photos, out, "--time-budget", "0s", "--resume")) == 0
    printed = capsys.readouterr().err
    assert "stopped after 1 of max_epochs=3 epochs" in printed
    assert len(read_summary(out)["history"]) == 1
    assert main(last_command(printed)) == 0
    assert len(read_summary(out)["history"]) == 2
    assert main(words(photos, out, "--resume", "--time-budget", "1h")) == 0
    assert (out / TABLE).read_bytes() == (clustered / TABLE).read_bytes()


def test_training_is_overwritten_only_by_training(
    photos, words, tmp_path, clustered, capsys
):
    """What is refused or ends before it trains leaves what it was to replace."""
    out = tmp_path / "out"
    assert main(words(photos, out, "--time-budget", "0s")) == 0
    assert main(words(photos, out, "--overwrite", "-k", "25")) == 2
    assert main(words(photos, out, "--overwrite", "--encoder-weights", "openai")) == 2
    capsys.readouterr()
    assert main(words(photos, out, "--resume", "--seed", "1")) == 2
    printed = capsys.readouterr().err
    assert "--seed was 0, now 1" in printed
    assert "To resume, repeat the original options" in printed
    assert main(words(photos, out, "--resume")) == 0
    assert (out / TABLE).read_bytes() == (clustered / TABLE).read_bytes()
    assert set(os.listdir(out)) == set(os.listdir(clustered))


def test_training_is_overwritten_when_there_is_other_training(
    photos, words, tmp_path, clustered, monkeypatch
):
    """What ends in its first epoch leaves what it was to replace; the rest does not."""
    out = tmp_path / "out"
    assert main(words(photos, out, "--time-budget", "0s")) == 0

    def press(self, net, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(TermAverages, "on_batch_end", press)
        assert main(words(photos, out, "--overwrite", "--seed", "1")) == 130
    assert main(words(photos, out, "--resume", "--time-budget", "0s")) == 0
    assert (out / CHECKPOINT).exists()
    assert main(words(photos, out, "--overwrite")) == 0
    assert (out / TABLE).read_bytes() == (clustered / TABLE).read_bytes()
    assert set(os.listdir(out)) == set(os.listdir(clustered))


def test_going_on_is_not_advised_where_it_would_fail_again(
    photos, words, tmp_path, capsys, monkeypatch
):
    """A loss that is not finite in a later stage is not finite the next time."""
    average = TermAverages.on_epoch_end

    def explode(self, net, **kwargs):
        if isinstance(net.criterion_, SCANObjective):
            raise FloatingPointError("The loss is not finite in epoch 1")
        average(self, net, **kwargs)

    monkeypatch.setattr(TermAverages, "on_epoch_end", explode)
    assert main(words(photos, tmp_path / "out", "--method", "scan")) == 1
    printed = capsys.readouterr().err
    assert "not finite" in printed
    assert "--resume" not in printed
    assert "Traceback" not in printed
    assert (tmp_path / "out" / CHECKPOINT).exists()


def test_going_on_is_possible_after_two_hyphens(
    photos, tmp_path, capsys, monkeypatch, read_summary
):
    """A folder whose name looks like an option is gone on with too."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "-photos").symlink_to(photos)
    given = (
        "cluster --n-clusters 3 --max-epochs 2 --out out --no-report --time-budget 0s"
    )
    assert main([*given.split(), "--", "-photos"]) == 0
    assert main(last_command(capsys.readouterr().err)) == 0
    assert len(read_summary(tmp_path / "out")["history"]) == 2


def test_a_failed_sort_costs_no_results(
    photos, words, tmp_path, capsys, monkeypatch, clustered
):
    """Tables, model and report are there, and said to be."""

    def fail(path, target):
        raise OSError(28, "No space left on device", str(target))

    monkeypatch.setattr("shutil.copy2", fail)
    assert main(words(photos, tmp_path / "out", "--sort", "copy")) == 1
    printed = capsys.readouterr().err
    assert "No space left" in printed
    assert "All other results are in" in printed
    assert set(os.listdir(tmp_path / "out")) == set(os.listdir(clustered))
