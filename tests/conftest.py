"""Fixtures shared by all tests: one seed, and a tiny encoder of open_clip."""

import json

import pytest
import torch
from safetensors.torch import save_file

from sklearn_mfavb.features import CLIPFeatures

# Tiny tensors are slower on two threads, and several test processes would fight.
torch.set_num_threads(1)

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


@pytest.fixture(autouse=True)
def fixed_global_seed():
    """Start every test from one global seed, so that a failure can be replayed."""
    torch.manual_seed(0)


def register(folder, name, **vision):
    """Tell open_clip of a model, as its documentation says."""
    import open_clip

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
    import open_clip

    register(tmp_path_factory.mktemp("configs"), TINY)
    torch.manual_seed(0)
    return spread(open_clip.create_model(TINY, pretrained=None))


@pytest.fixture(scope="session")
def tiny_weights(tiny_model, tmp_path_factory):
    """Write the weights of the tiny model's image tower."""
    path = tmp_path_factory.mktemp("weights") / "tower.safetensors"
    weights = tiny_model.visual.state_dict()
    save_file({f"visual.{name}": value for name, value in weights.items()}, path)
    return path


@pytest.fixture
def tiny(tiny_weights):
    """Make a transformer with a tiny encoder, loaded as real ones are."""

    def make(**parameters):
        defaults = {"model": TINY, "pretrained": tiny_weights, "precision": "float32"}
        return CLIPFeatures(**{**defaults, **parameters})

    return make


@pytest.fixture
def register_model(tmp_path):
    """Register a variant of the tiny model with open_clip."""

    def variant(name, **vision):
        register(tmp_path, name, **vision)
        return name

    return variant
