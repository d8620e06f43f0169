"""Tests of the dataset that serves batches."""

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from sklearn_mfavb.images import ImageDataset, open_images

ALL = np.arange(10)


@pytest.fixture
def source():
    """Return ten images, each filled with its own number."""
    numbers = np.arange(10, dtype=np.uint8)
    return open_images(np.broadcast_to(numbers[:, None, None], (10, 4, 8)))


def numbers_of(images):
    """Return the number that each image is filled with."""
    return images.flatten(1).amax(1).tolist()


@pytest.mark.parametrize("num_workers", [0, 1])
def test_batches_are_read_at_once(source, monkeypatch, num_workers):
    """A batch is one call of the source, here or in a worker process."""
    calls = []
    read = source.read
    monkeypatch.setattr(source, "read", lambda *a: calls.append(a) or read(*a))
    dataset = ImageDataset(source, (8, 8))
    loader = DataLoader(
        dataset, batch_size=4, collate_fn=dataset.collate, num_workers=num_workers
    )
    batches = list(loader)
    assert len(batches) == 3
    assert len(calls) == (0 if num_workers else 3)
    assert batches[1]["images"].shape == (4, 1, 8, 8)
    assert numbers_of(batches[1]["images"]) == [4, 5, 6, 7]
    assert batches[1]["index"].dtype == torch.int64
    assert set(batches[0]) == {"images", "index"}


def test_positions_count_within_the_chosen_images(source):
    """Features have a row for each of them, whatever images they stand for."""
    features = np.array([[9.0], [2.0], [5.0]], dtype=np.float32)
    dataset = ImageDataset(source, (4, 4), indices=[9, 2, 5], features=features)
    batch = dataset.__getitems__([2, 0])
    assert len(dataset) == 3
    assert batch["index"].tolist() == [2, 0]
    assert numbers_of(batch["images"]) == [5, 9]
    assert batch["features"][:, 0].tolist() == [5, 9]
    assert dataset[1]["features"].tolist() == [2]


def test_partners_are_neighbors(source):
    """They are drawn from the neighbors' positions, with images and features of one."""
    features = torch.arange(10.0).flip(0)[:, None]
    dataset = ImageDataset(source, (4, 4), np.arange(9, -1, -1), features)
    dataset.neighbors = (np.arange(10)[:, None] + np.array([1, 2, 3])) % 10
    seen = set()
    for _ in range(20):
        batch = dataset.__getitems__(dataset.add_partners(ALL))
        partners = numbers_of(batch["partner_images"])
        assert batch["partner_features"][:, 0].tolist() == partners
        images = np.array(numbers_of(batch["images"]))
        seen.update(((images - partners) % 10).tolist())
    assert seen == {1, 2, 3}


def test_partners_follow_the_global_seed(source):
    """The same torch seed draws the same partners."""
    dataset = ImageDataset(source, (4, 8))
    dataset.neighbors = np.random.default_rng(0).integers(0, 10, (10, 5))
    draws = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        draws.append(dataset.add_partners(ALL).tolist())
    assert draws[0] == draws[1] != draws[2]


@pytest.mark.parametrize("has_source", [True, False])
def test_features_alone(source, monkeypatch, has_source):
    """Without a source or a size, items have features only, and nothing is read."""
    monkeypatch.setattr(source, "read", None)
    given = source if has_source else None
    dataset = ImageDataset(given, None, features=torch.arange(10.0)[:, None])
    dataset.neighbors = np.roll(np.arange(10), 1)[:, None]
    batch = dataset.__getitems__(dataset.add_partners(np.array([3, 4])))
    assert len(dataset) == 10
    assert not {"images", "partner_images"} & set(batch)
    assert batch["features"][:, 0].tolist() == [3, 4]
    assert batch["partner_features"][:, 0].tolist() == [2, 3]


def test_neither_images_nor_features(source):
    """Something must be there to serve."""
    with pytest.raises(ValueError, match="source and features"):
        ImageDataset(None, None)
    with pytest.raises(ValueError, match=r"3 rows.*10 images"):
        ImageDataset(source, (4, 8), features=np.zeros((3, 2)))
