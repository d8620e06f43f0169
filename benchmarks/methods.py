"""The methods of the benchmark, by name; importing this imports nothing heavy."""

from typing import NamedTuple

__all__ = ["METHODS", "Method"]


class Method(NamedTuple):
    """What to fit: an estimator of sklearn_mfavb, or a baseline of clip_baselines."""

    estimator: str | None = None  # name of the class
    baseline: str | None = None  # name of the function
    uses_features: bool = False


ESTIMATORS = (
    "MFAVBClustering",
    "VTCCClustering",
    "ContrastiveClustering",
    "SCANClustering",
    "AnchorClustering",
    "CueCoClustering",
)

METHODS: dict[str, Method] = {
    "k-means on pixels": Method(baseline="k_means"),
    **{name: Method(name) for name in ESTIMATORS},
    "k-means on CLIP": Method(baseline="k_means", uses_features=True),
    "k-means on CLIP, centred": Method(baseline="k_means_centred", uses_features=True),
    "spherical k-means on CLIP": Method(
        baseline="spherical_k_means", uses_features=True
    ),
    "Gaussian mixture on CLIP": Method(baseline="gaussian_mixture", uses_features=True),
    "spectral on CLIP": Method(baseline="spectral_clustering", uses_features=True),
    **{f"{name} + CLIP": Method(name, uses_features=True) for name in ESTIMATORS},
}
