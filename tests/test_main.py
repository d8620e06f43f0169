"""The process of the program, and its demonstration."""

import ctypes
import json
import subprocess
import sys

import pytest
from PIL import Image

from sklearn_mfavb import MFAVBClustering, demo
from sklearn_mfavb.__main__ import keep_freed_memory
from sklearn_mfavb.command_line import main


@pytest.fixture
def quick_demo(monkeypatch):
    """Let the demonstration train for one epoch only."""

    def make(n_clusters, **parameters):
        return MFAVBClustering(n_clusters, **parameters, max_epochs=1, n_blocks=1)

    monkeypatch.setattr(demo, "MFAVBClustering", make)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_demo_prints_a_table_and_writes_picture_and_figures(
    quick_demo, tmp_path, capsys, monkeypatch
):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    figures, out = tmp_path / "deep" / "figures.json", tmp_path / "out"
    out.mkdir()
    (out / "clusters.png").write_text("mine", encoding="utf-8")
    assert main(["demo", "--seed", "3", "-o", str(out), "--json", str(figures)]) == 0
    printed = capsys.readouterr()
    assert "KMeans" in printed.out
    assert "MFAVBClustering" in printed.out
    assert "epoch" in printed.err
    records = json.loads(figures.read_text("utf-8"))
    assert [list(record) for record in records] == [
        ["method", "acc", "nmi", "ari", "seconds"]
    ] * 2
    assert 0.7 < records[0]["acc"] < 0.85
    with Image.open(out / "clusters-2.png") as picture:
        assert picture.size[0] > 500
    assert (out / "clusters.png").read_text("utf-8") == "mine"


@pytest.mark.parametrize("option", ["--out=file/out", "--json=."])
def test_places_that_cannot_be_written_are_reported_before_the_work(
    tmp_path, capsys, monkeypatch, option
):
    """A file where a folder should be, or the reverse, ends at once with code 1."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert main(["demo", option]) == 1
    printed = capsys.readouterr()
    assert "Clustering" not in printed.out
    assert option.partition("=")[2] in printed.err


def test_module_has_the_same_command_line():
    words = [sys.executable, "-m", "sklearn_mfavb", "demo", "--help"]
    result = subprocess.run(words, capture_output=True, text=True, check=True)
    assert "--seed" in result.stdout


@pytest.mark.parametrize("names", [["stdout"], ["stdout", "stderr"]])
def test_a_reader_that_stops_does_not_end_the_program(names):
    """After ``| head`` the program goes on, and its exit code is its own."""
    code = (
        "import sys\n"
        "from sklearn_mfavb import __main__\n"
        "def work():\n"
        "    for stream in (sys.stdout, sys.stderr):\n"
        "        for line in range(3): print(line, 'caf\\udce9', file=stream)\n"
        "    sys.exit(7)\n"
        "__main__.run_command = work\n"
        "__main__.main()\n"
    )
    program = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        **dict.fromkeys(["stdout", "stderr"], subprocess.PIPE),
    )
    for name in names:
        getattr(program, name).close()
    errors = b"" if "stderr" in names else program.stderr.read()
    assert program.wait() == 7
    assert errors == b"" or errors.splitlines() == [
        b"%d caf\\udce9" % line for line in range(3)
    ]


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, {-1: -1, -4: 0}),
        ({"MALLOC_TRIM_THRESHOLD_": "1000000"}, {}),
        ({"GLIBC_TUNABLES": "glibc.malloc.arena_test=8"}, {}),
    ],
)
def test_freed_memory_is_kept_unless_the_user_says_otherwise(
    monkeypatch, environment, expected
):
    asked = {}

    class Library:
        mallopt = staticmethod(asked.__setitem__)

    for name in ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_MAX_", "GLIBC_TUNABLES"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(ctypes, "CDLL", lambda name: Library)
    keep_freed_memory()
    assert asked == expected
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    keep_freed_memory()  # another library, which has no mallopt
