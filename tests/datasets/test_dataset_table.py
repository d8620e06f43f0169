"""Tests of the table of the sets used in the literature."""

from dataclasses import FrozenInstanceError, fields
from pathlib import Path

import pytest

from sklearn_mfavb.datasets import DATASETS, ImageDatasetCard
from sklearn_mfavb.datasets._classes import CIFAR_100_SUPERCLASSES

CARDS = list(DATASETS.values())


def test_every_set_is_there():
    """The sets of the literature, by name and number of classes."""
    assert {name: card.n_classes for name, card in DATASETS.items()} == {
        "cifar10": 10,
        "cifar100_20": 20,
        "stl10": 10,
        "tiny_imagenet": 200,
        "imagenet10": 10,
        "imagenet_dogs": 15,
        "dtd": 47,
        "eurosat": 10,
        "uc_merced": 21,
        "rsod": 4,
        "siri_whu": 12,
        "aid": 30,
        "d0": 40,
        "chaoyang": 4,
        "fashion_mnist": 10,
        "mnist": 10,
        "usps": 10,
        "digits": 10,
    }


def test_names_are_keys_and_titles_unique():
    """No two cards stand for the same set, even where case does not count."""
    assert [card.name for card in CARDS] == list(DATASETS)
    assert all(name == name.lower() and name.isidentifier() for name in DATASETS)
    assert len({card.title for card in CARDS}) == len(CARDS)


def test_table_and_cards_are_read_only():
    """Neither the table, a card, nor its classes can be changed."""
    card = DATASETS["imagenet10"]
    with pytest.raises(TypeError):
        DATASETS["mine"] = card
    with pytest.raises(FrozenInstanceError):
        card.n_images = 1
    with pytest.raises(TypeError):
        card.class_folders["n00000000"] = "thing"


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_cards_are_consistent(card):
    """Numbers, class folders and the ways to obtain the images agree."""
    assert card.n_images >= 10 * card.n_classes
    assert card.image_size is None or 8 <= card.image_size <= 600
    assert len(card.class_folders) in (0, card.n_classes)
    assert set(card.unverified) <= {field.name for field in fields(ImageDatasetCard)}
    assert card.loader is not None or not card.downloadable
    assert card.needs_data_dir or card.loader is not None


@pytest.mark.parametrize(
    ("name", "n_classes"), [("imagenet10", 10), ("imagenet_dogs", 15)]
)
def test_imagenet_subsets(name, n_classes):
    """Each class is a different synset, in order, with a name of its own."""
    folders = DATASETS[name].class_folders
    assert len(folders) == n_classes == len(set(folders.values()))
    assert list(folders) == sorted(folders)
    assert all(folder[0] == "n" and len(folder) == 9 for folder in folders)
    assert folders["n02085936"] == "Maltese dog"  # the class in both


def test_cifar_100_superclasses():
    """Twenty superclasses in the order of their labels, five fine classes in each."""
    assert list(CIFAR_100_SUPERCLASSES) == sorted(CIFAR_100_SUPERCLASSES)
    members = [group.split() for group in CIFAR_100_SUPERCLASSES.values()]
    assert [len(group) for group in members] == [5] * 20
    assert len({fine for group in members for fine in group}) == 100


def test_doubt_is_told():
    """An owner that is only recalled is told as such; others are told plainly."""
    folder = Path("folder")
    assert "as far as we recall" in DATASETS["d0"].how_to_obtain(folder)
    assert "as far as we recall" not in DATASETS["dtd"].how_to_obtain(folder)
