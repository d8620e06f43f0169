"""Which type the matrix products of an encoder run in."""

from typing import Any, Literal

import torch

from sklearn_mfavb.training import resolve_autocast

Precision = Literal["auto", "float32", "bfloat16"]

# Smaller encoders are fast anyway, and stay exact.
MIN_PARAMETERS = 10_000_000


def choose_arithmetic(
    precision: Precision, device: torch.device, *, n_parameters: int
) -> torch.dtype | None:
    """Return the type for an encoder of some size; None means float32."""
    if precision == "auto" and n_parameters < MIN_PARAMETERS:
        return None
    return (
        _fastest(device) if precision == "auto" else resolve_autocast(precision, device)
    )


def name_arithmetic(precision: Precision, device: torch.device) -> str:
    """Name what decides the type, without knowing the encoder."""
    if precision != "auto":
        return precision
    return "float32" if _fastest(device) is None else "auto"


def _fastest(device: torch.device) -> torch.dtype | None:
    """Choose as for training, but take bfloat16 also on CPUs that multiply it."""
    if device.type != "cpu":
        return resolve_autocast("auto", device)
    # ViT-B/16 without gradients, one core with AVX512_BF16: 8.8 against 2.6 images per
    # second, and a mean cosine to float32 of 0.9997 (smallest of 200 images: 0.994).
    # CPUs without the instructions imitate them, slowly.
    tell: Any = getattr(torch.cpu, "get_capabilities", dict)
    capabilities = tell()
    is_native = capabilities.get("avx512_bf16") or capabilities.get("amx_bf16")
    return torch.bfloat16 if is_native else None
