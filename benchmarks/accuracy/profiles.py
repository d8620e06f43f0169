"""Data sets, methods and seeds that are run under one name."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from benchmarks.accuracy.methods import FAMILY, METHODS

__all__ = ["PROFILES", "Profile"]

BASELINES = tuple(
    name for name in METHODS if not name.startswith((*FAMILY, "NClusters"))
)


@dataclass(frozen=True, kw_only=True)
class Profile:
    """What is run; a class's settings are in ``methods.PROFILE_SETTINGS``."""

    purpose: str
    datasets: tuple[str, ...]
    seeds: tuple[int, ...] = (0, 1, 2)
    methods: tuple[str, ...] = (*BASELINES, *FAMILY)
    # Larger images are reduced to this longest side in pixels; smaller ones stay.
    longest_side: int | None = None
    # Only so many random images of a set, the same ones for every seed.
    sample_sizes: Mapping[str, int] = field(default_factory=dict)
    # So many images, drawn by the seed, are fitted; the others are predicted and score.
    n_fitted: int | None = None


PHOTOGRAPHS = ("cifar10_5k", "ucmerced16", "rsscn7")
SAMPLES = {"usps": 2000, "fashion_mnist_test": 2000}

PROFILES: dict[str, Profile] = {
    "smoke": Profile(
        purpose="do the programs run? Its scores mean nothing",
        datasets=("digits",),
        seeds=(0,),
        sample_sizes={"digits": 200},
    ),
    "cpu": Profile(
        purpose="hours on two cores; far fewer passes than the papers' hundreds",
        datasets=(*PHOTOGRAPHS, "digits", *SAMPLES),
        longest_side=16,
        sample_sizes=SAMPLES,
    ),
    # MFAVB has two pairs of every image, and by default half the images in a step: as
    # many views, and twice the steps in an epoch. Here the others have these steps too.
    "cpu_half_batches": Profile(
        purpose="cpu, with the steps per epoch that MFAVB has by default",
        datasets=("rsscn7", *SAMPLES),
        seeds=(0,),
        methods=("VTCCClustering", "ContrastiveClustering"),
        longest_side=16,
        sample_sizes=SAMPLES,
    ),
    "paper": Profile(
        purpose="the classes' REFERENCE settings at 224 pixels, for GPUs",
        datasets=("cifar10", "stl10", "imagenet10", "imagenet_dogs"),
        methods=FAMILY,
    ),
    "defaults": Profile(
        purpose="variants of MFAVB against baselines, everything at its defaults",
        datasets=(*PHOTOGRAPHS, "fashion_mnist_test"),
        seeds=(0, 1, 2, 3, 4),
        methods=(*BASELINES, *(m for m in METHODS if m.startswith("MFAVB"))),
        sample_sizes={"fashion_mnist_test": 5000},
    ),
    "new_images": Profile(
        purpose="fitted to 4,000 images, scored on others",
        datasets=("cifar10_5k",),
        methods=("MFAVBClustering",),
        n_fitted=4000,
    ),
    "longtail": Profile(
        purpose="defaults, with sizes of classes that fall exponentially",
        datasets=tuple(f"{name}-longtail" for name in PHOTOGRAPHS),
        methods=(*BASELINES, *FAMILY, "MFAVBClustering, balance 0"),
    ),
    "n_clusters": Profile(
        purpose="how often NClustersSelector finds the number of classes",
        datasets=(
            *(f"cifar10_5k:{n}" for n in (3, 5, 8, 10)),
            *(f"ucmerced16:{n}" for n in (3, 5, 8, 12, 16)),
            *(f"rsscn7:{n}" for n in (3, 5, 7)),
            *(f"{name}-longtail" for name in PHOTOGRAPHS),
        ),
        seeds=(0, 1, 2, 3, 4),
        methods=("NClustersSelector",),
    ),
}
