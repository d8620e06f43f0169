"""Transformer layers, and what suits the device that they run on."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class LayerNorm(nn.LayerNorm):
    """Layer normalization with the epsilon of vision transformers."""

    def __init__(self, embed_dim: int, **kwargs: object) -> None:
        super().__init__(embed_dim, eps=1e-6)


def make_layers(depth: int, embed_dim: int, n_heads: int) -> nn.Sequential:
    """Stack pre-norm transformer layers (timm's), with torch's own initial weights.

    VTCC's Xavier weights left a higher loss on the digits after 20 epochs: 6.73 and
    6.76 against 6.71 and 6.70 (two seeds).
    """
    from timm.models.vision_transformer import Block

    return nn.Sequential(
        *(
            Block(embed_dim, n_heads, qkv_bias=True, norm_layer=LayerNorm)
            for _ in range(depth)
        )
    )


def read_tokens(layers: Iterable[Any], tokens: Tensor, *, step: int) -> Tensor:
    """Pass tokens through layers, and return only every `step`-th of them.

    The last layer does not compute the other tokens: of its 12 d^2
    multiplications per token only the 2 d^2 for keys and values are left. Its parts are
    called one by one, so that hooks of this layer as a whole do not run.

    Parameters
    ----------
    layers : iterable of torch.nn.Module
        Layers of `make_layers`; none leave the tokens as they are.
    tokens : torch.Tensor of shape (batch_size, n_tokens, embed_dim)
    step : int
        Tokens 0, `step`, 2 `step`, ... are read.

    Returns
    -------
    torch.Tensor of shape (batch_size, ceil(n_tokens / step), embed_dim)
        The same as from all layers in full.
    """
    layers = list(layers)
    if not layers:
        return tokens[:, ::step]
    *layers_before, last = layers
    for layer in layers_before:
        tokens = layer(tokens)
    read = tokens[:, ::step]
    read = read + _attend(last.attn, last.norm1(tokens), step)
    return read + last.mlp(last.norm2(read))


def _attend(attention: Any, tokens: Tensor, step: int) -> Tensor:
    """Let every `step`-th token attend to all of them."""
    n_heads, width = attention.num_heads, tokens.shape[-1]
    query_weight, rest_weight = attention.qkv.weight.split([width, 2 * width])
    query_bias, rest_bias = attention.qkv.bias.split([width, 2 * width])
    queries = F.linear(tokens[:, ::step], query_weight, query_bias)
    rest = F.linear(tokens, rest_weight, rest_bias)
    keys, values = (
        part.unflatten(-1, (n_heads, -1)).transpose(1, 2) for part in rest.chunk(2, -1)
    )
    queries = queries.unflatten(-1, (n_heads, -1)).transpose(1, 2) * attention.scale
    n_queries = queries.shape[2]
    if n_queries == 1:
        # Products of 1 row, or of 2 with 3 heads, take kernels that depend on where the
        # row lies in memory: an embedding in float32 moved by 5e-7 with its position.
        queries = queries.expand(-1, -1, 4, -1)
    shares = (queries @ keys.transpose(-2, -1)).softmax(dim=-1)
    mixed = (shares @ values)[:, :, :n_queries]
    return attention.proj(mixed.transpose(1, 2).flatten(2))


# Bytes of the tokens of a part. The widest activation of a layer is four times as wide;
# it and what is computed from it are then still in the cache when the next operation
# reads them.
_TOKEN_BYTES = 2**21
# Parts have a multiple of this many views: the last layer makes products of one row per
# view, and small ones in float32 differ with their number of rows.
_MULTIPLE = 16


def cache_rows(tokens: Tensor, *, n_views: int = 1) -> int:
    """Say how many rows of a batch to pass through transformer layers at once.

    Parameters
    ----------
    tokens : torch.Tensor of shape (batch_size, n_tokens, embed_dim)
        The batch. Layers that treat rows alike give the same output in parts.
    n_views : int, default=1
        Views of an image that pass together, each with as many tokens.

    Returns
    -------
    int
        A multiple of 16 views; the whole batch on anything but a CPU, where launches
        cost more than parts save.
    """
    if tokens.device.type != "cpu":
        return len(tokens)
    row_bytes = n_views * tokens.shape[1:].numel() * tokens.element_size()
    multiple = _MULTIPLE // n_views
    return max(1, _TOKEN_BYTES // row_bytes // multiple) * multiple


def with_channels_last(images: Tensor) -> Tensor:
    """Put the channels last in memory, where convolutions then run faster.

    On CPUs: ResNet-18 and ResNet-34, one thread, 32 pixels: 1.2 times in training and
    embedding; 224 pixels: 1.1 and 1.3 times. The stem of the vision transformers, two
    threads, bfloat16, forward and backward: 1.5 times at 32 pixels, 1.6 at 224.

    Parameters
    ----------
    images : torch.Tensor of shape (batch_size, n_channels, height, width)

    Returns
    -------
    torch.Tensor of the same shape
        A copy, which also marks images of one channel: their two layouts are the same
        bytes. On other devices than CPUs and CUDA devices, the same images.
    """
    if images.device.type not in ("cpu", "cuda"):
        return images
    arranged = torch.empty_like(images, memory_format=torch.channels_last)
    return arranged.copy_(images)


def choose_attention(network: nn.Module, device: torch.device) -> None:
    """Switch timm's attention layers to the implementation that suits the device.

    On CPUs the backward pass of ``scaled_dot_product_attention`` took 74 % of a
    training step at 17 to 66 tokens; explicit matmul-softmax-matmul is faster there.
    On CUDA the fused kernels win. Both compute the same function.

    Parameters
    ----------
    network : torch.nn.Module
        Changed in place: every submodule with a ``fused_attn`` switch is set.
    device : torch.device
        Where the network will run.
    """
    for module in network.modules():
        if hasattr(module, "fused_attn"):
            module.fused_attn = device.type == "cuda"  # type: ignore[assignment]
