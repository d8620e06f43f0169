"""skorch's network, with the batches and the training step of this package."""

import math
from collections.abc import Iterable, Iterator
from inspect import unwrap
from typing import Any

import numpy as np
import torch
from skorch import NeuralNet
from skorch.dataset import get_len
from skorch.utils import to_device
from torch import Tensor, nn
from torch.utils.data import DataLoader, Sampler

from sklearn_mfavb.distributed import (
    average_gradients,
    gather,
    joint_batch_norm,
    own_share,
)
from sklearn_mfavb.training._runtime import autocast, count_batches

# Steps after which the device is waited for: GPUs are given the next step while they
# are at one, and a loss that is not finite is not followed for long.
_MOST_UNREAD = 50


class AdamW(torch.optim.AdamW):
    """torch's AdamW, but it does not import torch's compiler.

    torch wraps these methods so that they can be compiled. The wrappers import the
    compiler in the first step of a process, which takes a second.
    """

    add_param_group = unwrap(torch.optim.Optimizer.add_param_group)
    zero_grad = unwrap(torch.optim.Optimizer.zero_grad)
    step = torch.no_grad()(unwrap(torch.optim.AdamW.step))


class ClusteringNet(NeuralNet):
    """Train a network on views that are drawn from every batch.

    Everything else (epochs, history, callbacks, learning rate) is skorch's. `module`
    has ``forward_views(*views)`` and ``no_weight_decay()``; `criterion` makes named,
    weighted terms of the outputs that must agree; `pairs` has ``draw(batch)`` and
    ``positives(*outputs)``; matrix products run in `autocast_dtype`, None for float32.
    """

    def __init__(
        self,
        module: nn.Module,
        criterion: nn.Module,
        *,
        pairs: Any,
        autocast_dtype: torch.dtype | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(module, criterion, **kwargs)
        self.pairs = pairs
        self.autocast_dtype = autocast_dtype

    def get_params_for_optimizer(
        self, prefix: str, named_parameters: Iterable[tuple[str, nn.Parameter]]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Leave out frozen parameters, and spare some the weight decay.

        Biases, normalizations, class tokens and centers do not decay, as in DINO, MAE
        and timm: there is no scale to keep in check. A criterion may name others.
        """
        _, kwargs = super().get_params_for_optimizer(prefix, [])
        spared = self.module_.no_weight_decay()
        spared |= getattr(self.criterion_, "no_weight_decay", set)()
        groups: dict[bool, list[nn.Parameter]] = {True: [], False: []}
        for name, parameter in named_parameters:
            if parameter.requires_grad:
                decays = parameter.ndim > 1 and name.rpartition(".")[2] not in spared
                groups[decays].append(parameter)
        spared_group = {"params": groups[False], "weight_decay": 0.0}
        return ([{"params": groups[True]}, spared_group],), kwargs

    def train_step_single(
        self, batch: dict[str, Tensor], **fit_params: Any
    ) -> dict[str, Any]:
        """Draw views, score them term by term, and add up the gradients."""
        if not self.module_.training:  # a callback may have embedded images meanwhile
            self.module_.train()
        views = self.pairs.draw(to_device(batch, self.device))
        arithmetic = autocast(torch.device(self.device), self.autocast_dtype)
        with arithmetic, joint_batch_norm():
            outputs = self.module_.forward_views(*views)
        terms = self.criterion_(gather(self.pairs.positives(*outputs)))
        loss = torch.stack(list(terms.values())).sum()
        detached = {name: term.detach() for name, term in terms.items()}
        loss.backward()
        average_gradients(parameter for _, parameter in self.get_all_learnable_params())
        return {"loss": loss.detach(), "terms": detached, "y_pred": None}

    def run_single_epoch(
        self,
        iterator: Any,
        training: bool,
        prefix: str,
        step_fn: Any,
        **fit_params: Any,
    ) -> None:
        """Run the steps of an epoch as skorch does, but seldom wait for the device.

        The mean of every term is recorded, too. A loss that is not finite raises
        FloatingPointError, a few steps late.
        """
        if not training:  # there are no images for validation
            return
        steps: list[dict[str, Any]] = []
        terms: list[dict[str, float]] = []
        for batch in iterator:
            self.notify("on_batch_begin", batch=batch, training=training)
            steps.append(step_fn(batch, **fit_params))
            self.history.record_batch(f"{prefix}_batch_size", get_len(batch))
            self.notify("on_batch_end", batch=batch, training=training, **steps[-1])
            if len(steps) - len(terms) == _MOST_UNREAD or len(steps) == len(iterator):
                terms += self._read_terms(steps[len(terms) :])
        rows = self.history[-1]["batches"]
        for row, values in zip(rows, terms, strict=True):
            row[f"{prefix}_loss"] = sum(values.values())
        sizes = [row[f"{prefix}_batch_size"] for row in rows]
        for name in terms[0]:
            mean = np.average([values[name] for values in terms], weights=sizes)
            self.history.record(name, float(mean))

    def _read_terms(self, steps: list[dict[str, Any]]) -> list[dict[str, float]]:
        """Read the terms of steps from the device, and raise if they are not finite."""
        names = list(steps[0]["terms"])
        stacked = torch.stack([torch.stack([*s["terms"].values()]) for s in steps])
        terms = [dict(zip(names, row, strict=True)) for row in stacked.tolist()]
        for each in terms:
            if not math.isfinite(sum(each.values())):
                values = ", ".join(f"{name}={value:g}" for name, value in each.items())
                raise FloatingPointError(
                    f"The loss is not finite in epoch {len(self.history)} ({values}). "
                    f"Try a lower learning_rate (now {self.lr:g}), a longer "
                    "warmup_epochs, higher temperatures or precision='float32', and "
                    "look for constant or corrupt images."
                )
        return terms


class _BalancedBatches(Sampler[list[int]]):
    """Shuffle, then split into the fewest batches within a size, of sizes +-1.

    A short last batch would be noise for the cluster contrast (its columns are as long
    as the batch) and dropping it would leave images out.
    """

    def __init__(self, n_samples: int, batch_size: int) -> None:
        self.n_samples = n_samples
        self.n_batches = count_batches(n_samples, batch_size)

    def __len__(self) -> int:
        return self.n_batches

    def __iter__(self) -> Iterator[list[int]]:
        order = own_share(torch.randperm(self.n_samples))
        for batch in order.tensor_split(self.n_batches):
            yield batch.tolist()


def balanced_batches(dataset: Any, batch_size: int, **options: Any) -> DataLoader:
    """Iterate over a data set in shuffled batches of nearly equal size."""
    batches = _BalancedBatches(len(dataset), batch_size)
    return DataLoader(dataset, batch_sampler=batches, **options)
