"""skorch's network, with the batches and the training step of this package."""

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from skorch import NeuralNet
from skorch.callbacks import Callback
from skorch.utils import to_device
from torch import Tensor, nn
from torch.utils.data import DataLoader, Sampler

from sklearn_mfavb import distributed
from sklearn_mfavb.training._runtime import autocast, count_batches


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
        and timm: there is no scale to keep in check.
        """
        _, kwargs = super().get_params_for_optimizer(prefix, [])
        spared = self.module_.no_weight_decay()
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
        """Draw views, score them term by term, and add up the gradients.

        A loss that is not finite raises FloatingPointError.
        """
        if not self.module_.training:  # a callback may have embedded images meanwhile
            self.module_.train()
        views = self.pairs.draw(to_device(batch, self.device))
        arithmetic = autocast(torch.device(self.device), self.autocast_dtype)
        with arithmetic, distributed.joint_batch_norm():
            outputs = self.module_.forward_views(*views)
        terms = self.criterion_(distributed.gather(self.pairs.positives(*outputs)))
        loss = torch.stack(list(terms.values())).sum()
        detached = {name: term.detach() for name, term in terms.items()}
        if not loss.isfinite():
            values = ", ".join(f"{name}={float(x):g}" for name, x in detached.items())
            raise FloatingPointError(
                f"The loss is not finite in epoch {len(self.history)} ({values}). "
                f"Try a lower learning_rate (now {self.lr:g}), a longer "
                "warmup_epochs, higher temperatures or precision='float32', and look "
                "for constant or corrupt images."
            )
        loss.backward()
        distributed.average_gradients(
            parameter for _, parameter in self.get_all_learnable_params()
        )
        return {"loss": loss.detach(), "terms": detached, "y_pred": None}


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
        order = distributed.own_share(torch.randperm(self.n_samples))
        for batch in order.tensor_split(self.n_batches):
            yield batch.tolist()


def balanced_batches(dataset: Any, batch_size: int, **options: Any) -> DataLoader:
    """Iterate over a data set in shuffled batches of nearly equal size."""
    batches = _BalancedBatches(len(dataset), batch_size)
    return DataLoader(dataset, batch_sampler=batches, **options)


class TermAverages(Callback):
    """Record the mean of every loss term once per epoch.

    Batches count by their size, as skorch counts them in the loss. The terms stay on
    the device until the epoch ends.
    """

    def on_epoch_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        """Forget the last epoch."""
        self.sums_: dict[str, Tensor] = {}
        self.n_images_ = 0

    def on_batch_end(
        self, net: NeuralNet, terms: dict[str, Tensor], **kwargs: Any
    ) -> None:
        """Add the terms of a batch."""
        n_images = net.history[-1, "batches", -1, "train_batch_size"]
        self.n_images_ += n_images
        for name, term in terms.items():
            self.sums_[name] = self.sums_.get(name, 0) + n_images * term

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Write the means into the history."""
        for name, total in self.sums_.items():
            net.history.record(name, float(total) / self.n_images_)
