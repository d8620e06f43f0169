"""Fixtures shared by all tests: one seed, and a tiny encoder of open_clip."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from sklearn_mfavb.features import CLIPFeatures

# Tiny tensors are slower on two threads, and several test processes would fight.
torch.set_num_threads(1)

TINY = Path(__file__).with_name("tiny-clip-of-the-tests.json")
# As large in text as open_clip's tokenizer, which is in its package, needs it.
TINY_WITH_TEXT = Path(__file__).with_name("tiny-clip-with-text.json")


@pytest.fixture(autouse=True)
def fixed_global_seed():
    """Start every test from one global seed, so that a failure can be replayed."""
    torch.manual_seed(0)


def make_model(config):
    import open_clip

    open_clip.add_model_config(config)
    torch.manual_seed(0)
    model = open_clip.create_model(config.stem, pretrained=None)
    generator = torch.Generator().manual_seed(0)
    for weight in model.parameters():  # large enough to see the image
        weight.data.add_(0.2 * torch.randn(weight.shape, generator=generator))
    return model.eval()


@pytest.fixture(scope="session")
def tiny_model():
    return make_model(TINY)


@pytest.fixture(scope="session")
def tiny_text_model():
    return make_model(TINY_WITH_TEXT)


@pytest.fixture(scope="session")
def tiny_weights(tiny_model, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "tower.safetensors"
    weights = tiny_model.visual.state_dict()
    save_file({f"visual.{name}": value for name, value in weights.items()}, path)
    return path


@pytest.fixture
def tiny(tiny_weights):
    """Make a transformer with a tiny encoder, loaded as real ones are."""

    def make(**parameters):
        settings = {"model": TINY.stem, "pretrained": tiny_weights, **parameters}
        return CLIPFeatures(**{"precision": "float32", **settings})

    return make


@pytest.fixture
def register_model(tmp_path):
    def variant(name, **vision):
        import open_clip

        config = json.loads(TINY.read_text())
        config["vision_cfg"] |= vision
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(config))
        open_clip.add_model_config(path)
        return name

    return variant
