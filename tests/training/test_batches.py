"""Batches: read ahead, from workers or on the device, they are the same."""

import threading

import joblib
import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset

from sklearn_mfavb.images import ImageDataset, open_images
from sklearn_mfavb.images import _dataset as dataset_module
from sklearn_mfavb.parallel import read_ahead
from sklearn_mfavb.training import _batches as batches_module
from sklearn_mfavb.training import balanced_batches

CPU = torch.device("cpu")
PIXELS = np.random.default_rng(0).integers(0, 256, (23, 8, 8, 3), dtype=np.uint8)


class Items(Dataset):
    """A user's data set, whose images may change, and which notes who reads it."""

    def __init__(self):
        self.threads = set()

    def __len__(self):
        return len(PIXELS)

    def __getitem__(self, index):
        self.threads.add(threading.get_ident())
        return PIXELS[index]


@pytest.fixture(autouse=True)
def have_two_processors(monkeypatch):
    monkeypatch.setattr(batches_module, "cpu_count", lambda: 2)


def make(images=PIXELS):
    features = np.arange(46, dtype=np.float32).reshape(23, 2)
    dataset = ImageDataset(open_images(images), (8, 8), None, features)
    dataset.neighbors = (np.arange(23)[:, None] + [1, 2, 3]) % 23
    return dataset


def read(dataset):
    """Read two epochs."""
    torch.manual_seed(3)
    loader = balanced_batches(dataset, 5, CPU)
    epochs = [list(loader), list(loader)]
    return [part for epoch in epochs for batch in epoch for part in batch.items()]


def assert_same(found, expected):
    assert [name for name, _ in found] == [name for name, _ in expected]
    for (name, part), (_, other) in zip(found, expected, strict=True):
        assert torch.equal(part, other), name


@pytest.fixture
def expected():
    """Read everything batch by batch, with what they draw in the order of batches."""
    dataset, found = make(), []
    torch.manual_seed(3)
    for _ in range(2):
        torch.empty((), dtype=torch.int64).random_()  # the loader's, for its workers
        order = dataset.add_partners(torch.randperm(23).numpy())
        for positions in np.array_split(order, 5):
            found += dataset.__getitems__(positions).items()
    return found


def test_batches_that_are_read_ahead_are_the_same(expected):
    found = read(make())
    assert_same(found, expected)
    assert {name for name, _ in found} == {
        *("index", "images", "features"),
        *("partner_index", "partner_images", "partner_features"),
    }


def test_batches_on_the_device_are_the_same(expected, monkeypatch):
    """They are read once; later, nothing of the source is."""
    dataset = make()
    monkeypatch.setattr(dataset_module, "has_room", lambda device, n_bytes: True)
    dataset.keep_on_device(CPU)
    monkeypatch.setattr(dataset.source, "read", None)
    assert_same(read(dataset), expected)


def test_only_what_has_room_and_stays_the_same_is_held(monkeypatch):
    """The device is asked for room for all; items may change."""
    asked = []
    monkeypatch.setattr(
        dataset_module, "has_room", lambda device, n_bytes: asked.append(n_bytes)
    )
    for dataset in (make(), make(Items())):
        dataset.keep_on_device(CPU)
        assert not dataset.is_held
    assert asked == [23 * (3 * 8 * 8 + 2 * 4)]


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_data_sets_of_users_are_read_in_the_thread_of_the_fit(expected, n_jobs):
    """Or by processes, if joblib is told of several: with the same result."""
    items = Items()
    dataset = make(items)
    items.threads.clear()
    with joblib.parallel_config(n_jobs=n_jobs):
        assert_same(read(dataset), expected)
    assert items.threads == ({threading.get_ident()} if n_jobs == 1 else set())


@pytest.mark.parametrize("is_kept", [False, True])
def test_files_that_were_not_kept_are_decoded_by_workers(
    tmp_path, monkeypatch, is_kept, expected
):
    """Kept ones are in memory, which is faster than to get them from a process."""
    for number, pixels in enumerate(PIXELS):
        Image.fromarray(pixels).save(tmp_path / f"{number:02d}.png")
    dataset, opened = make(tmp_path), []
    if is_kept:
        dataset.source.keep((8, 8))
        dataset.source.verify((8, 8))
    source_class = type(dataset.source)
    load = source_class._load
    monkeypatch.setattr(
        source_class, "_load", lambda *given: opened.append(given) or load(*given)
    )
    with joblib.parallel_config(n_jobs=2):
        assert balanced_batches(dataset, 5, CPU).num_workers == (0 if is_kept else 2)
        assert_same(read(dataset), expected)
    assert not opened  # in this process


def test_workers_are_no_more_than_processors():
    """An engine may count those of a whole cluster, which cannot be reached."""
    with joblib.parallel_config(n_jobs=500):
        assert balanced_batches(make(Items()), 5, CPU).num_workers == 2


def test_a_file_that_breaks_later_is_named_by_a_worker(tmp_path):
    for number, pixels in enumerate(PIXELS):
        Image.fromarray(pixels).save(tmp_path / f"{number:02d}.png")
    dataset = make(tmp_path)
    (tmp_path / "07.png").write_bytes(b"no image")
    with joblib.parallel_config(n_jobs=2), pytest.raises(ValueError, match=r"07\.png"):
        read(dataset)


def test_items_are_made_ahead_in_order():
    """The next are made while one is used; an error comes where its item would have."""
    made, two_more = [], threading.Event()

    def count():
        for number in range(5):
            if number == 4:
                raise ValueError("four")
            made.append(number)
            if number == 2:
                two_more.set()
            yield number

    items = read_ahead(count())
    assert next(items) == 0
    assert two_more.wait(10)
    assert [next(items) for _ in range(3)] == [1, 2, 3]
    with pytest.raises(ValueError, match="four"):
        next(items)
