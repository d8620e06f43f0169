"""Every setting of every profile, in one table.

What a profile does not say is the default of the class. Two parameters are not here:
`random_state` is the seed of the run, and with features `clip` is "precomputed", by
which the classes look at features alone (`image_tokens="auto"`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from methods import METHODS

__all__ = ["PROFILES", "Profile"]

Settings = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Profile:
    """Data sets, seeds and settings that are run under one name."""

    purpose: str
    datasets: tuple[str, ...]
    seeds: tuple[int, ...]
    from_pixels: Mapping[str, Settings]  # by class
    from_features: Mapping[str, Settings]  # by class
    methods: tuple[str, ...] = tuple(METHODS)
    # A class's REFERENCE goes before the settings from pixels.
    follows_reference: bool = False
    # Larger images are reduced to this longest side in pixels; smaller ones stay.
    longest_side: int | None = None
    # Only so many random images of a set, the same ones for every seed.
    sample_sizes: Mapping[str, int] = field(default_factory=dict)
    # Pixels in the place of features, to run everything on sets that have none.
    pixels_as_features: bool = False


NEIGHBORS = {"positives": "neighbors"}  # features give augmentations away

WITH_CLIP: dict[str, Settings] = {
    "MFAVBClustering": NEIGHBORS,
    "VTCCClustering": NEIGHBORS,
    "ContrastiveClustering": NEIGHBORS,
    "SCANClustering": {},  # neighbours are the only positives it has
    "AnchorClustering": {},  # augmentations are the only positives it has
    "CueCoClustering": NEIGHBORS,
}

TINY_VIT = {"embed_dim": 16, "max_epochs": 2}
TINY_RESNET = {"backbone": "resnet10t", "max_epochs": 2}

PROFILES: dict[str, Profile] = {
    "smoke": Profile(
        purpose="do the programs run? Its scores mean nothing",
        datasets=("digits",),
        seeds=(0,),
        sample_sizes={"digits": 200},
        pixels_as_features=True,
        from_pixels={
            "MFAVBClustering": TINY_VIT,
            "VTCCClustering": TINY_VIT,
            "ContrastiveClustering": TINY_RESNET,
            "SCANClustering": {
                "backbone": "resnet10t",
                "pretext_epochs": 1,
                "max_epochs": 1,
                "self_label_epochs": 1,
            },
            "AnchorClustering": {
                "backbone": "resnet10t",
                "pretrain_epochs": 1,
                "max_epochs": 1,
            },
            "CueCoClustering": TINY_RESNET,
        },
        from_features={
            name: {**settings, "max_epochs": 2} for name, settings in WITH_CLIP.items()
        },
    ),
    # From pixels every method passes 20 times over the images, all stages together, at
    # 16 pixels, with networks of about one cost: on one core an image and pass take
    # 1.4 ms with VTCC, 2 to 3 ms with MFAVB, 3.3 ms with CC on a ResNet-10 and 6.1 ms
    # on a ResNet-18.
    "cpu": Profile(
        purpose="hours on two cores; far fewer passes than the papers' hundreds",
        datasets=(
            "cifar10_5k",
            "ucmerced16",
            "rsscn7",
            "digits",
            "usps",
            "fashion_mnist_test",
        ),
        seeds=(0, 1, 2),
        longest_side=16,
        sample_sizes={"usps": 2000, "fashion_mnist_test": 2000},
        from_pixels={
            "MFAVBClustering": {"max_epochs": 20},
            "VTCCClustering": {"max_epochs": 20},
            "ContrastiveClustering": {"backbone": "resnet10t", "max_epochs": 20},
            "SCANClustering": {
                "backbone": "resnet10t",
                "pretext_epochs": 10,
                "max_epochs": 5,
                "self_label_epochs": 5,
            },
            "AnchorClustering": {
                "backbone": "resnet10t",
                "pretrain_epochs": 10,
                "max_epochs": 10,
            },
            "CueCoClustering": {"backbone": "resnet10t", "max_epochs": 20},
        },
        from_features=WITH_CLIP,
    ),
    # MFAVB has two pairs of every image, and by default half the images in a step: as
    # many views, and twice the steps in an epoch. Here the others have these steps too.
    "cpu_half_batches": Profile(
        purpose="cpu, with the steps per epoch that MFAVB has by default",
        datasets=("rsscn7", "fashion_mnist_test", "usps"),
        seeds=(0,),
        methods=("VTCCClustering", "ContrastiveClustering"),
        longest_side=16,
        sample_sizes={"usps": 2000, "fashion_mnist_test": 2000},
        from_pixels={
            "VTCCClustering": {"max_epochs": 20, "batch_size": 128},
            "ContrastiveClustering": {
                "backbone": "resnet10t",
                "max_epochs": 20,
                "batch_size": 128,
            },
        },
        from_features={},
    ),
    # Where a class has a REFERENCE, it decides before what is said here. SCAN's is for
    # CIFAR-10 at 32 pixels and names no size, so that 224 holds for it too.
    "paper": Profile(
        purpose="the classes' REFERENCE settings at 224 pixels, for GPUs",
        datasets=("cifar10", "stl10", "imagenet10", "imagenet_dogs"),
        seeds=(0, 1, 2),
        follows_reference=True,
        from_pixels={
            name: {"image_size": 224, "max_epochs": 1000} for name in WITH_CLIP
        },
        from_features=WITH_CLIP,
    ),
}
