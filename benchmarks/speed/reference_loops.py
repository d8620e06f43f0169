"""How the plain reference trains, predicts and makes features.

torchvision's transforms on one PIL image after another in a DataLoader, AdamW as torch
sets it up. What is usual in several forms is taken as it is fastest: blur by Pillow, no
``loss.item()``, pinned memory, and the number of workers that suits the machine best.
"""

import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, RandomSampler
from torchvision import transforms

from benchmarks.speed.clock import N_DIGITS, N_WARM_UP, read_clock
from benchmarks.speed.reference import PlainViT

ENDLESS = 10**9  # images that a loader would serve before it ends


class PillowBlur:
    """Blur with Pillow, as MoCo v3 and DINO do; torchvision's own takes far longer."""

    def __call__(self, image: Image.Image) -> Image.Image:
        """Blur an image by a random radius in pixels."""
        return image.filter(ImageFilter.GaussianBlur(random.uniform(0.1, 2.0)))


TO_TENSOR = [
    transforms.ToTensor(),
    transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
]


def make_transforms(side: int) -> list[Callable[[Image.Image], Tensor]]:
    """Write ``"photographs"`` in torchvision's words, for two views."""
    is_large = side >= 64
    common = [
        transforms.RandomResizedCrop(side, scale=(0.08 if is_large else 0.2, 1.0)),
        transforms.RandomHorizontalFlip(),
        transforms.RandomApply([transforms.ColorJitter(0.4, 0.4, 0.2, 0.1)], p=0.8),
        transforms.RandomGrayscale(p=0.2),
        *([transforms.RandomApply([PillowBlur()], p=0.5)] if is_large else []),
    ]
    solarize = transforms.RandomSolarize(threshold=128, p=0.2)
    return [
        transforms.Compose([*common, *TO_TENSOR]),
        transforms.Compose([*common, solarize, *TO_TENSOR]),
    ]


class PlainViews(Dataset[list[Tensor]]):
    """Images of an array, transformed one by one."""

    def __init__(self, images: NDArray[np.uint8], views: list[Any]) -> None:
        self.images = images
        self.views = views

    def __len__(self) -> int:
        """Count the images."""
        return len(self.images)

    def __getitem__(self, index: int) -> list[Tensor]:
        """Make the views of one image."""
        image = Image.fromarray(self.images[index])
        return [view(image) for view in self.views]


class PlainTraining:
    """Train a plain network."""

    def __init__(
        self, network: Any, images: NDArray[np.uint8], batch_size: int, device: str
    ) -> None:
        views = make_transforms(images.shape[1]) * network.n_pairs
        self.dataset = PlainViews(images, views)
        self.batch_size = batch_size
        self.device = device
        self.network = network.to(device).train()
        self.optimizer = torch.optim.AdamW(
            network.parameters(), lr=1e-3, weight_decay=0.05
        )

    def measure(self, n_steps: int, n_workers: int) -> float:
        """Time some steps, after as many that warm up as ours has."""
        sampler = RandomSampler(self.dataset, replacement=True, num_samples=ENDLESS)
        batches = iter(
            DataLoader(
                self.dataset,
                self.batch_size,
                sampler=sampler,
                num_workers=n_workers,
                pin_memory=torch.device(self.device).type == "cuda",
            )
        )
        for step in range(N_WARM_UP + n_steps):
            if step == N_WARM_UP:
                start = read_clock(self.device)
            views = [v.to(self.device, non_blocking=True) for v in next(batches)]
            self.optimizer.zero_grad()
            self.network.loss(*views).backward()
            self.optimizer.step()
        return round(read_clock(self.device) - start, N_DIGITS)


class PlainPrediction:
    """Label clean images, batch by batch."""

    def __init__(
        self, network: PlainViT, images: NDArray[np.uint8], batch_size: int, device: str
    ) -> None:
        self.network = network
        self.dataset = PlainViews(images, [transforms.Compose(TO_TENSOR)])
        self.batch_size = batch_size
        self.device = device

    @torch.no_grad()
    def measure(self, n_workers: int) -> float:
        """Time the labeling of all images."""
        start = read_clock(self.device)
        on_gpu = torch.device(self.device).type == "cuda"
        for (images,) in DataLoader(
            self.dataset, self.batch_size, num_workers=n_workers, pin_memory=on_gpu
        ):
            self.network.predict(images.to(self.device, non_blocking=True)).cpu()
        return round(read_clock(self.device) - start, N_DIGITS)


def try_workers(measure: Callable[[int], float]) -> dict[int, float]:
    """Measure with no worker, two, and one for every core; the fastest comes first."""
    seconds = {n: measure(n) for n in sorted({0, 2, os.cpu_count() or 2})}
    return dict(sorted(seconds.items(), key=lambda item: item[1]))


def embed_by_open_clip(name: str, weights: Path, device: str) -> Callable[[Any], Any]:
    """Make a function that embeds images as open_clip's documentation shows."""
    import open_clip
    from safetensors.torch import load_file

    model, _, preprocess = open_clip.create_model_and_transforms(
        name, load_weights=False
    )
    model.load_state_dict(load_file(str(weights)), strict=False)
    model.to(device).eval()

    @torch.no_grad()
    def embed(images: Any) -> list[Tensor]:
        parts = [images[start : start + 64] for start in range(0, len(images), 64)]
        batches = (
            torch.stack([preprocess(Image.fromarray(image)) for image in part])
            for part in parts
        )
        return [model.encode_image(batch.to(device)).cpu() for batch in batches]

    return embed
