"""skorch's network, with the training step of contrastive clustering."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any, Self

import torch
from skorch import NeuralNet
from skorch.utils import to_device
from torch import Tensor, nn

from sklearn_mfavb.training._runtime import autocast


class ClusteringNet(NeuralNet):
    """Train a network on views that are drawn from every batch.

    Everything else (epochs, history, callbacks, checkpoints, optimizer) is skorch's.

    Parameters
    ----------
    module : torch.nn.Module
        Has ``forward_views(*views)``.
    criterion : torch.nn.Module
        From couples of outputs to a dict of named, weighted terms.
    contrast : object
        Has ``draw(batch)`` and ``positives(first, second)``.
    autocast_dtype : torch.dtype or None, default=None
        Type of the matrix products in the forward pass; None for float32.
    **kwargs
        Parameters of `skorch.NeuralNet`.
    """

    def __init__(
        self,
        module: nn.Module,
        criterion: nn.Module,
        *,
        contrast: Any,
        autocast_dtype: torch.dtype | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(module, criterion, **kwargs)
        self.contrast = contrast
        self.autocast_dtype = autocast_dtype

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what was passed: `module_` and `criterion_` are the same objects.

        Those skorch brings to the CPU of a machine without a GPU.
        """
        return {**super().__getstate__(), "module": None, "criterion": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Put module and criterion back in both places."""
        super().__setstate__(state)
        self.module = self.module_
        self.criterion = self.criterion_

    def forget_training(self) -> None:
        """Drop the optimizer's and the schedule's state, and what views came from.

        The former is three times the weights, the latter may hold images.
        """
        self.contrast = None
        self.optimizer_.state.clear()
        for _, callback in self.callbacks_:
            vars(callback).pop("lr_scheduler_", None)

    @classmethod
    def around(cls, network: nn.Module, device: torch.device | str) -> Self:
        """Make the loop around a network that has learned, with nothing to train it."""
        net = cls(
            network, nn.Identity(), contrast=None, train_split=None, device=device
        )
        return net.initialize()

    def snapshot(self) -> Self:
        """Copy the network as it is, to look at; what trains it stays here."""
        return self.around(deepcopy(self.module_), self.device)

    def get_all_learnable_params(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Name the parameters to train; frozen ones never reach the optimizer."""
        for name, parameter in super().get_all_learnable_params():
            if parameter.requires_grad:
                yield name, parameter

    def _set_training(self, training: bool = True) -> None:
        """Set the mode; frozen parts stay in evaluation, or their statistics drift."""
        super()._set_training(training)
        for part in self.module_.modules():
            trainable = [parameter.requires_grad for parameter in part.parameters()]
            if trainable and not any(trainable):
                part.eval()

    def on_epoch_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        """Set the mode once: walking through all modules takes milliseconds."""
        super().on_epoch_begin(net, **kwargs)
        self._set_training(True)

    def train_step_single(self, batch: dict[str, Tensor], **fit_params: Any) -> dict:
        """Draw views, score them term by term, and add up the gradients.

        Parameters
        ----------
        batch : dict of str to torch.Tensor
            One batch of the data set.
        **fit_params
            Not used; part of skorch's signature.

        Returns
        -------
        dict
            ``"loss"``, the sum, and ``"terms"``, its parts, as detached tensors.

        Raises
        ------
        FloatingPointError
            If the loss is not finite.
        """
        if not self.module_.training:  # something has looked at images meanwhile
            self._set_training(True)
        batch = to_device(batch, self.device)
        views = self.contrast.draw(batch)
        with autocast(torch.device(self.device), self.autocast_dtype):
            outputs = self.module_.forward_views(*views)
        terms = self.criterion_(self.contrast.positives(*outputs))
        loss = torch.stack(list(terms.values())).sum()
        detached = {name: term.detach() for name, term in terms.items()}
        if not loss.isfinite():
            raise FloatingPointError(self._describe_failure(detached))
        loss.backward()
        return {"loss": loss.detach(), "terms": detached, "y_pred": None}

    def _describe_failure(self, terms: dict[str, Tensor]) -> str:
        """Say where a loss stopped being finite, and what to try."""
        values = ", ".join(f"{name}={float(term):g}" for name, term in terms.items())
        return (
            f"The loss is not finite in epoch {len(self.history)} ({values}). "
            f"Try a lower learning_rate (now {self.lr:g}), a longer warmup_epochs, "
            "higher temperatures or precision='float32', and look for constant or "
            "corrupt images."
        )
