"""skorch's network, with the batches and the training step of this package."""

import math
from collections.abc import Iterable
from inspect import unwrap
from typing import Any

import numpy as np
import torch
from skorch import NeuralNet
from skorch.dataset import get_len
from skorch.utils import TeeGenerator
from torch import Tensor, nn

from sklearn_mfavb.distributed import average_gradients, gather, joint_batch_norm
from sklearn_mfavb.training._batches import to_device
from sklearn_mfavb.training._runtime import autocast

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
    has ``forward_views(*views)``; `criterion` makes named, weighted terms of the
    outputs that must agree; `pairs` has ``draw(batch)`` and ``positives(*outputs)``;
    matrix products run in `autocast_dtype`, None for float32.
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
        # Gradients of float16 would vanish; others are not scaled.
        self.scaler = torch.amp.GradScaler(
            torch.device(self.device).type, enabled=autocast_dtype == torch.float16
        )

    def get_params_for_optimizer(
        self, prefix: str, named_parameters: Iterable[tuple[str, nn.Parameter]]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Leave out frozen parameters, and spare some the weight decay.

        Biases, normalizations, class tokens and centers do not decay, as in DINO, MAE
        and timm: there is no scale to keep in check. Parts of the network, and the
        criterion, name theirs by ``no_weight_decay()``.
        """
        _, kwargs = super().get_params_for_optimizer(prefix, [])
        spared: set[str] = set()
        for part in (*self.module_.modules(), self.criterion_):
            spared |= getattr(part, "no_weight_decay", set)()
        groups: dict[bool, list[nn.Parameter]] = {True: [], False: []}
        for name, parameter in named_parameters:
            if parameter.requires_grad:
                decays = parameter.ndim > 1 and name.rpartition(".")[2] not in spared
                groups[decays].append(parameter)
        spared_group = {"params": groups[False], "weight_decay": 0.0}
        return ([{"params": groups[True]}, spared_group],), kwargs

    def train_step(self, batch: dict[str, Tensor], **fit_params: Any) -> Any:
        """Take a step as skorch does; one whose scaled gradients overflow is left out.

        The scale is found on the device, so that nothing waits for it.
        """
        self.optimizer_.zero_grad()
        step = self.train_step_single(batch, **fit_params)
        self.scaler.unscale_(self.optimizer_)
        parameters = TeeGenerator(self.get_all_learnable_params())
        self.notify(
            "on_grad_computed", named_parameters=parameters, batch=batch, training=True
        )
        self.scaler.step(self.optimizer_)
        self.scaler.update()
        return step

    def train_step_single(
        self, batch: dict[str, Tensor], **fit_params: Any
    ) -> dict[str, Any]:
        """Draw views, score them term by term, and add up the gradients."""
        if not self.module_.training:  # a callback may have embedded images meanwhile
            self.module_.train()
        terms = self.criterion_(self.infer(batch))
        loss = torch.stack(list(terms.values())).sum()
        detached = {name: term.detach() for name, term in terms.items()}
        self.scaler.scale(loss).backward()
        return {"loss": loss.detach(), "terms": detached, "y_pred": None}

    def infer(self, x: dict[str, Tensor], **fit_params: Any) -> list[tuple[Any, ...]]:
        """Draw views of a batch, and return the outputs that must agree."""
        views = self.pairs.draw(to_device(x, self.device))
        with autocast(torch.device(self.device), self.autocast_dtype):
            outputs = self.module_.forward_views(*views)
        return self.pairs.positives(*outputs)

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


class JointNet(ClusteringNet):
    """Train on several processes, each on its share of every batch."""

    def train_step_single(
        self, batch: dict[str, Tensor], **fit_params: Any
    ) -> dict[str, Any]:
        """Average the gradients of all processes."""
        step = super().train_step_single(batch, **fit_params)
        average_gradients(parameter for _, parameter in self.get_all_learnable_params())
        return step

    def infer(self, x: dict[str, Tensor], **fit_params: Any) -> list[tuple[Any, ...]]:
        """Return the outputs of all processes, so that losses see the whole batch."""
        with joint_batch_norm():
            return gather(super().infer(x, **fit_params))
