"""Tiny encoders that go through the real loading path, and images for them."""

import json

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from sklearn_mfavb.features import CLIPFeatures, Encoder

TINY = "tiny-clip-of-the-tests"

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


def register(folder, name, **vision):
    """Tell open_clip of a model, as its documentation says."""
    config = {**CONFIG, "vision_cfg": {**CONFIG["vision_cfg"], **vision}}
    path = folder / f"{name}.json"
    path.write_text(json.dumps(config))
    open_clip.add_model_config(path)


def spread(network, seed=0):
    """Draw weights large enough for features to depend on the image."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in network.parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        parameter.data.add_(0.2 * noise)
    return network.eval()


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory):
    """Register a tiny model with open_clip and build it."""
    register(tmp_path_factory.mktemp("configs"), TINY)
    torch.manual_seed(0)
    return spread(open_clip.create_model(TINY, load_weights=False))


@pytest.fixture(scope="session")
def tiny_weights(tiny_model, tmp_path_factory):
    """Write the weights of the tiny model's image tower."""
    path = tmp_path_factory.mktemp("weights") / "tower.safetensors"
    weights = tiny_model.visual.state_dict()
    save_file({f"visual.{name}": value for name, value in weights.items()}, path)
    return path


@pytest.fixture
def tiny(tiny_weights):
    """Make a transformer with the tiny encoder."""

    def make(**parameters):
        defaults = {"model": TINY, "pretrained": tiny_weights, "precision": "float32"}
        return CLIPFeatures(**{**defaults, **parameters})

    return make


@pytest.fixture(scope="session")
def photos():
    """Twenty colour images of 24 x 24 pixels."""
    return np.random.default_rng(0).integers(0, 256, (20, 24, 24, 3), dtype=np.uint8)


@pytest.fixture
def pictures(tmp_path):
    """Write smooth pictures of several sizes and aspects into a folder."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    rng = np.random.default_rng(1)
    for index, size in enumerate([(40, 60), (90, 33), (20, 20), (32, 32), (70, 200)]):
        coarse = rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)
        image = Image.fromarray(coarse).resize(size[::-1], Image.Resampling.BICUBIC)
        image.save(folder / f"{index}.png")
    return folder


@pytest.fixture
def register_model(tmp_path):
    """Register a variant of the tiny model with open_clip."""

    def variant(name, **vision):
        register(tmp_path, name, **vision)
        return name

    return variant


@pytest.fixture
def count_embedded(monkeypatch, tiny):
    """Count the images that go through an encoder; raise after a number if asked."""

    class Counter:
        total = 0
        limit = float("inf")

    # Building an encoder embeds an image: it must not count.
    tiny().get_feature_names_out()
    counter = Counter()
    embed = Encoder.forward

    def counted(self, images):
        if counter.total >= counter.limit:
            raise KeyboardInterrupt
        counter.total += len(images)
        return embed(self, images)

    monkeypatch.setattr(Encoder, "forward", counted)
    return counter
