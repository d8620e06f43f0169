"""VTCC: the network, views and optimiser of the released code."""

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback

from sklearn_mfavb import VTCCClustering
from sklearn_mfavb.augmentation import (
    AffineCrop,
    ColorJitter,
    GaussianBlur,
    Grayscale,
    Solarize,
)
from sklearn_mfavb.images import ImageDataset, check_images

pytestmark = pytest.mark.filterwarnings(
    "ignore:Only .* clusters hold images:sklearn.exceptions.ConvergenceWarning"
)
REFERENCE = VTCCClustering.REFERENCE


@pytest.fixture(scope="module")
def dataset():
    """Draw ten colour pictures of 224 pixels."""
    images = np.random.default_rng(0).integers(256, size=(10, 224, 224, 3))
    return ImageDataset(check_images(images.astype(np.uint8)), (224, 224))


@pytest.fixture(scope="module")
def network(dataset):
    """Build the network of the released code for ten clusters, untrained."""
    torch.manual_seed(0)
    return VTCCClustering(10, **REFERENCE)._make_network(dataset)


def count_parameters(module):
    """Count what is trained."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


def test_network_has_the_parameters_of_the_released_code(network):
    """Backbone and both heads, at 224 pixels and for ten clusters."""
    assert count_parameters(network) == 21_347_130
    assert count_parameters(network.backbone) == 15_218_352
    assert count_parameters(network.instance_head) == 3_155_072
    assert count_parameters(network.cluster_heads) == 2_973_706


def test_reference_sees_images_of_224_pixels(dataset):
    """Images of any size are seen at 224 pixels."""
    source = check_images(np.zeros((10, 32, 48, 3), dtype=np.uint8))
    clusterer = VTCCClustering(10, **REFERENCE)
    assert clusterer._resolve_image_size(source) == (224, 224)


def test_queries_keys_and_values_are_drawn_apart(network):
    """Each of the matrices is uniform up to sqrt(6 / (d + d)), and not less."""
    bound = np.sqrt(6 / (384 + 384))
    layers = [m for name, m in network.named_modules() if name.endswith(".qkv")]
    assert len(layers) == 8
    for layer in layers:
        for matrix in layer.weight.chunk(3):
            assert 0.999 * bound < matrix.abs().max() <= bound
            assert matrix.std().item() == pytest.approx(bound / np.sqrt(3), rel=0.01)


def test_other_layers_are_xavier_uniform_and_start_without_bias(network):
    """The other linear layers of the transformer; the heads keep torch's bounds."""
    linear = [
        (name, module)
        for name, module in network.backbone.named_modules()
        if isinstance(module, torch.nn.Linear)
    ]
    assert len(linear) == 8 * 4
    for name, layer in linear:
        assert (layer.bias == 0).all()
        if not name.endswith("qkv"):
            bound = np.sqrt(6 / (layer.in_features + layer.out_features))
            assert 0.999 * bound < layer.weight.abs().max() <= bound
    assert network.backbone.class_token.abs().max() < 1e-5
    first = network.cluster_heads[0].layers[0]
    assert 0.99 / np.sqrt(384) < first.weight.abs().max() <= 1 / np.sqrt(384)
    assert first.bias.abs().max() > 0


def transforms(view):
    """Name the steps of a view by their type."""
    return {type(transform): transform for transform in view.images.transforms}


@pytest.mark.parametrize("side", [32, 224])
def test_views_are_always_blurred_and_the_second_is_solarised_at_times(dataset, side):
    """Crop, colour, grey and blur in both; solarising only in the second, p = .2."""
    clusterer = VTCCClustering(10, **{**REFERENCE, "image_size": side})
    seen = ImageDataset(dataset.source, (side, side))
    first, second = map(transforms, clusterer._make_augmentations(seen))
    for view in (first, second):
        crop, jitter = view[AffineCrop], view[ColorJitter]
        assert crop.scale == (0.08, 1.0)
        assert crop.horizontal_flip_probability == 0.5
        assert (jitter.brightness, jitter.contrast) == (0.4, 0.4)
        assert (jitter.saturation, jitter.hue) == (0.2, 0.1)
        assert jitter.probability == 0.8
        assert view[Grayscale].probability == 0.2
        assert view[GaussianBlur].probability == 1.0
    assert second.keys() - first.keys() == {Solarize}
    assert second[Solarize].probability == 0.2
    radii = first[GaussianBlur].draw(torch.zeros(500, 3, side, side))
    assert 0.1 <= radii.min() < 0.2
    assert 1.9 < radii.max() <= 2.0


class RecordRates(Callback):
    """Note the learning rate of every step."""

    def __init__(self):
        self.rates = []

    def on_batch_end(self, net, **kwargs):
        self.rates.append(net.optimizer_.param_groups[0]["lr"])


def test_optimiser_is_adam_at_a_constant_rate(shapes):
    """Rate 3e-4 from the first step to the last, no decay, torch's betas."""
    images, _ = shapes
    record = RecordRates()
    small = {"image_size": 8, "embed_dim": 16, "n_heads": 2, "max_epochs": 2}
    settings = {**REFERENCE, **small, "callbacks": [record]}
    clusterer = VTCCClustering(3, **settings)
    clusterer.fit(images.repeat(2, axis=0))
    assert record.rates == [3e-4] * 4  # 180 images in batches of at most 128
    [group] = clusterer.net_.optimizer_.param_groups
    # Without decay AdamW is Adam.
    assert group["weight_decay"] == 0.0
    assert group["betas"] == (0.9, 0.999)
    assert group["eps"] == 1e-8


def test_losses_and_readout_are_those_of_the_paper():
    """Temperatures .5 and 1, equal weights, one cluster head that gives the labels."""
    clusterer = VTCCClustering(10, **REFERENCE)
    objective = clusterer._make_objective()
    assert objective.instance_contrast.temperature == 0.5
    assert objective.cluster_contrast.temperature == 1.0
    weights = ("instance", "cluster", "balance")
    assert [getattr(objective, f"{name}_weight") for name in weights] == [1.0] * 3
    assert objective.information_weight == 0.0
    assert (clusterer.n_cluster_heads, clusterer.assignment) == (1, "head")
    assert clusterer.positives == "augmentation"
