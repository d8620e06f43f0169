"""Training on several processes, on one machine or many: one fit, its images divided.

``accelerate launch`` starts the processes, which all run one program; `fit` connects
them. Weights and losses are the
same in all processes; batches, augmentations and dropout are each one's own.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

_is_joint: ContextVar[bool] = ContextVar("_is_joint", default=False)


@contextmanager
def joint_fit() -> Iterator[None]:
    """Join the processes that a launcher started, if any, and fit with them."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not _is_connected():
        try:
            from accelerate import PartialState
        except ImportError as error:
            raise ImportError(
                "Training on several processes needs accelerate, which is not "
                "installed: pip install 'sklearn-mfavb[distributed]'."
            ) from error
        PartialState()  # it chooses the backend, and each process its device
    token = _is_joint.set(n_processes() > 1)
    try:
        yield
    finally:
        _is_joint.reset(token)


def is_joint() -> bool:
    """Whether this is a fit, of which several processes run the same steps."""
    return _is_joint.get()


def n_processes() -> int:
    """Return the number of processes."""
    return distributed.get_world_size() if _is_connected() else 1


def rank() -> int:
    """Return the number of this process, from 0, which alone writes files."""
    return distributed.get_rank() if _is_connected() else 0


def _is_connected() -> bool:
    """Whether there is a group of processes; some builds of torch know none."""
    return distributed.is_available() and distributed.is_initialized()


def agree(value: Any) -> Any:
    """Return the value of the first process, any object, in all."""
    if not _is_joint.get():
        return value
    values = [value]
    distributed.broadcast_object_list(values)
    return values[0]


def agree_on(network: nn.Module) -> None:
    """Take over the weights of the first process."""
    state = network.state_dict()
    for values in state.values():
        distributed.broadcast(values, 0)
    network.load_state_dict(state)


def draw_apart(device: torch.device) -> None:
    """Let each process draw its own numbers; the first draws as it would alone."""
    if rank():
        seed = int(torch.randint(2**62, ())) + rank()
        torch.default_generator.manual_seed(seed)
        if device.type == "cuda":
            torch.cuda.manual_seed(seed)


def own_share(order: Tensor) -> Tensor:
    """Return every n-th of some positions; all processes get the same number.

    A few positions are repeated if they cannot be divided evenly.
    """
    order, n = agree(order), n_processes()
    turns = torch.arange(rank(), len(order) + -len(order) % n, n)
    return order[turns % len(order)]


def divide(
    function: Callable[[Any, Sequence[Any]], Iterator[Any]],
    images: Any,
    batches: Sequence[Any],
) -> Iterator[Any]:
    """Yield what a function yields for all batches, each made by one process."""
    n = n_processes()
    for start in range(0, len(batches), n):
        mine = batches[start + rank() : start + rank() + 1]
        outcome: tuple[Any, dict[int, str], Exception | None] = None, {}, None
        outcomes = [outcome] * n
        try:
            if len(mine):
                outcome = next(function(images, mine)), images.unreadable, None
        except Exception as error:  # the others wait for an outcome
            outcome = None, {}, error
        distributed.all_gather_object(outcomes, outcome)
        for output, unreadable, failure in outcomes[: len(batches) - start]:
            if failure is not None:
                raise failure
            images.unreadable.update(unreadable)
            yield output


class _Gather(torch.autograd.Function):
    """Take the rows of all processes in turn, which undoes `own_share`."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        parts = [torch.empty_like(rows) for _ in range(n_processes())]
        distributed.all_gather(parts, rows.contiguous())
        return torch.stack(parts, dim=1).flatten(0, 1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        # All processes compute the same loss, and `average_gradients` divides by n.
        return n_processes() * gradients[0][rank() :: n_processes()]


def gather(positives: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Stack the outputs of all processes, so that losses see the whole batch."""
    return [
        tuple(output._make(map(_Gather.apply, output)) for output in outputs)
        for outputs in positives
    ]


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Average the gradients of all processes, in one message."""
    gradients = [each.grad for each in parameters if each.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    distributed.all_reduce(flat)
    flat /= n_processes()
    means = flat.split([gradient.numel() for gradient in gradients])
    for gradient, mean in zip(gradients, means, strict=True):
        gradient.copy_(mean.view_as(gradient))


class _Sum(torch.autograd.Function):
    """Add up the values of all processes, and in return their gradients."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        total = values.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return _Sum.forward(ctx, gradients[0])


class joint_batch_norm(TorchFunctionMode):
    """Let batch normalization of any class see the images of all processes.

    It replaces torch's function, as SyncBatchNorm knows no CPU and not timm's layers.
    """

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Call a function of torch, or ours in place of batch normalization."""
        kwargs = kwargs or {}
        if function is functional.batch_norm and kwargs["training"]:
            return _normalize(*args, **kwargs)
        return function(*args, **kwargs)


def _normalize(
    rows: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    *,
    weight: Tensor | None,
    bias: Tensor | None,
    momentum: float,
    eps: float,
    training: bool,
) -> Tensor:
    """Do what `torch.nn.functional.batch_norm` does, over all processes."""
    wide = rows.to(torch.promote_types(rows.dtype, torch.float32))
    dims = [0, *range(2, rows.ndim)]
    n = n_processes() * rows.numel() // rows.shape[1]
    shape = (1, -1, *[1] * (rows.ndim - 2))
    mean = _Sum.apply(wide.sum(dims)) / n
    centered = wide - mean.view(shape)
    var = _Sum.apply(centered.square().sum(dims)) / n
    if running_mean is not None and running_var is not None:
        with torch.no_grad():
            running_mean.lerp_(mean.to(running_mean.dtype), momentum)
            running_var.lerp_((var * n / max(1, n - 1)).to(running_var.dtype), momentum)
    scale = (var + eps).rsqrt()
    if weight is not None:
        scale = scale * weight
    normal = centered * scale.view(shape)
    return (normal if bias is None else normal + bias.view(shape)).to(rows.dtype)
