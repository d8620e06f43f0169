"""The plain reference: VTCC and MFAVB as a research script has them.

The same sizes and losses as ours, in float32, with timm's blocks as they come (with
their fused attention) and every view by itself. Its augmentation and its loops are in
``reference_loops.py``.
"""

import itertools
import math
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from timm.layers import build_sincos2d_pos_embed
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from benchmarks.speed.plan import N_CLUSTERS, Workload
from sklearn_mfavb.backbones import ViTSize, resolve_vit_size

Heads = tuple[Tensor, list[Tensor]]  # a projection, and assignments by every head

PROJECTION_DIM = 128


class PlainViT(nn.Module):
    """Tokens by early convolutions, layers, two kinds of heads."""

    n_pairs: int

    def __init__(self, size: ViTSize, layers: nn.Module, n_cluster_heads: int) -> None:
        super().__init__()
        width = size.embed_dim
        n_halvings = int(math.log2(size.patch_size))
        widths = [3, *(width // 2**i for i in reversed(range(n_halvings)))]
        stem: list[nn.Module] = []
        for n_in, n_out in itertools.pairwise(widths):
            stem.append(nn.Conv2d(n_in, n_out, 3, stride=2, padding=1, bias=False))
            stem += [nn.BatchNorm2d(n_out), nn.ReLU(inplace=True)]
        self.class_token = nn.Parameter(torch.zeros(1, 1, width))
        self.stem = nn.Sequential(*stem, nn.Conv2d(width, width, 1))
        self.layers: Any = layers
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.instance_head = make_head(width, PROJECTION_DIM)
        heads = (make_head(width, N_CLUSTERS) for _ in range(n_cluster_heads))
        self.cluster_heads = nn.ModuleList(heads)
        self.positions: Tensor
        positions = build_sincos2d_pos_embed(list(size.grid_size), width)
        self.register_buffer("positions", positions)

    def tokens(self, images: Tensor) -> Tensor:
        """Make tokens: (batch_size, 3, height, width) to (batch_size, n, width)."""
        patches = self.stem(images).flatten(2).transpose(1, 2) + self.positions
        return torch.cat([self.class_token.expand(len(images), -1, -1), patches], dim=1)

    def embed(self, images: Tensor) -> Tensor:
        """Embed views one by one."""
        raise NotImplementedError

    def read(self, embedding: Tensor) -> Heads:
        """Project an embedding, and assign it by every cluster head."""
        projection = F.normalize(self.instance_head(embedding), dim=1)
        return projection, [head(embedding).softmax(1) for head in self.cluster_heads]

    def predict(self, images: Tensor) -> Tensor:
        """Label clean images by the first head."""
        return self.read(self.embed(images))[1][0].argmax(1)


class PlainVTCC(PlainViT):
    """VTCC: every view passes one vision transformer."""

    n_pairs = 1

    def __init__(self, size: ViTSize) -> None:
        depth = size.n_blocks * (size.shared_depth + size.fused_depth)
        super().__init__(size, make_layers(size, depth), n_cluster_heads=1)

    def embed(self, images: Tensor) -> Tensor:
        """Embed views: the class token of the last layer."""
        return self.norm(self.layers(self.tokens(images))[:, 0])

    def loss(self, first: Tensor, second: Tensor) -> Tensor:
        """Contrast two views."""
        return contrast(self.read(self.embed(first)), self.read(self.embed(second)))


class PlainMFAVB(PlainViT):
    """MFAVB: two pairs of views of an image, each pair fused block by block."""

    n_pairs = 2

    def __init__(self, size: ViTSize) -> None:
        depths = size.shared_depth, size.fused_depth
        layers = nn.ModuleList(
            nn.ModuleList(make_layers(size, depth) for depth in depths)
            for _ in range(size.n_blocks)
        )
        super().__init__(size, layers, n_cluster_heads=4)

    def embed(self, images: Tensor) -> Tensor:
        """Embed one view alone: what two equal views would give."""
        tokens = self.tokens(images)
        for shared, fused in self.layers:
            tokens = fused(shared(tokens))
        return self.norm(tokens[:, 0])

    def embed_pair(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        """Embed two views that see each other."""
        first, second = self.tokens(first), self.tokens(second)
        for shared, fused in self.layers:
            both = fused(torch.cat([shared(first), shared(second)], dim=1))
            first, second = both.chunk(2, dim=1)
        return self.norm(first[:, 0]), self.norm(second[:, 0])

    def loss(self, a1: Tensor, a2: Tensor, b1: Tensor, b2: Tensor) -> Tensor:
        """Contrast the matching halves of two fused pairs."""
        couples = zip(self.embed_pair(a1, a2), self.embed_pair(b1, b2), strict=True)
        losses = [
            contrast(self.read(a), self.read(b), information_weight=0.5)
            for a, b in couples
        ]
        return torch.stack(losses).mean()


def make_reference(workload: Workload) -> PlainVTCC | PlainMFAVB:
    """Build the plain network of the sizes that the estimators choose."""
    size = resolve_vit_size((workload.image_size,) * 2)
    is_vtcc = workload.estimator == "VTCCClustering"
    return PlainVTCC(size) if is_vtcc else PlainMFAVB(size)


def make_layers(size: ViTSize, depth: int) -> nn.Sequential:
    """Stack timm's blocks."""
    norm: Any = partial(nn.LayerNorm, eps=1e-6)
    make = partial(Block, size.embed_dim, size.n_heads, qkv_bias=True, norm_layer=norm)
    return nn.Sequential(*(make() for _ in range(depth)))


def make_head(width: int, n_outputs: int) -> nn.Sequential:
    """Stack the three layers of VTCC's heads."""
    hidden = 4 * width
    return nn.Sequential(
        *(nn.Linear(width, hidden), nn.BatchNorm1d(hidden), nn.ReLU(inplace=True)),
        *(nn.Linear(hidden, hidden), nn.BatchNorm1d(hidden), nn.ReLU(inplace=True)),
        nn.Linear(hidden, n_outputs),
    )


def nt_xent(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """Contrast rows of unit length with their partners (arXiv 2002.05709, eq. 1)."""
    rows = torch.cat([first, second])
    similarity = rows @ rows.T / temperature
    similarity.fill_diagonal_(-torch.inf)
    partner = torch.arange(len(rows), device=rows.device).roll(len(first))
    return F.cross_entropy(similarity, partner)


def balance(assignment: Tensor) -> Tensor:
    """Compute log K less the entropy of the shares (arXiv 2009.09687)."""
    share = assignment.mean(dim=0)
    return math.log(len(share)) + (share * share.clamp_min(1e-8).log()).sum()


def information(first: Tensor, second: Tensor) -> Tensor:
    """Compute minus the mutual information (arXiv 2303.17896, eq. 5, beta = 0.6)."""
    share = ((first + second) / 2).mean(dim=0).detach()
    first, second = first.clamp_min(1e-8), second.clamp_min(1e-8)
    return -((first * second) ** 0.6 / share).sum(dim=1).log().mean()


def contrast(first: Heads, second: Heads, information_weight: float = 0.0) -> Tensor:
    """Add up the contrast of images and, over cluster heads, the means of the rest."""
    (projection, assignments), (other_projection, other_assignments) = first, second
    losses = []
    for p, q in zip(assignments, other_assignments, strict=True):
        clusters = nt_xent(F.normalize(p.T, dim=1), F.normalize(q.T, dim=1), 1.0)
        losses.append(clusters + balance(p) + balance(q))
        if information_weight:
            losses[-1] = losses[-1] + information_weight * information(p, q)
    return nt_xent(projection, other_projection, 0.5) + torch.stack(losses).mean()
