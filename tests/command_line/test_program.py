"""Words, exit codes, and what the program needs to answer."""

import io
import re
import shlex
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import click
import pytest
from tqdm.auto import tqdm

from sklearn_mfavb.command_line import program
from sklearn_mfavb.command_line._options import duration, working

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "docs" / "command_line.md", ROOT / "README.md"]


def parse(words):
    """Let click read a command line, without running it."""
    program.commands[words[0]].make_context(words[0], words[1:], obj=words)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_of_pages_are_understood(page):
    """Every command line that a page shows is one that the parser takes."""
    text = page.read_text("utf-8").replace("\\\n", " ")
    lines = re.findall(r"^(?:\$ )?sklearn-mfavb (.+)$", text, re.M)
    assert lines
    for line in lines:
        parse(shlex.split(line, comments=True))


@pytest.mark.parametrize("name", program.commands)
def test_every_help_ends_with_an_example(name, run):
    """It is one that the parser takes."""
    *_, example = run([name, "--help"]).out.strip().splitlines()
    _, label, rest = example.rpartition("Example: sklearn-mfavb ")
    assert label
    parse(shlex.split(rest))


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["cluster", "--help"], 0),
        (["--version"], 0),
        (["cluster", "missing", "-k", "2", "-o", "new"], 1),
        (["cluster", ".", "-k", "2", "-o", "."], 2),
        (["cluster", "photos.zip", "-k", "2", "-o", "new"], 2),
        (["cluster", "a", "-k", "9", "-o", "new"], 2),
        (["cluster", "a", "-k", "2", "-o", "a/new"], 2),
        (["cluster", "a", "-o", "new", "--encoder", "ViT-B-23"], 2),
        (["cluster", "a", "-o", "new", "-e", "RN50", "--encoder-weights", "x.pt"], 1),
        (["cluster", "a", "-o", "new", "-e", "RN50", "--encoder-weights", "opnai"], 2),
        (["suggest", "missing"], 1),
        (["predict", "missing", ".", "-o", "new"], 1),
        (["predict", "a/1.png", ".", "-o", "new"], 2),
        (["report", "model", ".", "-o", "photos.zip"], 2),
        (["undo", "missing"], 1),
    ],
    ids=str,
)
def test_help_and_refusals_need_no_torch(words, code, tmp_path):
    """What only prints imports nothing that takes seconds."""
    (tmp_path / "photos.zip").write_bytes(b"")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.png").write_bytes(b"")
    script = (
        "import sys\n"
        "from sklearn_mfavb.command_line import main\n"
        f"assert main(sys.argv[1:]) == {code}\n"
        "assert not {'torch', 'sklearn', 'numpy'} & set(sys.modules)\n"
    )
    command = [sys.executable, "-c", script, *words]
    subprocess.run(command, check=True, cwd=tmp_path)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("", "Missing command"),
        ("cluster p -k 2", "Missing option '-o' / '--out'"),
        ("cluster p -k two -o x", "'two' is not a valid integer range, nor auto."),
        ("cluster p -o x --outliers 0.6", "0.6 is not in the range 0<=x<=0.5"),
        ("cluster p -k 1 -o x", "1 is not in the range x>=2"),
        ("cluster p -k 2 -o x --max-epochs 0", "0 is not in the range x>=1"),
        ("cluster p -k 2 -o x --time-budget 9", "'9' is not a duration"),
        ("cluster p -k 2 -o x --assignment x", "'x' is not one of 'mixture', 'kmeans'"),
        ("cluster p -k 2 -o x --balance=-1", "-1.0 is not in the range x>=0"),
        ("cluster p -k 2 -o x --resume --overwrite", "exclude each other"),
        ("cluster p -k 2 -o x --over", "No such option"),
        ("cluster p -k 2 -o x --method dbscan", "'dbscan' is not one of"),
        ("cluster p -k 2 -o x --device gpu", "'gpu' is not a device"),
        ("cluster p -k 2 -o x --also parquet,html", "'html' is not one of parquet"),
        ("cluster p -k 2 -o x --encoder-weights x", "needs --encoder"),
        ("demo --seed=4294967296", "--seed"),
    ],
)
def test_wrong_use_ends_with_code_2_and_an_example(words, told, run):
    """Errors are in words of the command line."""
    printed = run(words.split(), code=2).err
    assert told in printed
    assert "Example: sklearn-mfavb" in printed
    assert "--help" in printed


def test_durations_have_units():
    """Seconds, minutes and hours are told by their letter; a number alone is not."""
    words = ("90s", "20m", "1.5h", "0s")
    assert [duration(word) for word in words] == [90, 1200, 5400, 0]
    for word in ("20", "m", "-1s", "1d", "1h30m", "nans", ""):
        with pytest.raises(click.BadParameter, match=r"90s, 20m or 1\.5h"):
            duration(word)


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("model='X' is unknown.", "--encoder 'X' is unknown."),
        ("encoder__pretrained was 'a b', now 1", "--encoder-weights was 'a b', now 1"),
        ("random_state was 0, now 1", "--seed was 0, now 1"),
        ("The model was not loaded", "The model was not loaded"),
        ("runs/seed=1 is no image", "runs/seed=1 is no image"),
    ],
)
def test_errors_name_options_and_warnings_are_sentences(
    message, told, monkeypatch, run
):
    """Parameters of Python become what the user typed; no line of code is shown."""

    def fail(**given):
        warnings.warn("Few clusters hold images.", UserWarning, stacklevel=2)
        raise ValueError(message)

    monkeypatch.setattr("sklearn_mfavb.demo.run_demo", fail)
    printed = run(["demo"], code=2).err.splitlines()
    expected = ("Few clusters hold images.", told)
    assert printed == [f"sklearn-mfavb: {text}" for text in expected]


def test_long_parts_have_a_name_and_their_time(monkeypatch):
    """On a terminal a line is there after a second, and gone at the end."""

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr("sys.stderr", Terminal())
    with working("starting") as show:
        show("saving the model")
        until = time.monotonic() + 10
        while "saving" not in sys.stderr.getvalue() and time.monotonic() < until:
            time.sleep(0.05)
    *_, last, blank, end = sys.stderr.getvalue().split("\r")
    assert last.startswith("saving the model: 00:0")
    assert blank.isspace() and end == ""
    with tqdm(total=1, file=io.StringIO()) as bar, working("starting"):
        is_shown = threading.Event()
        monkeypatch.setattr(bar, "refresh", is_shown.set)
        assert is_shown.wait(10)
        assert "starting" not in sys.stderr.getvalue()  # the bar is enough
