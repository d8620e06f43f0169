"""What people decide about clusters: names, merges, splits and rejections.

The page of `sklearn_mfavb.report` writes decisions as a JSON file; the commands
``apply`` and ``predict --decisions`` read it. This module defines the format::

    {
      "format": "sklearn-mfavb decisions",
      "version": 1,
      "model": "5f0c7a3be21d9e44",
      "folder": "/data/photos",
      "clusters": ["parking", "forest", "parking", null],
      "images": {"a/1.jpg": "red cars", "a/2.jpg": null}
    }

``clusters`` has one entry for each cluster of the model, in order: its name, or null if
it is rejected. Clusters of one name are merged. What is left gets new numbers, also in
default names such as "cluster 3". ``images`` has those that people moved: the name of
the cluster they were moved to, which may be a new one, or null if rejected.
Keys are paths below ``folder``, with slashes. ``folder`` is null where images are no
files. ``model`` is the fingerprint of the fitted model: decisions about one say
nothing about the clusters of another.
"""

import hashlib
import json
import os
import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sklearn_mfavb.naming import numbered_names

__all__ = [
    "FORMAT",
    "VERSION",
    "Decisions",
    "absolute",
    "model_fingerprint",
    "read_decisions",
]

FORMAT = "sklearn-mfavb decisions"
VERSION = 1

_REMEDY = "Export the file again with the button of the report."


@dataclass(frozen=True)
class Decisions:
    """Names, merges, splits and rejections of clusters.

    Attributes
    ----------
    clusters : list of (str or None)
        Name of each cluster of the model; None: rejected.
    images : dict of str to (str or None)
        Names of the clusters that single images were moved to, by absolute path (or by
        the name in the report, where images are no files); None: rejected.
    model : str or None
        Fingerprint of the model, see `model_fingerprint`; None if unknown.

    Examples
    --------
    >>> from sklearn_mfavb.decisions import Decisions
    >>> decisions = Decisions(["cars", "cars", "trees"], {"/a.jpg": "bikes"})
    >>> decisions.names
    ['cars', 'trees', 'bikes']
    >>> decisions.assign(["/a.jpg", "/b.jpg", "/c.jpg"], [0, 1, 2])
    ['bikes', 'cars', 'trees']
    """

    clusters: list[str | None]
    images: dict[str, str | None]
    model: str | None = None

    @property
    def names(self) -> list[str]:
        """Names of the clusters that are left, in the order of their new numbers."""
        return list(self._new_names().values())

    def assign(self, paths: Sequence[str], labels: Sequence[int]) -> list[str | None]:
        """Return the name of the cluster of each image; None if it is in none.

        `paths` are absolute, and `labels` those of the model, -1 for no cluster.
        """
        of_clusters = [self.clusters[label] if label >= 0 else None for label in labels]
        decided = map(self.images.get, paths, of_clusters)
        names = self._new_names()
        return [None if name is None else names[name] for name in decided]

    def _new_names(self) -> dict[str, str]:
        """Map names in the decisions to those of the clusters that are left."""
        named = [*self.clusters, *self.images.values()]
        left = list(dict.fromkeys(name for name in named if name is not None))
        defaults = zip(left, numbered_names(len(left)), strict=True)
        return {
            name: default if re.fullmatch(r"cluster \d+", name) else name
            for name, default in defaults
        }

    def check_model(self, n_clusters: int, model: str | None) -> None:
        """Raise ValueError if the decisions are about another model.

        That is one with another number of clusters, or another fingerprint if both have
        one.
        """
        if len(self.clusters) != n_clusters:
            raise ValueError(
                f"The decisions are about {len(self.clusters)} clusters, but the model "
                f"has {n_clusters}: use those exported from a report on this model."
            )
        if None not in (model, self.model) and model != self.model:
            raise ValueError(
                "The decisions are about another model, whose clusters have other "
                "numbers: use those exported from a report on this model."
            )


def read_decisions(path: str | os.PathLike[str]) -> Decisions:
    """Read decisions from a JSON file.

    Parameters
    ----------
    path : str or path-like
        File that the report exported.

    Returns
    -------
    Decisions

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        That names the file and what is wrong in it.
    """
    try:
        return _parse(json.loads(Path(path).read_text("utf-8")))
    except ValueError as error:  # JSON and UTF-8 raise subclasses
        raise ValueError(f"{path} holds no decisions: {error} {_REMEDY}") from error


def model_fingerprint(estimator: Any) -> str:
    """Return a short text that tells one fitted model from others.

    It is made of the attribute `history_`: no other training repeats its losses and
    seconds to the last digit, and it is saved with the model. Where there was no
    training, as for k-means, it is made of what assigns images to clusters.
    """
    history = [dict(sorted(row.items())) for row in estimator.history_]
    digest = hashlib.sha256()
    if history:
        digest.update(json.dumps(history, default=float).encode())
    else:
        for tensor in estimator.model_.assigner.state_dict().values():
            digest.update(tensor.cpu().numpy().tobytes())
    return digest.hexdigest()[:16]


def _parse(document: Any) -> Decisions:
    """Check a document against the format."""
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ValueError(f'"format" is not "{FORMAT}".')
    if document.get("version") != VERSION:
        raise ValueError(
            f'"version" is {document.get("version")!r}, but this release of '
            f"sklearn-mfavb reads version {VERSION}."
        )
    clusters, images = document.get("clusters"), document.get("images", {})
    if not (isinstance(clusters, list) and clusters and all(map(_is_name, clusters))):
        raise ValueError('"clusters" is not a list of names, null for rejected ones.')
    if not (isinstance(images, dict) and all(map(_is_name, images.values()))):
        raise ValueError('"images" does not map paths to names, or null to reject.')
    texts = {name: document.get(name) for name in ("folder", "model")}
    for name, value in texts.items():
        if not isinstance(value, str | None):
            raise ValueError(f'"{name}" is neither a text nor null.')
    folder = texts["folder"]
    if folder is not None:
        images = {absolute(folder, path): name for path, name in images.items()}
    return Decisions(clusters, images, texts["model"])


def _is_name(value: Any) -> bool:
    """Whether a value is the name of a cluster, or stands for rejection."""
    return value is None or (isinstance(value, str) and bool(value.strip()))


def absolute(folder: str, path: str) -> str:
    """Join a folder and a path as tables write it: with slashes, perhaps ``./``."""
    return os.path.join(folder, *posixpath.normpath(path).split("/"))
