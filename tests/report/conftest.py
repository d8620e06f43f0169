"""Fitted estimators, a folder with difficult names, and a reader of pages."""

import os
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from sklearn_mfavb import MFAVBClustering, Reading, ViT
from sklearn_mfavb.datasets import make_shape_images
from sklearn_mfavb.report import write_report

HOSTILE = [
    b"plain",
    b"</script><script>document.title='hacked'",
    b"<img src=x onerror=\"document.title='hacked'\">",
    b"quo\"te's & {{ 7*7 }} &lt;",
    "Bäume 图像".encode(),
    b"no UTF-8 \xff",
]
QUICK = {"backbone": ViT(embed_dim=16, n_heads=2), "max_epochs": 2, "random_state": 0}


class Page(HTMLParser):
    """What a browser would find in a page."""

    VOID = frozenset(
        {"meta", "img", "br", "input", "polyline", "circle", "line", "path"}
    )

    def __init__(self, text):
        super().__init__()
        self.tags = []  # (name, attributes)
        self.texts = {}  # of the elements with an id, all in all
        self._open = []
        self.feed(text)
        assert self._open == [], "elements that are not closed"

    def handle_starttag(self, tag, attributes):
        """Note an element."""
        attributes = dict(attributes)
        self.tags.append((tag, attributes))
        if tag not in self.VOID:
            self._open.append((tag, attributes.get("id")))

    def handle_startendtag(self, tag, attributes):
        """Note an empty element."""
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        """Close what was opened last."""
        assert self._open.pop()[0] == tag

    def handle_data(self, data):
        """Add a text to all elements around it."""
        for _, identity in self._open:
            if identity:
                self.texts[identity] = self.texts.get(identity, "") + data

    def all(self, tag):
        """List the attributes of all elements of a kind."""
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture
def write_page(tmp_path):
    """Write a page and parse it."""

    def write(*given, **options):
        out = write_report(*given, tmp_path / "new" / "page.html", **options)
        return Page(out.read_text("utf-8"))

    return write


@pytest.fixture(scope="session")
def shapes():
    """Sixty grayscale pictures of three kinds of shapes."""
    return make_shape_images(60, n_clusters=3, image_size=8, random_state=0)[0]


@pytest.fixture(scope="session")
def fitted(shapes):
    """One estimator fitted on the shapes; tests must not change it."""
    return MFAVBClustering(3, batch_size=32, **QUICK).fit(shapes)


@pytest.fixture
def hostile_folder(tmp_path):
    """Write color pictures under names that are hard to put on a page."""
    folder = os.fsencode(tmp_path / "photos")
    os.makedirs(os.path.join(folder, b"below"))
    rng = np.random.default_rng(0)
    for index, name in enumerate(HOSTILE):
        picture = Image.fromarray(rng.integers(256, size=(9, 12, 3), dtype=np.uint8))
        name = b"%d %b.png" % (index, name.replace(b"/", b"_"))
        with open(os.path.join(folder, b"below", name), "wb") as file:
            picture.save(file, "PNG")
    with open(os.path.join(folder, b"<b>broken \xfe.png"), "wb") as file:
        file.write(b"no image")
    return tmp_path / "photos"


@pytest.fixture
def skipping(hostile_folder):
    """Fit an estimator to the files with difficult names, one of them broken."""
    return MFAVBClustering(2, reading=Reading(on_error="skip"), **QUICK).fit(
        hostile_folder
    )
