"""All that stands on the page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sklearn_mfavb.inspection import ClusterMembers, Findings
from sklearn_mfavb.report._curves import Curve, StageMark
from sklearn_mfavb.report._map import MapData
from sklearn_mfavb.report._settings import Setting


@dataclass(frozen=True)
class Member:
    """A member of a cluster, as it is shown.

    Parameters
    ----------
    row : int
        Which image.
    name : str
        What it is called.
    picture : str
        Its thumbnail in base64.
    percent : float
        How likely its cluster is.
    other, other_percent : int, float
        The next likely cluster, and how likely that is.
    """

    row: int
    name: str
    picture: str
    percent: float
    other: int
    other_percent: float


@dataclass(frozen=True)
class Cluster:
    """A cluster, as it is shown.

    Parameters
    ----------
    number, n_images : int
        Which cluster, and how large it is.
    percent : float
        Its part of all images that have a label.
    confidence : float
        Mean probability of its members in percent; NaN if it has none.
    typical, doubtful : list of Member
        The members that are shown.
    """

    number: int
    n_images: int
    percent: float
    confidence: float
    typical: list[Member]
    doubtful: list[Member]

    @property
    def hue(self) -> float:
        """Colour in degrees; steps of the golden angle keep neighbours apart."""
        return round(self.number * 137.508 % 360, 1)

    @property
    def shade(self) -> int:
        """Lightness in percent, added to that of the page; it parts similar hues."""
        return (0, 8, -8)[self.number % 3]


@dataclass(frozen=True)
class Page:
    """What the template fills in.

    Parameters
    ----------
    title : str
        Heading of the page.
    estimator : str
        Name of the estimator's class.
    made : str
        Date and time.
    facts : dict of str to str
        The figures at the top.
    clusters : list of Cluster
        All clusters, empty ones included.
    map : MapData
        The map of the embedding.
    curves : list of Curve
        Terms of the loss.
    stages : list of StageMark
        Where stages of training begin.
    n_epochs : int
        How long it took.
    skipped : list of tuple of str
        Files that were skipped, each with the reason.
    settings : list of Setting
        Parameters of the estimator.
    versions : dict of str to str
        What it runs on.
    limits : list of str
        What the page leaves out, and how to read it.
    is_enlarged : bool
        Whether images are so small that their pixels are drawn as squares.
    """

    title: str
    estimator: str
    made: str
    facts: Mapping[str, str]
    clusters: list[Cluster]
    map: MapData
    curves: list[Curve]
    stages: list[StageMark]
    n_epochs: int
    skipped: list[tuple[str, str]]
    settings: list[Setting]
    versions: Mapping[str, str]
    limits: list[str]
    is_enlarged: bool

    @property
    def largest_percent(self) -> float:
        """Part of the images that the largest cluster holds; it has the full bar."""
        return max(cluster.percent for cluster in self.clusters)


def describe_clusters(
    members: Sequence[ClusterMembers],
    found: Findings,
    *,
    names: Sequence[str],
    pictures: Mapping[int, str],
) -> list[Cluster]:
    """Gather what is shown of every cluster."""
    n_labelled = np.count_nonzero(found.labels >= 0)

    def describe(row: int) -> Member:
        percents = 100 * found.probabilities[row].astype(float)
        by_probability = np.argsort(-percents, kind="stable")
        first, second = by_probability[0], by_probability[min(1, len(percents) - 1)]
        return Member(
            row,
            names[row],
            pictures[row],
            percents[first],
            int(second),
            percents[second] if second != first else 0.0,
        )

    return [
        Cluster(
            number=each.cluster,
            n_images=each.n_images,
            percent=100 * each.n_images / n_labelled,
            confidence=100 * each.confidence,
            typical=[describe(row) for row in each.typical.tolist()],
            doubtful=[describe(row) for row in each.doubtful.tolist()],
        )
        for each in members
    ]
