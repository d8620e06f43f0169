"""Tests of finding images in folders, and of what is said of the other files."""

import os
import sys
from types import SimpleNamespace

import pytest
from PIL import Image

from sklearn_mfavb.images import (
    Reading,
    _folders,
    list_images,
    open_images,
    summarize_ignored,
)


def save(path, format=None):
    """Write an image and return its path as a string."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (6, 4), (70, 70, 10)).save(path, format)
    return str(path)


def test_folder(tmp_path):
    """A folder gives its images, sorted, from all levels, without hidden files."""
    names = ("b/1.png", "b/0.JPG", "a.webp", "stereo.mpo", "Füße 図像/été ß.png")
    paths = [save(tmp_path / name) for name in names]
    save(tmp_path / ".hidden.png")
    save(tmp_path / ".cache" / "c.png")
    assert list_images(tmp_path) == (sorted(paths), {})
    for folder in (tmp_path, str(tmp_path)):
        assert open_images(folder).paths == sorted(paths)


def test_refused_folders(tmp_path):
    """A folder that is none, or holds no images, is refused by name."""
    (tmp_path / "notes.txt").write_text("not an image")
    with pytest.raises(ValueError, match=rf"No image.*{tmp_path.name}.*1 \.txt"):
        open_images(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"no folder .*nowhere"):
        open_images(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="''"):  # not the working folder
        open_images("")
    with pytest.raises(ValueError, match=r"pass \[path\]"):
        open_images(save(tmp_path / "a.png"))


def test_every_real_folder_is_searched_once(tmp_path):
    """Links that lead back or up add nothing; files are named by their own folder."""
    root, elsewhere = tmp_path / "up" / "root", tmp_path / "elsewhere"
    paths = [save(root / "z" / f"{number}.png") for number in range(3)]
    paths.append(save(root / "linked" / "a.png"))
    save(elsewhere / "linked" / "a.png")
    save(tmp_path / "up" / "above.png")
    os.remove(root / "linked" / "a.png")
    os.rmdir(root / "linked")
    os.symlink(elsewhere / "linked", root / "linked")
    for name, target in (("all", root), ("latest", root), ("a", root / "z")):
        os.symlink(target, root / name)
    os.symlink(root.parent, root / "z" / "up")
    os.symlink(root / "self", root / "self")
    found, ignored = list_images(root)
    assert found == sorted(paths)
    assert list(ignored) == [str(root / "self")]


def test_files_that_are_not_looked_at(tmp_path):
    """They are listed with reasons, and counted in a warning."""
    paths = [save(tmp_path / "a.png"), save(tmp_path / "scraped", "JPEG")]
    names = [*(f"IMG_{i}.HEIC" for i in range(4)), "README", "notes.txt", "b.txt"]
    for name in names:
        (tmp_path / name).write_text("not an image")
    summary = (
        r"7 files were not looked at: 4 \.HEIC, 2 \.txt, 1 without an extension "
        r"\(install pillow-heif to read HEIC files\)"
    )
    with pytest.warns(UserWarning, match=summary):
        source = open_images(tmp_path)
    assert source.paths == paths
    found, ignored = list_images(tmp_path)
    assert found == paths
    assert set(ignored) == {str(tmp_path / name) for name in names}
    assert ignored[str(tmp_path / "b.txt")] == ".txt is no extension of images"
    assert summarize_ignored({"a.txt": ""}) == "1 file was not looked at: 1 .txt."


def test_heic_needs_pillow_heif(tmp_path, monkeypatch):
    """HEIC files are read if pillow-heif is there, and told of if not."""
    path = tmp_path / "a.heic"
    path.write_bytes(b"\0\0\0\x18ftypheic")
    with pytest.raises(ValueError, match=r"a\.heic.*install pillow-heif"):
        open_images([path])
    calls = []
    fake = SimpleNamespace(register_heif_opener=lambda: calls.append(1))
    monkeypatch.setitem(sys.modules, "pillow_heif", fake)
    _folders.readable_formats.cache_clear()
    monkeypatch.setitem(Image.OPEN, "HEIF", Image.OPEN["PNG"])
    monkeypatch.setitem(Image.EXTENSION, ".heic", "HEIF")
    try:
        assert list_images(tmp_path) == ([str(path)], {})
    finally:
        _folders.readable_formats.cache_clear()
    assert calls == [1]


def test_a_subfolder_that_cannot_be_opened(tmp_path, monkeypatch):
    """It is an error, or with skip an entry of what was ignored."""
    path, theirs = save(tmp_path / "mine" / "a.png"), str(tmp_path / "theirs")
    save(tmp_path / "theirs" / "b.png")
    scandir = os.scandir

    def refuse(folder):
        if folder == theirs:
            raise PermissionError(13, "Permission denied", folder)
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(PermissionError, match=r"on_error='skip' .*theirs"):
        open_images(tmp_path)
    with pytest.warns(UserWarning, match="1 unreadable folder"):
        source = open_images(tmp_path, reading=Reading(on_error="skip"))
    assert source.paths == [path]
    _, ignored = list_images(tmp_path, on_error="skip")
    assert "Permission denied" in ignored[theirs]


def test_only_decodable_extensions_are_listed():
    """Documents that Pillow can only write or recognize are no images."""
    extensions = _folders.readable_formats().keys()
    assert {".png", ".jpg", ".jpeg", ".webp", ".tif", ".bmp", ".gif"} <= extensions
    assert not {".pdf", ".h5", ".mpg", ".eps"} & extensions


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_not_waited_for(tmp_path):
    """A pipe under the name of an image is unreadable at once."""
    paths = [save(tmp_path / "a.png"), tmp_path / "pipe.png"]
    os.mkfifo(paths[1])
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match=r"pipe\.png.*no regular file"):
        open_images(paths)
    with pytest.warns(UserWarning, match="1 without an extension"):
        source = open_images(tmp_path, reading=Reading(on_error="skip"))
    assert list(source.unreadable) == [1]
