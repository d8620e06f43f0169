"""Pointwise information: the loop of its equation, and its limits."""

import math

import pytest
import torch

from sklearn_mfavb.losses import PointwiseInformationLoss


@pytest.mark.parametrize("beta", [0.6, 1.0])
def test_pointwise_information(beta):
    """Each image and head by itself, as the equation has it."""
    shape = (5, 3, 4)  # images, heads, clusters
    student, teacher = torch.randn(2, *shape, dtype=torch.float64).softmax(dim=3)
    sizes, weights = teacher.mean(dim=0), torch.rand(5, 1, dtype=torch.float64)
    expected = 0.0
    for image in range(5):
        for head in range(3):
            joint = 0.0
            for q, t, m in zip(
                student[image, head].tolist(),
                teacher[image, head].tolist(),
                sizes[head].tolist(),
                strict=True,
            ):
                joint += (q * t) ** beta / m
            expected -= weights[image].item() * math.log(joint) / 15
    value = PointwiseInformationLoss(beta)(student, teacher, sizes, weights)
    assert value.item() == pytest.approx(expected, rel=1e-5)


def test_a_rare_cluster_tells_more():
    """At beta = 1 two images in a cluster of a share m score log m."""
    crisp = torch.eye(2)[[0, 1, 1, 1]]
    for row, share in ((0, 0.25), (1, 0.75)):
        one = crisp[row : row + 1]
        loss = PointwiseInformationLoss(1.0)
        value = loss(one, one, crisp.mean(dim=0), torch.ones(1))
        assert value.item() == pytest.approx(math.log(share), abs=1e-5)


@pytest.mark.parametrize("beta", [0.5, 1.1, math.nan])
def test_beta_out_of_range_is_refused(beta):
    with pytest.raises(ValueError, match=r"beta must be above 0\.5 and at most 1"):
        PointwiseInformationLoss(beta)
