"""Tests of keeping the memory that training and feature extraction free."""

import ctypes
import json
import os
import platform
import subprocess
import sys

import pytest
from skorch.callbacks import Callback

from sklearn_mfavb import MFAVBClustering
from sklearn_mfavb.datasets import make_shape_images
from sklearn_mfavb.features import Encoder
from sklearn_mfavb.training import keep_freed_memory

WISHES = {
    "MALLOC_TRIM_THRESHOLD_": "1000000",
    "MALLOC_MMAP_THRESHOLD_": "1000000",
    "MALLOC_MMAP_MAX_": "1000",
    "GLIBC_TUNABLES": "glibc.malloc.arena_test=8",
}

# glibc looks for more room than an aligned block then keeps, so that one need not fit
# where a block of its own size was: hence a larger one before it.
COUNT_PAGE_FAULTS = """
import contextlib, json, resource, torch
from sklearn_mfavb.training import keep_freed_memory

def count():
    torch.ones(2**26, dtype=torch.uint8)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(3 * 2**24, dtype=torch.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

faults = {"before": min(count() for _ in range(4))}
with contextlib.suppress(KeyError), keep_freed_memory():
    faults["inside"] = min(count() for _ in range(4))
    raise KeyError
faults["after"] = min(count() for _ in range(4))
print(json.dumps(faults))
"""


def count_page_faults(**environment):
    """Take and free memory in a process whose heap nothing else has touched."""
    if "glibc" not in platform.libc_ver():
        pytest.skip("no glibc here")
    others = {name: os.environ[name] for name in os.environ.keys() - WISHES.keys()}
    done = subprocess.run(
        [sys.executable, "-c", COUNT_PAGE_FAULTS],
        env={**others, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    faults = json.loads(done.stdout)
    if faults["before"] < 500:
        pytest.skip("pages are large here")
    return faults


def test_memory_is_kept_inside_and_given_back_after():
    """What was freed inside the block is taken again; an error ends it as well."""
    faults = count_page_faults()
    assert faults["inside"] < faults["before"] / 4
    assert faults["after"] > faults["before"] / 2


@pytest.mark.parametrize("name", ["MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES"])
def test_wishes_of_the_user_stand(name):
    """Where the environment says what becomes of freed memory, nothing is changed."""
    faults = count_page_faults(**{name: WISHES[name]})
    assert faults["inside"] > faults["before"] / 2


def stand_for_libc(library, monkeypatch):
    """Let it be what the process itself has; other libraries are loaded as ever."""

    def load(name, *args, load=ctypes.CDLL, **kwargs):
        return library if name is None else load(name, *args, **kwargs)

    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(ctypes, "CDLL", load)


@pytest.fixture
def is_kept(monkeypatch):
    """Say what glibc was last asked for; it does not hear of it."""

    class Library:
        trim_threshold = None

        def mallopt(self, parameter, value):
            if parameter == -1:
                self.trim_threshold = value

        def malloc_trim(self, padding):
            pass

    library = Library()
    for name in WISHES:
        monkeypatch.delenv(name, raising=False)
    stand_for_libc(library, monkeypatch)
    return lambda: library.trim_threshold == -1


@pytest.mark.parametrize("name", WISHES)
def test_nothing_is_asked_of_glibc_against_a_wish(is_kept, monkeypatch, name):
    """Every variable by which a user sets what we would set is one."""
    monkeypatch.setenv(name, WISHES[name])
    with keep_freed_memory():
        assert not is_kept()


def test_libraries_without_the_setting_are_left_alone(monkeypatch):
    """There is no mallopt outside glibc."""
    stand_for_libc(object(), monkeypatch)
    with keep_freed_memory():
        pass


def test_fit_keeps_it(is_kept):
    """It is kept while a network is trained, and given back after."""
    kept = []

    class Look(Callback):
        def on_epoch_end(self, net, **kwargs):
            kept.append(is_kept())

    images, _ = make_shape_images(90, n_clusters=3, image_size=8, random_state=0)
    estimator = MFAVBClustering(3, embed_dim=16, n_heads=2, callbacks=[Look()])
    estimator.set_params(max_epochs=2, batch_size=32).fit(images)
    assert kept == [True, True]
    assert not is_kept()


def test_clip_features_keep_it(is_kept, tiny, monkeypatch):
    """It is kept while images are embedded, and given back after."""
    extractor, kept = tiny().set_params(batch_size=2), []
    images, _ = make_shape_images(6, n_clusters=3, image_size=8, random_state=0)
    extractor.get_feature_names_out()  # builds the encoder, which embeds an image
    embed = Encoder.forward

    def look(self, images):
        kept.append(is_kept())
        return embed(self, images)

    monkeypatch.setattr(Encoder, "forward", look)
    extractor.transform(images)
    assert kept == [True, True, True]
    assert not is_kept()
