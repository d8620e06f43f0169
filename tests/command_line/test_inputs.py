"""Folders, files, lists and patterns: which images a command line stands for."""

import os

import pytest
from PIL import Image

from sklearn_mfavb.command_line._images import Images


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Work in a folder with images in two subfolders, and others."""
    monkeypatch.chdir(tmp_path)
    for name in ("a/1.png", "a/@eaDir/1.png", "b/2.png", "b/deep/3.png", "b/4.jpg"):
        os.makedirs(os.path.dirname(name), exist_ok=True)
        Image.new("L", (8, 8)).save(name)
    os.mkdir("empty")
    for name in ("photos.zip", "notes.txt", "plain", "b/5.raw", "b/deep/6.raw"):
        (tmp_path / name).write_text("", encoding="utf-8")
    listed = f"\ufeffa/1.png\n\n{tmp_path}/b/2.png\r\nb/deep\n"
    (tmp_path / "list.txt").write_text(listed, encoding="utf-8", newline="")
    (tmp_path / "blank.txt").write_text("\n", encoding="utf-8")
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "old").symlink_to(tmp_path / "b")
    return tmp_path


def find(words, *, exclude=(), out=None):
    """Find the images of a command line."""
    images = Images(words)
    images.find(on_error="skip", exclude=exclude, out=out)
    return images


@pytest.mark.parametrize(
    ("words", "root", "names"),
    [
        (["a"], "a", ["1.png", "@eaDir/1.png"]),
        (["b/4.jpg", "b/2.png", "b/2.png"], "b", ["2.png", "4.jpg"]),
        (["b/4.jpg"], "b", ["4.jpg"]),
        (["b", "a/1.png"], "", ["a/1.png", "b/2.png", "b/4.jpg", "b/deep/3.png"]),
        (["b", "b/2.png", "empty"], "", ["b/2.png", "b/4.jpg", "b/deep/3.png"]),
        (["@list.txt"], "", ["a/1.png", "b/2.png", "b/deep/3.png"]),
        (["a/@eaDir"], "a/@eaDir", ["1.png"]),
        (["plain"], "", ["plain"]),
    ],
)
def test_paths_may_be_of_any_kind(here, words, root, names):
    """Names are paths below the folder that holds all; each file is there once."""
    images = find(words)
    assert images.root == str(here / root).rstrip("/")
    assert images.paths == [os.path.join(images.root, name) for name in names]
    assert [images.name(path) for path in images.paths] == names


@pytest.mark.parametrize(
    ("patterns", "names"),
    [
        (["@eaDir"], ["a/1.png", "b/2.png", "b/4.jpg", "b/deep/3.png"]),
        (["*.png"], ["b/4.jpg"]),
        (["b/*", "@*"], ["a/1.png"]),
    ],
)
def test_names_can_be_excluded(patterns, names):
    """A pattern fits a path, a name, or a folder on the way."""
    images = find(["a", "b"], exclude=patterns)
    assert [images.name(path) for path in images.paths] == names


@pytest.mark.parametrize(
    ("words", "exclude", "error", "told"),
    [
        (["missing"], [], FileNotFoundError, "There is no file or folder 'missing'"),
        ([""], [], FileNotFoundError, "There is no file or folder ''"),
        (["@missing"], [], FileNotFoundError, "missing"),
        (["@blank.txt"], [], ValueError, "blank.txt names no file"),
        (["photos.zip"], [], ValueError, "photos.zip: is an archive: unpack it"),
        (["notes.txt"], [], ValueError, "notes.txt: is a text.* write @.*notes.txt"),
        (["empty"], [], ValueError, "no image"),
        (["a", "b"], ["*"], ValueError, "--exclude leaves none of 5"),
    ],
)
def test_what_is_no_image_is_refused_in_plain_words(words, exclude, error, told):
    """An empty folder is different from one where all is excluded."""
    with pytest.raises(error, match=told):
        find(words, exclude=exclude)


def test_files_that_are_not_looked_at_are_told(here, capsys):
    """Those of folders and those of a shell's pattern, in one line by kinds."""
    images = find(["b", "photos.zip"], exclude=["deep"])
    assert {images.name(path) for path in images.ignored} == {"photos.zip", "b/5.raw"}
    told = "2 files were not looked at: 1 .zip, 1 .raw. See skipped.csv."
    assert capsys.readouterr().err == f"sklearn-mfavb: {told}\n"


@pytest.mark.parametrize(
    ("words", "out", "overlap"),
    [
        (["a"], "a", True),
        (["a"], "a/results/deep", True),
        (["a", "b"], "b/results", True),
        (["b/deep"], "b", True),
        (["linked"], "b", True),
        (["b/2.png"], "b/results", False),
        (["a"], "results", False),
    ],
)
def test_results_among_images_are_refused(here, words, out, overlap):
    """They would be images the next time; the search for images follows links."""
    if overlap:
        with pytest.raises(ValueError, match="overlap"):
            find(words, out=here / out)
    else:
        find(words, out=here / out)
