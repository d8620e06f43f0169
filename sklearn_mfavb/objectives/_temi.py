"""Neighbors share a cluster, as slowly following teachers see it (TEMI)."""

import torch
from torch import Tensor, nn

from sklearn_mfavb.losses import PointwiseInformationLoss
from sklearn_mfavb.pairs import Positives

_SIZES_MOMENTUM = 0.9


class TEMIObjective(nn.Module):
    """Train students of the cluster heads on neighbors (arXiv 2303.17896).

    The heads of the network are their teachers, which follow them (`FollowStudents`).

    Parameters
    ----------
    students : ClusterHeads
        Heads that learn, as many as the network has.
    n_clusters : int
        Number of clusters.
    beta : float
        Exponent of the joint probability.
    """

    sizes: Tensor

    def __init__(self, students: nn.ModuleList, n_clusters: int, beta: float) -> None:
        super().__init__()
        self.students = students
        self.information = PointwiseInformationLoss(beta)
        sizes = torch.full((len(students), n_clusters), 1 / n_clusters)
        self.register_buffer("sizes", sizes)

    def forward(self, positives: Positives) -> dict[str, Tensor]:
        """Score images and their neighbors, mean over the heads.

        A pair counts by the probability that it shares a cluster, as all teachers see
        it.
        """
        [pair] = positives
        students = [self.students(output.embedding.float()) for output in pair]
        first, second = (output.assignment.detach() for output in pair)
        self.sizes.lerp_(torch.cat([first, second]).mean(dim=0), 1 - _SIZES_MOMENTUM)
        weights = (first * second).sum(dim=2).mean(dim=1, keepdim=True)
        losses = [
            self.information(student, teacher, self.sizes, weights)
            for student, teacher in zip(students, (second, first), strict=True)
        ]
        return {"pointwise_loss": torch.stack(losses).mean()}
