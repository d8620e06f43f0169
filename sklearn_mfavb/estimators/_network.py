"""A new network made ready for training, and what is said of its clusters."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from sklearn_mfavb.backbones import choose_attention
from sklearn_mfavb.images import ImageDataset
from sklearn_mfavb.networks import ClusteringNetwork
from sklearn_mfavb.views import unit_pixels
from sklearn_mfavb.warn import warn_user

_STATISTICS_SAMPLE = 2048  # images; the mean of each channel is then within 1 %


def prepare_network(
    network: ClusteringNetwork,
    dataset: ImageDataset,
    device: torch.device,
    previous: ClusteringNetwork | None,
) -> ClusteringNetwork:
    """Give a network the statistics of the pixels, and with warm_start old weights."""
    if dataset.size is not None:
        sample = torch.randperm(len(dataset))[:_STATISTICS_SAMPLE].numpy()
        network.standardize_by(unit_pixels(dataset.serve(sample)["images"]))
    if previous is not None:
        try:
            network.load_state_dict(previous.state_dict())
        except RuntimeError as error:
            raise ValueError(
                "warm_start=True continues the network of the last fit, but n_clusters, "
                f"the images or the network's sizes have changed: {error}. Set "
                "warm_start=False to start over."
            ) from error
    choose_attention(network, device)
    return network.to(device)


def continue_history(
    earlier: list[dict[str, Any]], history: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Append epochs to those of an earlier fit, and number them."""
    n_earlier = len(earlier)
    return earlier + [{**row, "epoch": n_earlier + row["epoch"]} for row in history]


def warn_of_empty_clusters(
    labels: NDArray[np.int64], n_clusters: int, n_epochs: int
) -> None:
    """Warn about clusters without images."""
    sizes = np.bincount(labels[labels >= 0], minlength=n_clusters)
    n_found = np.count_nonzero(sizes)
    if n_found < n_clusters:
        warn_user(
            f"Only {n_found} of n_clusters={n_clusters} clusters hold images after "
            f"{n_epochs} epochs (sizes {sizes.tolist()}). Train longer (max_epochs), "
            "change the augmentation, give more weight to balance or entropy, or ask "
            "for fewer clusters.",
            ConvergenceWarning,
        )
