"""Which type the matrix products of an encoder run in."""

from typing import Literal

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
    return resolve_autocast(precision, device)


def name_arithmetic(precision: Precision, device: torch.device) -> str:
    """Name what decides the type, without knowing the encoder."""
    if precision != "auto":
        return precision
    return "float32" if resolve_autocast("auto", device) is None else "auto"
