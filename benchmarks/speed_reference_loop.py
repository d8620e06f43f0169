"""How the plain reference of speed.py trains and predicts.

torchvision's transforms on one PIL image after another in a DataLoader, AdamW as torch
sets it up. What is usual in several forms is taken as it is fastest: blur by Pillow, no
``loss.item()``, pinned memory, and the number of workers that suits the machine best.
"""

import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from speed_reference import PlainMFAVB, PlainVTCC
from speed_timing import N_DIGITS, read_clock
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, RandomSampler
from torchvision import transforms  # type: ignore[import-untyped]

from sklearn_mfavb.training._freed_memory import KEEPING, USUAL, ask_glibc

Transform = Callable[[Image.Image], Tensor]

ENDLESS = 10**9  # images that a loader would serve before it ends
TO_TENSOR = [
    transforms.ToTensor(),
    transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
]


class PillowBlur:
    """Blur with Pillow, as MoCo v3 and DINO do; torchvision's own takes far longer."""

    def __call__(self, image: Image.Image) -> Image.Image:
        """Blur an image by a random radius in pixels."""
        return image.filter(ImageFilter.GaussianBlur(random.uniform(0.1, 2.0)))


def make_transforms(side: int) -> tuple[Transform, Transform]:
    """Write the augmentation ``"photographs"`` in torchvision's words."""
    is_large = side >= 64
    common = [
        transforms.RandomResizedCrop(side, scale=(0.08 if is_large else 0.2, 1.0)),
        transforms.RandomHorizontalFlip(),
        transforms.RandomApply([transforms.ColorJitter(0.4, 0.4, 0.2, 0.1)], p=0.8),
        transforms.RandomGrayscale(p=0.2),
        *([transforms.RandomApply([PillowBlur()], p=0.5)] if is_large else []),
    ]
    solarize = transforms.RandomSolarize(threshold=128, p=0.2)
    return (
        transforms.Compose([*common, *TO_TENSOR]),
        transforms.Compose([*common, solarize, *TO_TENSOR]),
    )


class PlainViews(Dataset[list[Tensor]]):
    """Images of an array, transformed one by one."""

    def __init__(self, images: NDArray[np.uint8], views: list[Transform]) -> None:
        self.images = images
        self.views = views

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.images)

    def __getitem__(self, index: int) -> list[Tensor]:
        """Return the views of one image."""
        image = Image.fromarray(self.images[index])
        return [view(image) for view in self.views]


class PlainTraining:
    """Train a plain network."""

    def __init__(
        self,
        network: PlainVTCC | PlainMFAVB,
        images: NDArray[np.uint8],
        *,
        batch_size: int,
        device: torch.device,
    ) -> None:
        pair = make_transforms(images.shape[1])
        self.dataset = PlainViews(images, list(pair) * network.n_pairs)
        self.batch_size = batch_size
        self.device = device
        self.network = network.to(device).train()
        self.optimizer = torch.optim.AdamW(
            network.parameters(), lr=1e-3, weight_decay=0.05
        )

    def measure(self, n_steps: int, n_workers: int) -> float:
        """Return the seconds of some steps, after one more in which loaders fill up."""
        loader = DataLoader(
            self.dataset,
            self.batch_size,
            sampler=RandomSampler(self.dataset, replacement=True, num_samples=ENDLESS),
            num_workers=n_workers,
            pin_memory=self.device.type == "cuda",
        )
        with memory_as_usual():
            batches = iter(loader)
            self.step(next(batches))
            start = read_clock(self.device)
            for _ in range(n_steps):
                self.step(next(batches))
            return read_clock(self.device) - start

    def step(self, views: list[Tensor]) -> None:
        """Make one step on the views of a batch."""
        views = [view.to(self.device, non_blocking=True) for view in views]
        self.optimizer.zero_grad()
        self.network.loss(*views).backward()
        self.optimizer.step()


class PlainPrediction:
    """Label clean images, batch by batch."""

    def __init__(
        self,
        predict: Callable[[Tensor], Tensor],
        images: NDArray[np.uint8],
        *,
        batch_size: int,
        device: torch.device,
    ) -> None:
        self.predict = predict
        self.dataset = PlainViews(images, [transforms.Compose(TO_TENSOR)])
        self.batch_size = batch_size
        self.device = device

    @torch.no_grad()
    def measure(self, n_workers: int) -> float:
        """Return the seconds of labelling all images."""
        start = read_clock(self.device)
        loader = DataLoader(
            self.dataset,
            self.batch_size,
            num_workers=n_workers,
            pin_memory=self.device.type == "cuda",
        )
        for (images,) in loader:
            self.predict(images.to(self.device, non_blocking=True)).cpu()
        return read_clock(self.device) - start


@contextmanager
def memory_as_usual() -> Iterator[None]:
    """Undo what `fit` asks of glibc, for a script that asks nothing.

    The thresholds are the highest that glibc comes to by itself (mallopt(3)).
    """
    ask_glibc(USUAL)
    try:
        yield
    finally:
        ask_glibc(KEEPING)


def try_workers(measure: Callable[[int], float]) -> dict[int, float]:
    """Measure with no worker, two, and one for every core; the fastest comes first."""
    counts = sorted({0, 2, os.cpu_count() or 2})
    seconds = {n: round(measure(n), N_DIGITS) for n in counts}
    return dict(sorted(seconds.items(), key=lambda item: item[1]))
