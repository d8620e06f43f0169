"""Words, exit codes, and what the program needs to answer."""

import argparse
import re
import shlex
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

import sklearn_mfavb
from sklearn_mfavb.command_line import main
from sklearn_mfavb.command_line._parser import make_parser
from sklearn_mfavb.command_line._values import count, duration

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "docs" / "command_line.md", ROOT / "README.md"]


def commands_of(page):
    """List the words of the commands that a page shows."""
    text = page.read_text("utf-8").replace("\\\n", " ")
    lines = re.findall(r"^(?:\$ )?sklearn-mfavb (.+)$", text, re.M)
    return [shlex.split(line, comments=True) for line in lines]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_of_pages_are_understood(page):
    """Every command line that a page shows is one that the parser takes."""
    commands = commands_of(page)
    assert commands
    for words in commands:
        make_parser().parse_args(words)


@pytest.mark.parametrize("words", [["--help"], ["cluster", "--help"], ["--version"]])
def test_help_needs_no_torch(words):
    """What only prints imports nothing that takes seconds."""
    code = (
        "import sys\n"
        "from sklearn_mfavb.command_line import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit as end: assert end.code == 0\n"
        "assert not {'torch', 'sklearn', 'numpy', 'PIL'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code, *words], check=True)


def test_version_is_that_of_the_package(capsys):
    """`--version` names program and version."""
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"sklearn-mfavb {sklearn_mfavb.__version__}\n"


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["cluster", "photos", "--out", "x"],
        ["cluster", "photos", "--n-clusters", "0", "--out", "x"],
        ["cluster", "photos", "--n-clusters", "2", "--out", "x", "--time-budget", "9"],
        ["cluster", "p", "--n-clusters", "2", "--out", "x", "--resume", "--overwrite"],
        ["cluster", "p", "--n-clusters", "2", "--out", "x", "--over"],
        ["cluster", "p", "--n-clusters", "2", "--out", "x", "--method", "kmeans"],
    ],
)
def test_words_that_are_not_understood_end_with_code_2(words, capsys):
    """The parser says what was wrong."""
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 2
    assert "error" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("word", "seconds"), [("90s", 90), ("20m", 1200), ("1.5h", 5400), ("0s", 0)]
)
def test_durations_have_units(word, seconds):
    """Seconds, minutes and hours are told by their letter."""
    assert duration(word) == seconds


@pytest.mark.parametrize("word", ["20", "m", "-1s", "1d", "1h30m", "nans", ""])
def test_other_durations_are_refused(word):
    """A number without a unit could mean anything."""
    with pytest.raises(argparse.ArgumentTypeError, match=r"90s or 1\.5h"):
        duration(word)


def test_counts_begin_at_one():
    """Nothing can be had zero times."""
    assert count("1") == 1
    with pytest.raises(argparse.ArgumentTypeError):
        count("0")


@pytest.mark.parametrize(
    ("name", "code", "told"),
    [("missing", 1, "There is no folder"), ("empty", 2, "No image files")],
)
def test_folders_without_images_are_told(tmp_path, name, code, told, capsys):
    """A folder that is not there is a matter of files, an empty one of use."""
    (tmp_path / "empty").mkdir()
    out = tmp_path / "out"
    words = ["cluster", str(tmp_path / name), "--n-clusters", "2", "--out", str(out)]
    assert main(words) == code
    assert told in capsys.readouterr().err
    assert not out.exists()


def test_warnings_are_sentences(monkeypatch, capsys):
    """A warning is shown without the line of code that it comes from."""

    def warn(seed, out, json_file):
        warnings.warn("Few clusters hold images.", UserWarning, stacklevel=2)

    monkeypatch.setattr("sklearn_mfavb.demo.run_demo", warn)
    assert main(["demo"]) == 0
    assert capsys.readouterr().err == "sklearn-mfavb: Few clusters hold images.\n"
