"""From options to an estimator."""

import argparse
import os
from pathlib import Path

from sklearn_mfavb.command_line._result_folder import ResultFolder
from sklearn_mfavb.estimators import (
    AnchorClustering,
    BaseImageClusterer,
    ContrastiveClustering,
    CueCoClustering,
    MFAVBClustering,
    SCANClustering,
    VTCCClustering,
)
from sklearn_mfavb.features import CLIPFeatures

CLASSES: dict[str, type[BaseImageClusterer]] = {
    "mfavb": MFAVBClustering,
    "vtcc": VTCCClustering,
    "cc": ContrastiveClustering,
    "scan": SCANClustering,
    "anchor": AnchorClustering,
    "cueco": CueCoClustering,
}


def make_estimator(
    parsed: argparse.Namespace, results: ResultFolder
) -> BaseImageClusterer:
    """Make the estimator that options of `cluster` describe.

    Parameters
    ----------
    parsed : argparse.Namespace
        The options.
    results : ResultFolder
        Where features are kept, unless an option says another place.

    Returns
    -------
    BaseImageClusterer
        Not yet fitted.

    Raises
    ------
    ValueError
        If options of the encoder come without `--clip`, or name none that is there.
    OSError
        If weights cannot be read or downloaded.
    """
    cache = parsed.clip_cache or results.features
    return CLASSES[parsed.method](
        parsed.n_clusters,
        clip=_make_features(parsed, cache),
        image_size=parsed.image_size or "auto",
        max_epochs=parsed.epochs or "auto",
        on_error=parsed.on_error,
        device=parsed.device,
        verbose=1,
        random_state=parsed.seed,
    )


def _make_features(parsed: argparse.Namespace, cache: Path) -> CLIPFeatures | None:
    """Make what computes features, if an encoder is named, and try to build it."""
    if parsed.clip is None:
        for option, value in (
            ("--clip-weights", parsed.clip_weights),
            ("--clip-cache", parsed.clip_cache),
        ):
            if value is not None:
                raise ValueError(f"{option} needs --clip, which names the model.")
        return None
    features = CLIPFeatures(
        parsed.clip,
        parsed.clip_weights or "openai",
        cache_dir=os.path.abspath(cache),
        device=parsed.device,
        verbose=1,
    )
    try:
        features.build_encoder()  # stays in memory for the fit
    except RuntimeError as error:
        raise OSError(f"{error}") from error
    return features
