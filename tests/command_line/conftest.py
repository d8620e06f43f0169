"""A small folder of images, and the program run in this process."""

import csv
import json

import pytest
from PIL import Image

from sklearn_mfavb.command_line import main
from sklearn_mfavb.datasets import make_shape_images


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    """Twenty-four small images, one of them in a subfolder, and a broken file."""
    folder = tmp_path_factory.mktemp("many") / "Fotos, größere"
    (folder / "ビーチ").mkdir(parents=True)
    images, _ = make_shape_images(24, n_clusters=3, image_size=8, random_state=0)
    for number, image in enumerate(images):
        parent = folder / "ビーチ" if number == 7 else folder
        Image.fromarray(image).save(parent / f"{number:02}.png")
    (folder / "broken.jpg").write_text("no image", encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def words():
    """Write the words of a quick `cluster`."""

    def write(folder, out, *more, epochs=3):
        given = ["-k", "3", "--max-epochs", str(epochs), "--no-report"]
        return ["cluster", str(folder), "-o", str(out), *given, *map(str, more)]

    return write


@pytest.fixture
def run(capsys):
    """Run the program; return what it printed if it ended with the right code."""

    def run_words(words, code=0, *, has_bug=False):
        capsys.readouterr()
        assert main(list(map(str, words))) == code
        printed = capsys.readouterr()
        assert ("Traceback" in printed.err) == has_bug
        return printed

    return run_words


@pytest.fixture(scope="session")
def clustered(photos, words, tmp_path_factory):
    """Results of a training that was not interrupted."""
    out = tmp_path_factory.mktemp("results") / "whole"
    assert main(words(photos, out)) == 0
    return out


@pytest.fixture(scope="session")
def read_table():
    """Read a table, without its header."""

    def read(path):
        with open(path, encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    return read


@pytest.fixture(scope="session")
def read_summary():
    """Read the figures of a folder of results."""
    return lambda out: json.loads((out / "result.json").read_text("utf-8"))
