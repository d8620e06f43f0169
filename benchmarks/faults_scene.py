"""Small images, estimators and an encoder, to which faults are done."""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skorch.callbacks import Callback

import sklearn_mfavb
from sklearn_mfavb.backbones import ConvStemViT
from sklearn_mfavb.datasets import make_shape_images

N_CLUSTERS = 3


def make_backbone(*, image_size: Any, n_channels: int, **sees: Any) -> ConvStemViT:
    """Build a transformer of one layer, 16 wide."""
    return ConvStemViT(
        (2, 2),
        n_channels=n_channels,
        patch_size=4,
        embed_dim=16,
        n_heads=2,
        depth=1,
        **sees,
    )


TINY = {"backbone": make_backbone}
FAMILY: dict[str, dict[str, Any]] = {
    "MFAVBClustering": {"max_epochs": 3, "embed_dim": 16, "n_heads": 2},
    "VTCCClustering": {"max_epochs": 3, "embed_dim": 16, "n_heads": 2},
    "ContrastiveClustering": {"max_epochs": 2, **TINY},
    "SCANClustering": {
        "pretext_epochs": 2,
        "max_epochs": 2,
        "self_label_epochs": 2,
        **TINY,
    },
    "AnchorClustering": {"pretrain_epochs": 2, "max_epochs": 2, **TINY},
    "CueCoClustering": {"max_epochs": 2, **TINY},
}
ENCODER = "tiny-clip-of-the-faults"
_CONFIG = {
    "embed_dim": 12,
    "vision_cfg": {
        "image_size": 32,
        "layers": 2,
        "width": 16,
        "head_width": 8,
        "patch_size": 16,
    },
    "text_cfg": {
        "context_length": 4,
        "vocab_size": 16,
        "width": 8,
        "heads": 2,
        "layers": 1,
    },
}


class Outcome(NamedTuple):
    """What became of a fault: in words, and what was checked."""

    happened: str
    checks: dict[str, bool]


class Fault(NamedTuple):
    """Something that breaks; `run` takes an empty folder and a random generator."""

    name: str
    done: str
    run: Callable[[Path, np.random.Generator], Outcome]


def make_images(n_images: int = 48) -> NDArray[np.uint8]:
    """Draw grey pictures of three shapes, 8 pixels a side."""
    return make_shape_images(
        n_images, n_clusters=N_CLUSTERS, image_size=8, random_state=0
    )[0]


def make_estimator(name: str = "MFAVBClustering", **parameters: Any) -> Any:
    """Make an estimator that fits in a second or two."""
    settings = {"batch_size": 16, "random_state": 0, **FAMILY[name], **parameters}
    n_clusters = settings.pop("n_clusters", N_CLUSTERS)
    return getattr(sklearn_mfavb, name)(n_clusters, **settings)


def keep_every_epoch() -> None:
    """Write checkpoints after epochs that are shorter than the writing, too."""
    from sklearn_mfavb.training import _checkpoint

    _checkpoint._SHARE_OF_TIME = float("inf")


def write_images(folder: Path, n_images: int = 48) -> list[Path]:
    """Write the pictures into a new folder."""
    folder.mkdir(parents=True)
    paths = [folder / f"{number:03}.png" for number in range(n_images)]
    for path, image in zip(paths, make_images(n_images), strict=True):
        Image.fromarray(image).save(path)
    return paths


def write_encoder(folder: Path) -> Path:
    """Write a tiny model of open_clip with random weights."""
    import torch
    from open_clip import create_model
    from safetensors.torch import save_file

    (folder / f"{ENCODER}.json").write_text(json.dumps(_CONFIG))
    register_encoder(folder)
    torch.manual_seed(0)
    tower = create_model(ENCODER, pretrained=None).visual
    weights = {
        f"visual.{name}": value + 0.2 * torch.randn(value.shape)
        for name, value in tower.state_dict().items()
    }
    save_file(weights, folder / "encoder.safetensors")
    return folder / "encoder.safetensors"


def register_encoder(folder: Path) -> None:
    """Tell open_clip of the model, in a process that does not know it."""
    import open_clip

    open_clip.add_model_config(folder / f"{ENCODER}.json")


def digest_folder(folder: Path) -> str:
    """Digest the names and the contents of the regular files below a folder."""
    digest = hashlib.sha256()
    for parent, folders, names in os.walk(os.fsencode(folder)):
        folders.sort()
        for name in sorted(names):
            path = os.path.join(parent, name)
            digest.update(path)
            if os.path.isfile(path) and os.path.getsize(path) < 2**24:
                with open(path, "rb") as file:
                    digest.update(file.read())
    return digest.hexdigest()


def count_leftovers(folder: Path) -> int:
    """Count what was left half written below a folder."""
    return sum(1 for path in folder.rglob(".mfavb-*"))


def cluster_words(folder: Path, out: Path, *more: str, epochs: int = 3) -> list[str]:
    """Write the words of a quick `cluster`, of the class with the smallest network."""
    given = [
        "--n-clusters",
        str(N_CLUSTERS),
        "--epochs",
        str(epochs),
        "--method",
        "vtcc",
    ]
    return ["cluster", str(folder), "--out", str(out), *given, *more]


def count_of(results: Sequence[bool]) -> str:
    """Say how many of some results are right."""
    return f"{sum(results)} of {len(results)}"


class InjectedLoss(Callback):
    """Make the n-th loss of a fit NaN or infinite.

    Parameters
    ----------
    value : float
        What its first term becomes.
    at : int
        Number of the batch.
    """

    def __init__(self, value: float, at: int) -> None:
        self.value = value
        self.at = at
        self.n_seen = 0

    def on_train_begin(self, net: Any, **kwargs: Any) -> None:
        """Listen to the loss."""
        net.criterion_.register_forward_hook(self._inject)

    def _inject(self, objective: Any, inputs: Any, terms: dict[str, Any]) -> Any:
        """Change the terms of one batch."""
        self.n_seen += 1
        if self.n_seen != self.at:
            return terms
        name, term = next(iter(terms.items()))
        return {**terms, name: term * self.value}
