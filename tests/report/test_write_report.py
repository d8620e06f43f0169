"""The page is one whole file that says what is the case, and no more."""

import base64
import io
import json
import re
from copy import copy
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from sklearn_mfavb import MFAVBClustering
from sklearn_mfavb.images import open_images
from sklearn_mfavb.inspection import read_thumbnails
from sklearn_mfavb.report import write_report
from sklearn_mfavb.report._page import name_images
from sklearn_mfavb.report._pictures import choose_side, encode
from sklearn_mfavb.training import TimeBudget, Training

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture
def page(fitted, shapes, write_page):
    """Write and read a page about the shapes."""
    numbers = {"n_typical": 4, "n_doubtful": 2, "max_images": 30}
    return write_page(fitted, shapes, **numbers, random_state=0)


def test_a_sample_is_called_so_at_the_top(page, fitted, shapes, write_page):
    """Nobody takes some of the images for all; a whole page says nothing."""
    told = re.sub(r"\s+", " ", page.texts["sample"])
    assert re.match(r"This page shows \d\d of 60 images, most of them drawn", told)
    assert "sample" not in write_page(fitted, shapes, random_state=0).texts


def test_nothing_is_loaded_from_elsewhere(page):
    """Every link leads within the page, and the browser is told to load nothing."""
    addresses = [
        attributes[name]
        for _, attributes in page.tags
        for name in ("src", "href", "action", "data", "poster", "srcset")
        if name in attributes
    ]
    assert addresses
    assert all(re.match(r"#|data:image/webp;base64,", each) for each in addresses)
    assert page.all("link") == []
    (policy,) = [each for each in page.all("meta") if "http-equiv" in each]
    assert "default-src 'none'" in policy["content"]
    names = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(names) == len(set(names))
    # The link to the original file has no goal until a picture is enlarged.
    goals = {each["href"][1:] for each in page.all("a") if "href" in each}
    assert goals <= set(names)


def test_members_are_pictures_with_names(page, fitted, shapes):
    """Each cluster shows so many members as were asked for, with alternative texts."""
    pictures = [each for each in page.all("img") if "src" in each]
    sizes = np.bincount(fitted.labels_, minlength=3)
    assert len(pictures) == sum(min(6, size) for size in sizes)
    row = int(pictures[0]["id"].removeprefix("image-"))
    assert pictures[0]["alt"] == f"image {row}"
    content = base64.b64decode(pictures[0]["src"].partition(",")[2])
    with Image.open(io.BytesIO(content)) as picture:
        assert picture.size == (8, 8)
        shown = np.asarray(picture.convert("L"), dtype=int)
    assert np.abs(shown - shapes[row]).mean() < 20  # of 255; WebP is lossy


def test_map_has_each_picture_once(page, fitted, shapes):
    """Pictures that stand in a cluster are not written again for the map."""
    data = json.loads(page.texts["page-data"])
    assert sorted(data["clusters"][point] for point in data["labels"]) == [0, 1, 2]
    of_images = ("rows", "names", "clusters", "percents", "x", "y", "pictures", "alike")
    assert {len(data[name]) for name in of_images} == {len(set(data["rows"]))}
    in_gallery = {each["id"] for each in page.all("img") if "src" in each}
    for row, picture, cluster, percent in zip(
        data["rows"], data["pictures"], data["clusters"], data["percents"], strict=True
    ):
        assert (picture is None) == (f"image-{row}" in in_gallery)
        assert cluster == fitted.labels_[row]
        assert percent == pytest.approx(
            100 * fitted.predict_proba(shapes)[row].max(), abs=0.1
        )
    assert min(data["x"] + data["y"]) == 0
    assert max(data["x"] + data["y"]) == 10_000


def test_page_says_what_it_leaves_out(page, fitted, shapes):
    """Figures, parameters and limits are those of this estimator and call."""
    limits = " ".join(page.texts["limits"].split())
    n_shown = len(json.loads(page.texts["page-data"])["rows"])
    assert 30 <= n_shown < 60
    assert f"{n_shown} of 60 images, drawn at random" in limits
    assert "its 4 most and 2 least certain images" in limits
    assert f"{fitted.score(shapes):.2f}" in page.texts["summary"]
    assert "2 epochs" in page.texts["summary"]
    assert "8 x 8 pixels, seen at 8 x 8" in page.texts["summary"]
    assert re.search(r"ViT\(embed_dim=16", page.texts["settings"])
    for name in ("instance_loss", "cluster_loss", "balance_loss"):
        assert name in page.texts["training"]
    assert len(page.all("polyline")) == len(fitted.history_[0]) - 2
    assert "skipped-heading" not in page.texts


def test_names_are_text_and_nothing_else(skipping, hostile_folder, write_page):
    """Files are named and skipped ones listed; no name becomes an element or code."""
    page = write_page(skipping, hostile_folder)
    names = {each["alt"] for each in page.all("img") if "src" in each}
    assert names == {
        "below/0 plain.png",
        "below/1 <_script><script>document.title='hacked'.png",
        "below/2 <img src=x onerror=\"document.title='hacked'\">.png",
        "below/3 quo\"te's & {{ 7*7 }} &lt;.png",
        "below/4 Bäume 图像.png",
        "below/5 no UTF-8 \\udcff.png",
    }
    assert all("onerror" not in attributes for _, attributes in page.tags)
    assert len(page.all("script")) == 2
    assert page.all("b") == []
    mapped = json.loads(page.texts["page-data"])["names"]
    assert set(mapped) == names
    skipped = page.texts["skipped"]
    assert "<b>broken \\udcfe.png" in skipped
    assert "no image that Pillow can read" in skipped
    assert "holds all 6 images" in " ".join(page.texts["limits"].split())


