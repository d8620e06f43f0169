"""The machine's own ceilings, and the share of them that a training step reaches."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from recording import Record
from speed_plan import N_CLUSTERS, Plan, Workload, make_images
from speed_reference import PROJECTION_DIM
from speed_timing import Rival, take_turns, time_call, time_fit
from torch.utils.flop_counter import FlopCounterMode

VIT_LINEAR = (6304, 384, 1536)  # 32 images of 197 tokens through a layer's widest part
QUICK_LINEAR = (64, 16, 64)


class Product:
    """Matrix products of one shape and type, as many as a repetition needs."""

    def __init__(
        self, shape: tuple[int, int, int], dtype: torch.dtype, plan: Plan
    ) -> None:
        n_rows, n_inner, n_columns = shape
        self.left = torch.randn(n_rows, n_inner).to(plan.device, dtype)
        self.right = torch.randn(n_columns, n_inner).to(plan.device, dtype)
        flop = 2 * n_rows * n_inner * n_columns
        self.n_products = max(1, round(plan.matrix_flop / flop))
        self.flop = flop * self.n_products
        self.device = plan.device

    def measure(self) -> float:
        """Return the seconds of all products."""
        return time_call(self._multiply, self.device)

    def _multiply(self) -> None:
        for _ in range(self.n_products):
            F.linear(self.left, self.right)


def make_products(plan: Plan, dtype: torch.dtype) -> dict[str, Product]:
    """Prepare a large square product and that of a vision transformer's layer."""
    square = (plan.matrix_side,) * 3
    linear = QUICK_LINEAR if plan.is_quick else VIT_LINEAR
    name = str(dtype).split(".")[1]
    return {
        f"{name} product, {' x '.join(map(str, shape))}": Product(shape, dtype, plan)
        for shape in (square, linear)
    }


def measure_ceilings(plan: Plan) -> Record:
    """Measure matrix products in two types, and a copy."""
    products = make_products(plan, torch.float32) | make_products(plan, torch.bfloat16)
    source = torch.zeros(plan.copied_bytes, dtype=torch.uint8, device=plan.device)
    target = torch.empty_like(source).fill_(1)  # touched, so that it has pages
    contenders: dict[str, Callable[[], float]] = {
        name: product.measure for name, product in products.items()
    }
    contenders["copy"] = lambda: time_call(lambda: target.copy_(source), plan.device)
    return {
        "kind": "ceilings",
        "flop": {name: product.flop for name, product in products.items()},
        "bytes": {"copy": 2 * plan.copied_bytes},  # read once, and written once
        "seconds": take_turns(contenders, plan.n_rounds),
    }


def measure_share(plan: Plan) -> Record:
    """Hold the matrix operations of training steps against bfloat16 products."""
    workload = plan.vtcc
    products = make_products(plan, torch.bfloat16)
    for product in products.values():
        product.measure()
    rounds = time_fit(
        workload.make_estimator(plan.device),
        make_images(workload.batch_size * plan.n_steps, workload.image_size),
        n_steps=plan.n_steps,
        n_rounds=plan.n_rounds,
        rivals={name: _as_rival(product) for name, product in products.items()},
    )
    flop = count_step(workload)
    return {
        "kind": "share",
        "what": f"matrix operations of a training step, {workload}",
        "precision": rounds.precision,
        "flop_of_step": {"counted": flop, "by hand": count_step_by_hand(workload)},
        "flop": {
            "ours": flop * plan.n_steps,
            **{name: product.flop for name, product in products.items()},
        },
        "seconds": rounds.seconds,
    }


def _as_rival(product: Product) -> Rival:
    """Let products run between rounds of a fit."""
    return lambda net, dataset: product.measure()


def count_step(workload: Workload) -> int:
    """Count the operations in the matrix products and convolutions of a step.

    Those of the plain network, forward and backward, whatever ours does: work that an
    implementation adds, such as to compute something again, is no merit.
    """
    with torch.device("meta"):
        network = workload.make_reference()
        side = workload.image_size
        view = torch.empty(workload.batch_size, 3, side, side)
    for module in network.modules():
        if hasattr(module, "fused_attn"):
            # Fused attention computes its weights twice.
            module.fused_attn = False  # type: ignore[assignment]
    with FlopCounterMode(display=False) as counter:
        network.loss(*[view] * (2 * network.n_pairs)).backward()
    return counter.get_total_flops()


def count_step_by_hand(workload: Workload) -> int:
    """Count the same by a formula, of a network that sees every view alone.

    A layer of width d on n tokens has 12 d^2 weights, and attention multiplies n x n
    matrices with d columns twice: 2 (12 n d^2 + 2 n^2 d) operations. The backward pass
    has two products for each of the forward pass, less those for the gradient of
    images, which the first convolution leaves out.
    """
    size = workload.size
    width = size.embed_dim
    n_views = 2 * workload.batch_size
    n_patches = size.grid_size[0] * size.grid_size[1]
    n_tokens = n_patches + 1
    depth = size.n_blocks * (size.shared_depth + size.fused_depth)
    layers = depth * (12 * n_tokens * width**2 + 2 * n_tokens**2 * width)
    stem = [n_patches * width**2]  # the 1x1 convolution, then 3x3 from the last
    n_pixels, n_out = n_patches, width
    for _ in range(size.patch_size.bit_length() - 2):
        stem.append(9 * n_pixels * n_out * n_out // 2)
        n_pixels, n_out = 4 * n_pixels, n_out // 2
    first = 9 * n_pixels * n_out * 3
    hidden = 4 * width
    heads = 2 * (width * hidden + hidden**2) + hidden * (PROJECTION_DIM + N_CLUSTERS)
    # The contrasts: all rows with all rows, and all clusters with all clusters.
    contrasts = n_views**2 * PROJECTION_DIM + (2 * N_CLUSTERS) ** 2 * (n_views // 2)
    forward = n_views * (layers + sum(stem) + first + heads) + contrasts
    return 2 * (3 * forward - n_views * first)
