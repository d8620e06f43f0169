"""Room for data on the device where a network is trained."""

import torch

_SHARE = 0.25  # of the memory that is free; the rest is the network's


def has_room(device: torch.device, n_bytes: int) -> bool:
    """Whether data may live on a device: a CUDA device of four times their size."""
    if device.type != "cuda":
        return False
    return n_bytes <= _SHARE * torch.cuda.mem_get_info(device)[0]
