"""What speed.py measures and how often: in full, and as a quick check."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from speed_reference import PlainMFAVB, PlainVTCC

from sklearn_mfavb import MFAVBClustering, VTCCClustering
from sklearn_mfavb.backbones import ViTSize, resolve_vit_size

__all__ = [
    "N_CLUSTERS",
    "Curve",
    "Plan",
    "Point",
    "Workload",
    "make_images",
    "make_plan",
]

N_CLUSTERS = 10
# Loaders with a worker for every core serve as many batches at once: rounds on a GPU
# have to be long enough to see them come and go.
STEPS_ON_GPU = 32
FLOP_ON_GPU = 2e13


def make_images(n_images: int, side: int) -> NDArray[np.uint8]:
    """Make noise: what an image shows changes no time."""
    shape = (n_images, side, side, 3)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@dataclass(frozen=True, kw_only=True)
class Workload:
    """A network by its estimator and by the plain reference, and what passes it."""

    estimator: type[MFAVBClustering] | type[VTCCClustering]
    reference: type[PlainMFAVB] | type[PlainVTCC]
    image_size: int
    batch_size: int
    n_predicted: int
    embed_dim: int | Literal["auto"] = "auto"

    def __str__(self) -> str:
        """Name the network and what passes it."""
        name = self.estimator.__name__.removesuffix("Clustering")
        return f"{name}, {self.image_size} px, batches of {self.batch_size}"

    @property
    def size(self) -> ViTSize:
        """All sizes of the network, by the table that the estimators use."""
        side = self.image_size
        return resolve_vit_size((side, side), embed_dim=self.embed_dim)

    def make_estimator(self, device: torch.device) -> MFAVBClustering | VTCCClustering:
        """Build the estimator; what is not said here is its default."""
        return self.estimator(
            N_CLUSTERS,
            image_size=self.image_size,
            batch_size=self.batch_size,
            embed_dim=self.embed_dim,
            device=str(device),
            random_state=0,
        )

    def make_reference(self) -> PlainMFAVB | PlainVTCC:
        """Build the plain network of the same sizes."""
        return self.reference(self.size, N_CLUSTERS)


class Point(NamedTuple):
    """One size of MFAVB at which its cost is measured."""

    n_images: int = 1024
    image_size: int = 32
    embed_dim: int = 128
    n_blocks: int = 2
    batch_size: int = 128

    @property
    def n_tokens(self) -> int:
        """Tokens of a view: one for each patch of 4 pixels, and the class token."""
        return (self.image_size // 4) ** 2 + 1


class Curve(NamedTuple):
    """Points along which one size grows, a field or property of theirs."""

    axis: str
    label: str
    points: tuple[Point, ...]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything that one call of speed.py is told."""

    vtcc: Workload
    mfavb: Workload
    small: Workload  # so small that what surrounds a step shows
    curves: tuple[Curve, ...]
    n_rounds: int
    n_steps: int  # in a round
    n_epoch_steps: int  # in an epoch whose overhead is measured
    matrix_side: int
    matrix_flop: float  # in a repetition, of as many products as that takes
    copied_bytes: int
    n_rows: int  # among which neighbours are sought
    n_embedded: int  # images, by CLIP
    is_quick: bool
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    clip_weights: Path | None = None


FULL = Plan(
    vtcc=Workload(
        estimator=VTCCClustering,
        reference=PlainVTCC,
        image_size=224,
        batch_size=32,
        n_predicted=128,
    ),
    mfavb=Workload(
        estimator=MFAVBClustering,
        reference=PlainMFAVB,
        image_size=32,
        batch_size=256,
        n_predicted=4096,
    ),
    small=Workload(
        estimator=MFAVBClustering,
        reference=PlainMFAVB,
        image_size=8,
        batch_size=256,
        n_predicted=4096,
    ),
    curves=(
        Curve(
            "n_images",
            "images in the source",
            tuple(Point(n_images=n) for n in (1_000, 10_000, 100_000)),
        ),
        Curve(
            "n_tokens",
            "tokens of a view",
            tuple(Point(image_size=side) for side in (16, 32, 48, 64)),
        ),
        Curve(
            "embed_dim",
            "width of the network",
            tuple(Point(embed_dim=width) for width in (64, 128, 256, 384)),
        ),
        Curve(
            "n_blocks",
            "number of FAVBs",
            tuple(Point(n_blocks=n) for n in (1, 2, 4, 8)),
        ),
        Curve(
            "batch_size",
            "images in a batch",
            tuple(Point(batch_size=n) for n in (32, 64, 128, 256, 512)),
        ),
    ),
    n_rounds=5,
    n_steps=2,
    n_epoch_steps=4,
    matrix_side=4096,
    matrix_flop=2e11,
    copied_bytes=2**30,
    n_rows=100_000,
    n_embedded=64,
    is_quick=False,
)

TINY = replace(FULL.mfavb, image_size=8, batch_size=16, n_predicted=32, embed_dim=16)
TINY_POINT = Point(n_images=32, image_size=8, embed_dim=16, n_blocks=1, batch_size=16)

QUICK = replace(
    FULL,
    vtcc=replace(TINY, estimator=VTCCClustering, reference=PlainVTCC),
    mfavb=TINY,
    small=TINY,
    curves=(
        Curve("n_images", "images in the source", (TINY_POINT,)),
        Curve("batch_size", "images in a batch", (TINY_POINT,)),
    ),
    n_epoch_steps=2,
    matrix_side=64,
    matrix_flop=1e6,
    copied_bytes=2**20,
    n_rows=500,
    n_embedded=2,
    is_quick=True,
)


def make_plan(
    *, is_quick: bool, device: torch.device, clip_weights: Path | None
) -> Plan:
    """Fit the sizes to what is asked for and to the device."""
    plan = replace(
        QUICK if is_quick else FULL, device=device, clip_weights=clip_weights
    )
    if is_quick or device.type == "cpu":
        return plan
    return replace(
        plan,
        n_steps=STEPS_ON_GPU,
        n_epoch_steps=STEPS_ON_GPU,
        matrix_side=8192,
        matrix_flop=FLOP_ON_GPU,
        vtcc=replace(plan.vtcc, n_predicted=4096),
        mfavb=replace(plan.mfavb, n_predicted=65_536),
        n_embedded=1024,
    )
