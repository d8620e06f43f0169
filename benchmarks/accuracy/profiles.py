"""Data sets, methods and seeds that are run under one name."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from benchmarks.accuracy.methods import FROM_PIXELS, VARIANTS
from benchmarks.accuracy.rivals import RIVALS

__all__ = ["PROFILES", "Profile"]

BASELINES = (
    "k-means",
    "k-means, centered",
    "Gaussian mixture",
    "spectral clustering",
    "average linkage",
    "t-SNE + k-means",
)
ON_FEATURES = ("MFAVBClustering", "TEMIClustering", *RIVALS)


@dataclass(frozen=True, kw_only=True)
class Profile:
    """What is run; a class's settings are in ``methods.PROFILE_SETTINGS``."""

    purpose: str
    datasets: tuple[str, ...]
    seeds: tuple[int, ...] = (0, 1, 2)
    methods: tuple[str, ...] = (*BASELINES, *FROM_PIXELS)
    # Larger images are reduced to this longest side in pixels; smaller ones stay.
    longest_side: int | None = None
    # Only so many random images of a set, the same ones for every seed.
    sample_sizes: Mapping[str, int] = field(default_factory=dict)
    # So many images, drawn by the seed, are fitted; the others are predicted and score.
    n_fitted: int | None = None
    # Estimators of the package train for so much CPU time (see budget.py).
    cpu_seconds: float | None = None
    # Whether methods are told the number of classes.
    tells_n_clusters: bool = True


PHOTOGRAPHS = ("cifar10_5k", "ucmerced16", "rsscn7")
SAMPLES = {"usps": 2000, "fashion_mnist_test": 2000}
HALVES_SAMPLES = dict.fromkeys((*PHOTOGRAPHS, *SAMPLES), 800)

PROFILES: dict[str, Profile] = {
    "smoke": Profile(
        purpose="do the programs run? Its scores mean nothing",
        datasets=("digits",),
        seeds=(0,),
        sample_sizes={"digits": 200},
    ),
    "from_scratch": Profile(
        purpose="pixels alone, one minute of CPU time for every method",
        datasets=("digits", *SAMPLES, "rsscn7"),
        methods=("k-means", *FROM_PIXELS, "MFAVBClustering, no fusion"),
        longest_side=16,
        sample_sizes=SAMPLES,
        cpu_seconds=60,
    ),
    "halves_of_pixels": Profile(
        purpose="one encoder: pixels and features as the halves of a fused pair",
        datasets=("usps", "fashion_mnist_test"),
        methods=(
            "MFAVBClustering",
            "MFAVBClustering, no fusion, with pixels",
            "MFAVBClustering, pixels and features as halves",
        ),
        longest_side=16,
        sample_sizes=HALVES_SAMPLES,
        cpu_seconds=20,
    ),
    "halves_of_encoders": Profile(
        purpose="two encoders: the features of either as the halves of a fused pair",
        datasets=PHOTOGRAPHS,
        methods=(
            "MFAVBClustering",
            "MFAVBClustering, no fusion, plain noise",
            "MFAVBClustering, encoders as halves",
        ),
        sample_sizes=HALVES_SAMPLES,
        cpu_seconds=20,
    ),
    "paper": Profile(
        purpose="the classes' REFERENCE settings at 224 pixels, for GPUs",
        datasets=("cifar10", "stl10", "imagenet10", "imagenet_dogs"),
        methods=FROM_PIXELS,
    ),
    "defaults": Profile(
        purpose="variants of MFAVB against baselines, everything at its defaults",
        datasets=(*PHOTOGRAPHS, "fashion_mnist_test"),
        seeds=(0, 1, 2, 3, 4),
        methods=(
            *BASELINES,
            "MFAVBClustering",
            *(f"MFAVBClustering, {name}" for name in VARIANTS),
        ),
        sample_sizes={"fashion_mnist_test": 5000},
    ),
    "new_images": Profile(
        purpose="fitted to 4,000 images, scored on others",
        datasets=("cifar10_5k",),
        methods=("MFAVBClustering",),
        n_fitted=4000,
    ),
    "rivals": Profile(
        purpose="what people run on features today, and ours at its defaults",
        datasets=PHOTOGRAPHS,
        methods=ON_FEATURES,
    ),
    # The seed draws the tail, too.
    "longtail": Profile(
        purpose="rivals, with sizes of classes that fall exponentially",
        datasets=tuple(
            f"{name}-tail{ratio}" for ratio in (10, 50) for name in PHOTOGRAPHS
        ),
        methods=ON_FEATURES,
    ),
    "n_clusters": Profile(
        purpose="how often the number of classes is found",
        datasets=tuple(
            f"{name}{tail}"
            for tail in ("", "-tail10")
            for name in (
                *(f"cifar10_5k:{n}" for n in (3, 5, 8, 10)),
                *(f"ucmerced16:{n}" for n in (3, 5, 8, 12, 16)),
                *(f"rsscn7:{n}" for n in (3, 5, 7)),
            )
        ),
        methods=(
            "NClustersSelector",
            "MFAVBClustering",
            "UMAP + HDBSCAN",
            "Leiden, resolution 1",
        ),
        tells_n_clusters=False,
    ),
    # The two sets of aerial photographs share kinds of places: between them strangers
    # are hard to tell, and some are none.
    "strangers": Profile(
        purpose="one image in ten is from another set",
        datasets=(
            *(f"{name}+cifar10_5k" for name in ("ucmerced16", "rsscn7")),
            *(f"cifar10_5k+{name}" for name in ("ucmerced16", "rsscn7")),
            "ucmerced16+rsscn7",
            "rsscn7+ucmerced16",
        ),
        methods=tuple(m for m in ON_FEATURES if not m.startswith(("TURTLE", "TEMI"))),
    ),
}