def test_features_alone(shapes, write_page):
    """With features computed before, the page says that pixels were not seen."""
    features = np.random.default_rng(0).normal(size=(60, 8))
    clusterer = MFAVBClustering(3, encoder="precomputed", max_epochs=1, random_state=0)
    clusterer.fit(shapes, features=features)
    page = write_page(clusterer, shapes, features=features)
    assert "used features only" in page.texts["summary"]
    assert "images by features" in " ".join(page.texts["limits"].split())


def test_stopped_training_is_told(shapes, write_page):
    """A training that was stopped does not look complete."""
    clusterer = MFAVBClustering(
        3, training=Training(callbacks=[TimeBudget(0)]), random_state=0
    )
    page = write_page(clusterer.fit(shapes), shapes)
    assert "stopped after 1 of 40 epochs" in page.texts["summary"]


def test_stages_are_marked(fitted, shapes, write_page):
    """Stages are named, and a line parts each from the one before."""
    staged = copy(fitted)
    staged.history_ = [
        {"epoch": epoch, "stage": stage, "loss": 1.0, "seconds": 1.0}
        for epoch, stage in enumerate(["first", "first", "second", "third"], start=1)
    ]
    page = write_page(staged, shapes)
    assert "first from epoch 1, second from epoch 3, third" in page.texts["training"]
    assert [line["x1"] for line in page.all("line")] == ["160.0", "240.0"]


def test_empty_clusters_are_shown_as_such(fitted, shapes, write_page):
    """One image is a page too, of one full and two empty clusters."""
    clusters = write_page(fitted, shapes[:1]).texts["clusters"]
    assert clusters.count("No image.") == 2
    assert "1 image," in clusters


def test_old_page_stays_until_the_new_one_is_whole(fitted, shapes, tmp_path):
    """An error on the way leaves the old file, and no other."""
    out = tmp_path / "page.html"
    out.write_text("old", encoding="utf-8")
    with pytest.raises(ValueError, match="max_images == 0"):
        write_report(fitted, shapes, out, max_images=0)
    with pytest.raises(ValueError):
        write_report(fitted, shapes[:, :0], out)
    assert out.read_text("utf-8") == "old"
    write_report(fitted, shapes, str(out), title="Forms & shapes")
    assert "<h1>Forms &amp; shapes</h1>" in out.read_text("utf-8")
    assert list(tmp_path.iterdir()) == [out]


def test_places_that_cannot_be_written_are_found_first(fitted, tmp_path):
    """A folder in place of the file ends before images are looked at."""
    with pytest.raises(IsADirectoryError, match="name a file in it"):
        write_report(fitted, "no such folder", tmp_path)
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(OSError, match="file"):
        write_report(fitted, "no such folder", tmp_path / "file" / "page.html")


def test_images_worth_a_look_are_found(fitted, shapes, write_page):
    """Copies and blank images have tabs of their own; others are in no group."""
    blank = np.zeros((1, 8, 8), np.uint8)
    page = write_page(fitted, np.concatenate([shapes[:20], shapes[3:5], blank]))
    data = json.loads(page.texts["page-data"])
    doubtful, strange, _, exact, plain = data["checks"]
    surest = [data["percents"][i] for (i,) in doubtful]
    assert surest == sorted(surest) and len(surest) == 8
    assert surest[-1] <= min(set(data["percents"]) - set(surest), default=100)
    assert len(strange) == 8
    assert exact == [[3, 20], [4, 21]]
    assert plain == [[22]]
    assert "Exact copies 2" in " ".join(page.texts["checks"].split())


def test_pictures_fit_into_a_number_of_bytes():
    """Thumbnails get smaller where there are many, and never larger than images."""
    noise = np.random.default_rng(0).integers(256, size=(30, 99, 99), dtype=np.uint8)
    source = open_images(noise)
    sides = []
    for n_bytes in (10**6, 10**5, 3 * 10**4, 1):
        side = choose_side(source, range(30), n_bytes=n_bytes, quality=60)
        pictures = read_thumbnails(source, range(30), side=side).values()
        assert max(max(picture.size) for picture in pictures) == min(side, 99)
        taken = sum(len(encode(picture, quality=60)) for picture in pictures)
        assert taken <= n_bytes or side == 32
        sides.append(side)
    assert sides == sorted(sides, reverse=True)
    assert sides[0] == 192 and sides[-1] == 32


def test_names_of_clusters_are_shown_once(fitted, shapes, write_page):
    """Clusters of one name would be one cluster: they get numbers."""
    named = copy(fitted)
    named.cluster_names_ = ["cat", "<b>dog", "cat"]
    data = json.loads(write_page(named, shapes).texts["page-data"])
    assert data["clusterNames"] == ["cat", "<b>dog", "cat-2"]


def test_page_tells_what_auto_became(fitted, shapes, write_page):
    settings = " ".join(write_page(fitted, shapes).texts["settings"].split())
    for told in ("'auto'8 x 8", "'auto'neighbors"):
        assert told in settings


@pytest.mark.parametrize("start", ["", "./", "../here/"])
def test_names_are_paths_below_the_folder(start):
    """However the folder was written."""
    paths = [f"{start}photos/a.png", f"{start}photos/b/c.png"]
    assert name_images(SimpleNamespace(paths=paths)).images == ["a.png", "b/c.png"]
