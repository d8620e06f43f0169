"""What is measured and how often: in full, and as a quick check."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["FULL", "GPU", "N_CLUSTERS", "QUICK", "Curve", "Plan", "Workload"]

N_CLUSTERS = 10


@dataclass(frozen=True, kw_only=True)
class Workload:
    """A class, and what passes its network; what is not said is its default."""

    estimator: str
    image_size: int
    batch_size: int
    n_predicted: int

    def __str__(self) -> str:
        """Name the network and what passes it."""
        name = self.estimator.removesuffix("Clustering")
        return f"{name}, {self.image_size} px, batches of {self.batch_size}"

    def parameters(self, device: str) -> dict[str, Any]:
        """List the parameters, which every version of the package knows."""
        sizes = {"image_size": self.image_size, "batch_size": self.batch_size}
        common = {"n_clusters": N_CLUSTERS, "device": device, "random_state": 0}
        return {**common, **sizes}


class Curve(NamedTuple):
    """Sizes along which the cost of training MFAVB is measured."""

    axis: str
    label: str
    values: tuple[int, ...]


POINT = {
    "n_images": 1024,
    "image_size": 32,
    "embed_dim": 128,
    "n_blocks": 2,
    "batch_size": 128,
}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything that one call of run.py is told."""

    vtcc: Workload
    mfavb: Workload
    curves: tuple[Curve, ...]
    point: dict[str, int]  # where curves begin
    n_rounds: int
    n_steps: int  # in a round
    products: tuple[tuple[int, int, int], ...]  # rows, inner, columns
    matrix_flop: float  # in a repetition, of as many products as that takes
    copied_bytes: int
    n_rows: int  # among which neighbors are sought
    n_embedded: int  # images, by CLIP
    n_photos: int  # JPEG files, by a tiny network
    workers: tuple[int, ...]  # that decode them
    n_loaded: int  # batches, without a network
    n_shapes: int  # images drawn for a fit, where there is no folder of data
    fit_seconds: float
    is_quick: bool
    device: str = "cpu"
    weights: Path | None = None  # of CLIP ViT-B/16; None: random ones
    data_dir: Path | None = None  # of image sets
    against: Path | None = None  # another checkout


FULL = Plan(
    vtcc=Workload(
        estimator="VTCCClustering", image_size=224, batch_size=32, n_predicted=128
    ),
    mfavb=Workload(
        estimator="MFAVBClustering", image_size=32, batch_size=256, n_predicted=4096
    ),
    curves=(
        Curve("n_images", "images in the source", (1_000, 10_000, 100_000)),
        Curve("image_size", "pixels of a side", (16, 32, 48, 64)),
        Curve("embed_dim", "width of the network", (64, 128, 256, 384)),
        Curve("n_blocks", "number of FAVBs", (1, 2, 4, 8)),
        Curve("batch_size", "images in a batch", (32, 64, 128, 256, 512)),
    ),
    point=POINT,
    n_rounds=5,
    n_steps=2,
    # A large one, and 32 images of 197 tokens through the widest part of a layer.
    products=((4096, 4096, 4096), (6304, 384, 1536)),
    matrix_flop=2e11,
    copied_bytes=2**30,
    n_rows=100_000,
    n_embedded=64,
    n_photos=192,
    workers=(1, 2),
    n_loaded=8,
    n_shapes=2000,
    fit_seconds=60.0,
    is_quick=False,
)

# A step takes milliseconds there. What takes turns does so twice, in a few minutes.
GPU = replace(
    FULL,
    vtcc=replace(FULL.vtcc, batch_size=128, n_predicted=2048),
    mfavb=replace(FULL.mfavb, n_predicted=16_384),
    n_rounds=2,
    n_steps=10,
    products=((8192, 8192, 8192), (25_216, 384, 1536)),
    matrix_flop=2e13,
    n_embedded=512,
    n_photos=1024,
    workers=(1, 4),
    fit_seconds=45.0,
)

TINY = replace(FULL.mfavb, image_size=8, batch_size=16, n_predicted=32)
QUICK = replace(
    FULL,
    vtcc=replace(TINY, estimator="VTCCClustering"),
    mfavb=TINY,
    curves=(Curve("batch_size", "images in a batch", (8, 16)),),
    point={**POINT, "n_images": 32, "image_size": 8, "embed_dim": 16, "n_blocks": 1},
    n_rounds=2,
    n_steps=1,
    products=((64, 64, 64),),
    matrix_flop=1e6,
    copied_bytes=2**20,
    n_rows=500,
    n_embedded=2,
    n_photos=4,
    workers=(1, 2),
    n_loaded=3,
    n_shapes=32,
    fit_seconds=5.0,
    is_quick=True,
)
