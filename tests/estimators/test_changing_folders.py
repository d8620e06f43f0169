"""Files that vanish while a fit reads them."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image
from skorch.callbacks import Callback

from sklearn_mfavb.features import CLIPFeatures
from sklearn_mfavb.images import _pictures

pytestmark = pytest.mark.filterwarnings(
    "ignore:Only .* clusters hold images:sklearn.exceptions.ConvergenceWarning"
)
VANISHING = 5


class Vanish(Callback):
    """Remove a file when the first epoch is over."""

    def __init__(self, path):
        self.path = path

    def on_epoch_end(self, net, **kwargs):
        self.path.unlink(missing_ok=True)


@pytest.fixture
def photos(shapes, tmp_path):
    """Write a folder of pictures; return their paths."""
    paths = [tmp_path / f"{number:02}.png" for number in range(24)]
    for path, image in zip(paths, shapes[0], strict=False):
        Image.fromarray(image).save(path)
    return paths


def assert_left_out(clusterer):
    """Check that the file, and no other, has no label."""
    assert list(clusterer.skipped_) == [VANISHING]
    assert_array_equal(np.flatnonzero(clusterer.labels_ < 0), [VANISHING])


@pytest.mark.parametrize(
    "parameters",
    [
        {"assignment": "mixture"},
        {"assignment": "kmeans"},
        {"assignment": "head"},
        {
            "positives": "neighbors",
            "neighbor_space": "embedding",
            "neighbor_refresh": 1,
        },
    ],
)
def test_a_file_that_vanishes_in_training_is_left_out(
    quick, photos, monkeypatch, parameters
):
    """Images that are read anew every epoch may go: the fit ends with the others."""
    monkeypatch.setattr(_pictures, "CACHE_BYTES", 0)
    callbacks = [Vanish(photos[VANISHING])]
    clusterer = quick(on_error="skip", callbacks=callbacks, **parameters)
    assert_left_out(clusterer.fit(photos))


@pytest.fixture
def vanishing(tiny, monkeypatch):
    """Make an encoder that files vanish before."""
    extract = CLIPFeatures.extract

    def make(paths):
        def extract_late(self, *arguments):
            for path in paths:
                path.unlink(missing_ok=True)
            return extract(self, *arguments)

        monkeypatch.setattr(CLIPFeatures, "extract", extract_late)
        return tiny()

    return make


def test_a_file_that_vanishes_before_it_is_embedded_is_left_out(
    quick, photos, vanishing
):
    """Training sees no features that are missing."""
    encoder = vanishing(photos[VANISHING : VANISHING + 1])
    assert_left_out(quick(on_error="skip", clip=encoder).fit(photos))


def test_files_that_vanish_may_leave_too_few(quick, photos, vanishing):
    """The error counts what is left."""
    encoder = vanishing(photos[2:])
    with pytest.raises(ValueError, match=r"n_samples=2 .* \(22 more could not be read"):
        quick(on_error="skip", clip=encoder).fit(photos)
