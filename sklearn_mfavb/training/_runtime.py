"""Where and how a network runs: device, arithmetic, randomness."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch


def resolve_device(device: str | torch.device) -> torch.device:
    """Replace ``"auto"`` by the first CUDA device, or the CPU without one.

    Parameters
    ----------
    device : str or torch.device
        ``"auto"`` or what torch understands.

    Returns
    -------
    torch.device

    Raises
    ------
    ValueError
        If torch does not know the device or cannot reach it here.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        resolved = torch.device(device)
        torch.empty(0, device=resolved).cpu()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ValueError(
            f"device={device!r} cannot be used here: {error} "
            "Use 'auto', 'cpu' or a device that torch reports as available."
        ) from error
    return resolved


def resolve_autocast(
    precision: Literal["auto", "float32", "bfloat16"], device: torch.device
) -> torch.dtype | None:
    """Say in which type the matrix products of training run; None means float32.

    ``"auto"`` takes bfloat16 on CUDA devices that have it and float32 elsewhere.

    Parameters
    ----------
    precision : {"auto", "float32", "bfloat16"}
        The user's wish.
    device : torch.device
        Where the network runs.

    Returns
    -------
    torch.dtype or None
    """
    automatic = device.type == "cuda" and torch.cuda.is_bf16_supported()
    wanted = precision == "bfloat16" or (precision == "auto" and automatic)
    return torch.bfloat16 if wanted else None


@contextmanager
def local_seed(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch inside the block and leave the user's random state as it was.

    Parameters
    ----------
    seed : int
        Seed of the CPU's generator and of the CUDA devices'.
    device : torch.device
        Its random state is kept as well as the CPU's.
    """
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield
