"""Images for encoders, and a count of what passes them."""

import numpy as np
import pytest
from PIL import Image

from sklearn_mfavb.features import CLIPFeatures


@pytest.fixture(scope="session")
def photos():
    """Twenty colour images of 24 x 24 pixels."""
    return np.random.default_rng(0).integers(0, 256, (20, 24, 24, 3), dtype=np.uint8)


@pytest.fixture
def pictures(tmp_path):
    """Write smooth pictures of several sizes and aspects into a folder."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    rng = np.random.default_rng(1)
    for index, size in enumerate([(40, 60), (90, 33), (20, 20), (32, 32), (70, 200)]):
        coarse = rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)
        image = Image.fromarray(coarse).resize(size[::-1], Image.Resampling.BICUBIC)
        image.save(folder / f"{index}.png")
    return folder


@pytest.fixture
def count_embedded(monkeypatch):
    """Count the images that go through an encoder; raise after a number if asked."""

    class Counter:
        total = 0
        limit = float("inf")

    counter = Counter()
    embed = CLIPFeatures.embed

    def counted(self, images, **options):
        if counter.total >= counter.limit:
            raise KeyboardInterrupt
        counter.total += len(images)
        return embed(self, images, **options)

    monkeypatch.setattr(CLIPFeatures, "embed", counted)
    return counter
