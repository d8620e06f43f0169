"""skorch's network, with the training step of contrastive clustering."""

from collections.abc import Iterable
from typing import Any

import torch
from skorch import NeuralNet
from skorch.utils import to_device
from torch import Tensor, nn

from sklearn_mfavb.training._runtime import autocast


class ClusteringNet(NeuralNet):
    """Train a network on views that are drawn from every batch.

    Everything else (epochs, history, callbacks, learning rate) is skorch's.

    Parameters
    ----------
    module : torch.nn.Module
        Has ``forward_views(*views)`` and ``no_weight_decay()``.
    criterion : torch.nn.Module
        From tuples of outputs that must agree to a dict of named, weighted terms.
    pairs : object
        Has ``draw(batch)`` and ``positives(*outputs)``.
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

        Returns
        -------
        dict
            ``"loss"``, the sum, and ``"terms"``, its parts, as detached tensors.

        Raises
        ------
        FloatingPointError
            If the loss is not finite.
        """
        if not self.module_.training:  # a callback may have embedded images meanwhile
            self.module_.train()
        views = self.pairs.draw(to_device(batch, self.device))
        with autocast(torch.device(self.device), self.autocast_dtype):
            outputs = self.module_.forward_views(*views)
        terms = self.criterion_(self.pairs.positives(*outputs))
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
        return {"loss": loss.detach(), "terms": detached, "y_pred": None}
