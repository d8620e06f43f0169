"""Tests of keeping the memory that training and feature extraction free."""

import platform

import pytest
import torch
from skorch.callbacks import Callback

from sklearn_mfavb import MFAVBClustering
from sklearn_mfavb.datasets import make_shape_images
from sklearn_mfavb.features import Encoder
from sklearn_mfavb.training import keep_freed_memory

resource = pytest.importorskip("resource", reason="glibc only")


def count_page_faults():
    """Take and free 48 MiB; count pages that the system had to give."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(3 * 2**24, dtype=torch.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def is_kept(usual):
    """Say whether freed memory is taken again.

    glibc looks for more room than an aligned block then keeps, so a block need not fit
    where one of its own size was: a larger one goes first.
    """
    torch.ones(2**26, dtype=torch.uint8)
    return count_page_faults() < usual / 2


@pytest.fixture
def usual(monkeypatch):
    """Count what it costs without; skip where that is nothing, or there is no glibc."""
    if "glibc" not in platform.libc_ver():
        pytest.skip("no glibc here")
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    faults = count_page_faults()
    if faults < 1000:
        pytest.skip("pages are large here")
    return faults


def test_memory_is_kept_inside_and_given_back_after(usual):
    """Inside the block what was freed is taken again; an error ends it as well."""
    with pytest.raises(KeyError), keep_freed_memory():
        assert is_kept(usual)
        raise KeyError
    assert count_page_faults() > usual / 2


@pytest.mark.parametrize("name", ["MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES"])
def test_wishes_of_the_user_stand(usual, monkeypatch, name):
    """Where the environment says what becomes of freed memory, nothing is changed."""
    monkeypatch.setenv(name, "1")
    with keep_freed_memory():
        assert not is_kept(usual)


def test_fit_keeps_it(usual):
    """It is kept while a network is trained, and given back after."""
    kept = []

    class Look(Callback):
        def on_epoch_end(self, net, **kwargs):
            kept.append(is_kept(usual))

    images, _ = make_shape_images(90, n_clusters=3, image_size=8, random_state=0)
    estimator = MFAVBClustering(3, embed_dim=16, n_heads=2, callbacks=[Look()])
    estimator.set_params(max_epochs=2, batch_size=32).fit(images)
    assert kept == [True, True]
    assert count_page_faults() > usual / 2


def test_clip_features_keep_it(usual, tiny, monkeypatch):
    """It is kept while images are embedded, and given back after."""
    extractor, kept = tiny().set_params(batch_size=2), []
    images, _ = make_shape_images(6, n_clusters=3, image_size=8, random_state=0)
    extractor.get_feature_names_out()  # builds the encoder, which embeds an image
    embed = Encoder.forward

    def look(self, images):
        kept.append(is_kept(usual))
        return embed(self, images)

    monkeypatch.setattr(Encoder, "forward", look)
    extractor.transform(images)
    assert kept == [True, True, True]
    assert count_page_faults() > usual / 2
