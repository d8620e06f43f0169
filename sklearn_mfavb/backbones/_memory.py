"""Batches in parts that fit into a processor's cache."""

from torch import Tensor

# Bytes of the tokens of a part. The widest activation of a layer is four times as wide;
# it and what is computed from it are then still in the cache when the next operation
# reads them.
_TOKEN_BYTES = 2**19


def cache_rows(tokens: Tensor) -> int:
    """Say how many rows of a batch to pass through transformer layers at once.

    Parameters
    ----------
    tokens : torch.Tensor of shape (batch_size, n_tokens, embed_dim)
        The batch. Layers that treat rows alike give the same output in parts.

    Returns
    -------
    int
        The whole batch on anything but a CPU, where launches cost more than they save.
    """
    if tokens.device.type != "cpu":
        return len(tokens)
    row_bytes = tokens[0].numel() * tokens.element_size()
    return max(1, _TOKEN_BYTES // row_bytes)
