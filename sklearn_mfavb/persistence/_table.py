"""What a file may speak of: the classes, and the attributes that each has learned."""

from dataclasses import fields
from typing import Any, get_type_hints

import numpy as np

from sklearn_mfavb.estimators import (
    AnchorClustering,
    BaseImageClusterer,
    ContrastiveClustering,
    CueCoClustering,
    MFAVBClustering,
    SCANClustering,
    VTCCClustering,
)

CLASSES: dict[str, type[BaseImageClusterer]] = {
    cls.__name__: cls
    for cls in (
        AnchorClustering,
        ContrastiveClustering,
        CueCoClustering,
        MFAVBClustering,
        SCANClustering,
        VTCCClustering,
    )
}

# Set by scikit-learn, not by us.
_INHERITED: dict[str, Any] = {
    "n_features_in_": int,
    "feature_names_in_": np.ndarray,
    "_sklearn_output_config": dict[str, str],
}
# A file of someone else's must not say where this machine writes.
PLACES = {"checkpoint"}
NETWORKS = {"net_", "readout_", "clip_encoder_"}


def learned_values(cls: type[BaseImageClusterer]) -> dict[str, Any]:
    """List the attributes that `fit` sets with their types, but for the networks.

    Parameters
    ----------
    cls : type
        A class of the table.

    Returns
    -------
    dict of str to annotation
    """
    hints = get_type_hints(cls)
    declared: Any = cls  # a dataclass, by its decorator
    learned = {field.name for field in fields(declared) if not field.init} - NETWORKS
    return {**{name: hints[name] for name in learned}, **_INHERITED}
