"""Work that tests kill, or starve of disk; called with a name and paths."""

import sys
from pathlib import Path

import numpy as np

import sklearn_mfavb
from sklearn_mfavb import CLIPFeatures, MFAVBClustering, Training, ViT
from sklearn_mfavb.datasets import make_shape_images

ENCODER = Path(__file__).parents[1] / "tiny-clip-of-the-tests.json"


def make_images(n_images):
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
    for seed, path in enumerate((first, second)):
        make_estimator(seed=seed, max_epochs=1).fit(make_images(48)).save(path)


def save(model, path):
    sklearn_mfavb.load(model).save(path)


def save_forever(first, second, path):
    models = [sklearn_mfavb.load(first), sklearn_mfavb.load(second)]
    print("ready", flush=True)
    while True:
        for model in models:
            model.save(path)


def embed(weights, cache, result):
    import open_clip

    open_clip.add_model_config(ENCODER)
    images = np.random.default_rng(0).integers(
        0, 256, (12_000, 24, 24, 3), dtype=np.uint8
    )
    encoder = CLIPFeatures(ENCODER.stem, weights, cache_dir=cache, precision="float32")
    np.save(result, encoder.fit_transform(images))


if __name__ == "__main__":
    name, *arguments = sys.argv[1:]
    globals()[name](*arguments)
