"""Work that tests kill, or starve of disk; called with a name and paths."""

import json
import sys
from pathlib import Path

import numpy as np

import sklearn_mfavb
from sklearn_mfavb import CLIPFeatures, MFAVBClustering, Training, ViT
from sklearn_mfavb.datasets import make_shape_images

ENCODER = "tiny-clip-of-the-faults"
CONFIG = {
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


def make_images(n_images):
    """Draw shapes, 8 pixels a side."""
    return make_shape_images(n_images, n_clusters=3, image_size=8, random_state=0)[0]


def make_estimator(checkpoint=None, *, seed=0, max_epochs=4):
    """Make an estimator with a tiny network, which trains in seconds."""
    return MFAVBClustering(
        3,
        backbone=ViT(embed_dim=16, n_heads=2),
        batch_size=16,
        max_epochs=max_epochs,
        random_state=seed,
        training=Training(checkpoint=checkpoint),
    )


def fit(checkpoint, result):
    """Fit with a checkpoint; epochs are long enough that each is kept."""
    labels = make_estimator(Path(checkpoint)).fit_predict(make_images(1500))
    np.save(result, labels)


def write_models(first, second):
    """Write two models that differ."""
    for seed, path in enumerate((first, second)):
        make_estimator(seed=seed, max_epochs=1).fit(make_images(48)).save(path)


def save(model, path):
    """Save a model under another name."""
    sklearn_mfavb.load(model).save(path)


def save_forever(first, second, path):
    """Save two models under one name, one over the other."""
    models = [sklearn_mfavb.load(first), sklearn_mfavb.load(second)]
    print("ready", flush=True)
    while True:
        for model in models:
            model.save(path)


def write_encoder(folder):
    """Write a tiny model of open_clip with random weights."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    (Path(folder) / f"{ENCODER}.json").write_text(json.dumps(CONFIG))
    open_clip.add_model_config(Path(folder) / f"{ENCODER}.json")
    torch.manual_seed(0)
    tower = open_clip.create_model(ENCODER, pretrained=None).visual
    weights = {f"visual.{name}": value for name, value in tower.state_dict().items()}
    save_file(weights, Path(folder) / "encoder.safetensors")


def embed(folder, cache, result):
    """Embed many images with a cache."""
    import open_clip

    open_clip.add_model_config(Path(folder) / f"{ENCODER}.json")
    images = np.random.default_rng(0).integers(
        0, 256, (12_000, 24, 24, 3), dtype=np.uint8
    )
    weights = Path(folder) / "encoder.safetensors"
    encoder = CLIPFeatures(ENCODER, weights, cache_dir=cache, precision="float32")
    np.save(result, encoder.fit_transform(images))


if __name__ == "__main__":
    name, *arguments = sys.argv[1:]
    globals()[name](*arguments)
