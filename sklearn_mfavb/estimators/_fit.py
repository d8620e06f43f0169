"""The fit of a model: a network is trained, and its embeddings are clustered."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from sklearn_mfavb.assignment import Evidence, HeadLoss, fit_assigner
from sklearn_mfavb.backbones import choose_attention
from sklearn_mfavb.estimators._model import (
    ClusteringModel,
    Found,
    Rows,
    rows_to_score,
    view_shape,
)
from sklearn_mfavb.estimators._setup import FitSetup, head_or_mixture
from sklearn_mfavb.features import FrozenEncoder
from sklearn_mfavb.images import ImageDataset
from sklearn_mfavb.networks import ClusteringNetwork
from sklearn_mfavb.outliers import OutlierScorer
from sklearn_mfavb.training import (
    Checkpoint,
    History,
    Runtime,
    Stage,
    Training,
    apply_to_views,
    embed_in,
    isolated,
    train,
)
from sklearn_mfavb.views import ViewShape, unit_pixels
from sklearn_mfavb.warn import warn_user

_STATISTICS_SAMPLE = 2048  # images; the mean of each channel is then within 1 %


@dataclass(frozen=True)
class Recipe:
    """What a method does: its network, its training, and how it labels.

    Attributes
    ----------
    n_clusters : int
        Number of clusters.
    make_network : callable
        From the shape of views to a network with random weights.
    plan : callable
        From a `FitSetup` to the stages of training.
    assignment : str or estimator
        How embeddings are labeled; see `fit_assigner`.
    balance : float or "auto"
        Extent to which a mixture has clusters of equal size.
    outliers : float or "auto"
        Share of the images that belong to no cluster.
    head_loss : callable
        Loss by which the best of several cluster heads is chosen.
    """

    n_clusters: int
    make_network: Callable[[ViewShape], ClusteringNetwork]
    plan: Callable[[FitSetup], Sequence[Stage]]
    assignment: Any
    balance: float | Literal["auto"]
    outliers: float | Literal["auto"]
    head_loss: HeadLoss


@dataclass(frozen=True)
class FitResult:
    """What a fit has learned.

    Attributes
    ----------
    model : ClusteringModel
        Everything that labels new images.
    history : list of dict
        One for each epoch, those of an earlier fit included.
    max_epochs : int
        Epochs that were planned, of all stages, and those of an earlier fit.
    found : Found
        Labels, probabilities and embeddings of the images.
    cluster_features : ndarray of float32 of shape (n_clusters, n_features)
        Mean features of the images of each cluster.
    """

    model: ClusteringModel
    history: History
    max_epochs: int
    found: Found
    cluster_features: Rows


def fit_model(
    recipe: Recipe,
    dataset: ImageDataset,
    encoders: list[FrozenEncoder],
    *,
    training: Training,
    runtime: Runtime,
    inference: Runtime,
    seed: int,
    checkpoint: Checkpoint | None = None,
    before: tuple[ClusteringModel, History] | None = None,
    verbose: int = 0,
) -> FitResult:
    """Train a network and find how its embeddings are assigned to clusters.

    Parameters
    ----------
    recipe : Recipe
        The method.
    dataset : ImageDataset
        Images, features, or both.
    encoders : list of FrozenEncoder
        What computed the features.
    training : Training
        Learning rate and the like.
    runtime, inference : Runtime
        Device, arithmetic and batch size of training, and of embedding afterwards.
    seed : int
        Seed of everything random.
    checkpoint : Checkpoint, default=None
        Where training is kept, until all is done.
    before : tuple of ClusteringModel and list of dict, default=None
        Model and history of an earlier fit whose network is trained on.
    verbose : int, default=0
        1 shows a progress bar, 2 prints all losses.

    Returns
    -------
    FitResult
    """
    continues = before is not None
    if checkpoint is not None:
        continues, seed = checkpoint.continues_by(before), checkpoint.seed
        before = None if checkpoint.kept else before  # it holds what was learned
    model_before, earlier = before or (None, [])
    dataset.hold_on(runtime.device)
    image_format = None if dataset.source is None else dataset.source.format
    shape = view_shape(encoders, image_format, dataset.size)
    with isolated(seed, runtime.device):
        network = recipe.make_network(shape)
        _prepare(network, dataset, runtime.device, model_before)
        setup = FitSetup(
            network=network,
            dataset=dataset,
            encoders=encoders,
            shape=shape,
            runtime=runtime,
            n_clusters=recipe.n_clusters,
            continues=continues,
        )
        stages = recipe.plan(setup)
        history = train(
            network,
            stages,
            dataset,
            training=training,
            runtime=runtime,
            checkpoint=checkpoint,
            verbose=verbose,
        )
        embedding = apply_to_views(embed_in(network, inference), dataset, inference)
        scored = rows_to_score(dataset, embedding)
        outliers = OutlierScorer.fit_rows(scored, outliers=recipe.outliers)
        evidence = Evidence(
            embedding=embedding,
            n_clusters=recipe.n_clusters,
            heads=network.cluster_heads,
            neighbors=dataset.neighbors,
            features=dataset.features,
            balance=recipe.balance,
            head_loss=recipe.head_loss,
            seed=seed,
            device=runtime.device,
        )
        assignment = head_or_mixture(recipe.assignment, dataset)
        if recipe.outliers and assignment != "head":
            normal = outliers.score_rows(scored) >= float(outliers.threshold)
            evidence = evidence.of(np.flatnonzero(normal))
        assigner = fit_assigner(assignment, evidence)
    model = ClusteringModel(
        encoders,
        image_format,
        dataset.size,
        network,
        assigner,
        outliers.to(runtime.device),
    )
    found = model.find(dataset, inference, embedding)
    result = FitResult(
        model,
        earlier + [{**row, "epoch": len(earlier) + row["epoch"]} for row in history],
        len(earlier) + sum(stage.max_epochs for stage in stages),
        found,
        model.mean_features(dataset, found.labels, recipe.n_clusters),
    )
    if checkpoint is not None:
        checkpoint.close()
    return result


def _prepare(
    network: ClusteringNetwork,
    dataset: ImageDataset,
    device: torch.device,
    before: ClusteringModel | None,
) -> None:
    """Give a network the statistics of the pixels, or the weights of an earlier fit."""
    if dataset.size is not None:
        sample = torch.randperm(len(dataset))[:_STATISTICS_SAMPLE].numpy()
        network.standardize_by(unit_pixels(dataset.serve(sample)["images"]))
    if before is not None:
        try:
            network.load_state_dict(before.network.state_dict())
        except RuntimeError as error:
            raise ValueError(
                "warm_start=True continues the network of the last fit, but "
                f"n_clusters, the images or the network's sizes have changed: {error}. "
                "Set warm_start=False to start over."
            ) from error
    choose_attention(network, device)
    network.to(device)


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
