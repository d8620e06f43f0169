"""Training that is kept in a file, so that it goes on where it was cut off."""

import io
import os
import pickle
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from skorch import NeuralNet
from skorch.callbacks import Callback
from torch import Tensor, nn

from sklearn_mfavb.files import replace_file
from sklearn_mfavb.training._log import Rows

FORMAT = "sklearn_mfavb checkpoint 1"
# A file is written after an epoch if the last writing took less than this share of the
# time since.
_SHARE_OF_TIME = 0.05


class Checkpoint:
    """Training in a file; what is there when it is opened is taken up.

    The file holds what every stage began with (network, random state), the epochs of
    those that are over, and the state of the last one after an epoch. To go on, earlier
    stages are prepared anew from what they began with, which gives what they gave, and
    their training is skipped. It is a file of `torch.save`, read with
    ``weights_only=True``: nothing in it is run.

    Parameters
    ----------
    path : str or path-like
        The file. It is replaced as a whole, never half written.
    identity : mapping of str to str
        What makes another training of it: parameters, images.
    seed : int
        Seed of the fit; that in the file counts, if there is one.
    device : torch.device
        Where the network runs; its random state is kept too.

    Raises
    ------
    ValueError
        If the file is no checkpoint, or one of another training.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        identity: Mapping[str, str],
        *,
        seed: int,
        device: torch.device,
    ) -> None:
        self.path = path
        self.device = device
        kept = _read(path)
        if kept is not None:
            _check_identity(path, kept["identity"], dict(identity))
        self.content: dict[str, Any] = kept or {
            "format": FORMAT,
            "identity": dict(identity),
            "seed": seed,
            "starts": [],  # of every stage that was entered
            "past": [],  # epochs of every stage that is over
            "stage": None,  # the last one entered, after an epoch
        }
        self.n_entered = 0
        self.is_complete = False
        self.written_at = time.monotonic()
        self.seconds_to_write = 0.0

    @property
    def seed(self) -> int:
        """Seed of the fit that is kept."""
        return self.content["seed"]

    def enter(self, network: nn.Module) -> None:
        """Begin the next stage, with the network as it is, or as it was kept."""
        starts = self.content["starts"]
        if self.n_entered < len(starts):
            start = starts[self.n_entered]
            network.load_state_dict(start["network"])
            self._set_random_state(start["random"])
        else:
            weights = network.state_dict()
            copies = {name: part.detach().clone() for name, part in weights.items()}
            starts.append({"network": copies, "random": self._random_state()})
            self.content["stage"] = None
        self.n_entered += 1

    def past_rows(self) -> Rows:
        """Return the epochs of the stage that was entered, if a later one began."""
        is_over = self.n_entered < len(self.content["starts"])
        return self.content["past"][self.n_entered - 1] if is_over else []

    def n_kept_epochs(self) -> int:
        """Count the epochs of the stage that was entered which are kept."""
        kept = self.content["stage"]
        return 0 if kept is None else len(kept["rows"])

    def n_past_epochs(self) -> int:
        """Count the epochs of all stages which are kept, when none was entered yet."""
        return sum(map(len, self.content["past"])) + self.n_kept_epochs()

    def leave(self, rows: Rows) -> None:
        """End the stage that was entered."""
        if self.n_entered > len(self.content["past"]):
            self.content["past"].append(rows)

    def callbacks(self) -> list[tuple[str, Callback]]:
        """List what skorch has to call to keep the stage that was entered."""
        return [("checkpoint", _KeepEpochs(self))]

    def complete(self) -> None:
        """Say that all stages are over."""
        self.is_complete = True

    def close(self) -> None:
        """Remove the file, unless training was cut short and can go on."""
        if self.is_complete and os.path.exists(self.path):
            os.remove(self.path)

    def restore(self, net: NeuralNet, dataset: Any) -> None:
        """Bring skorch's loop to where the stage stood, if it was kept."""
        kept = self.content["stage"]
        if kept is None:
            return
        net.module_.load_state_dict(kept["network"])
        net.criterion_.load_state_dict(kept["objective"])
        net.optimizer_.load_state_dict(kept["optimizer"])
        _scheduler(net).load_state_dict(kept["schedule"])
        for row in kept["rows"]:
            net.history.append({**row, "batches": []})
        neighbors = kept["neighbors"]
        dataset.neighbors = None if neighbors is None else neighbors.numpy()
        self._set_random_state(kept["random"])

    def keep(self, net: NeuralNet, dataset: Any) -> None:
        """Take up the state after an epoch, and write it if it is time."""
        since = time.monotonic() - self.written_at
        if self.seconds_to_write > _SHARE_OF_TIME * since:
            return
        neighbors = dataset.neighbors
        self.content["stage"] = {
            "network": net.module_.state_dict(),
            "objective": net.criterion_.state_dict(),
            "optimizer": net.optimizer_.state_dict(),
            "schedule": _scheduler(net).state_dict(),
            "rows": [_plain(row) for row in net.history],
            "neighbors": None if neighbors is None else torch.from_numpy(neighbors),
            "random": self._random_state(),
        }
        begun_at = time.monotonic()
        with replace_file(self.path) as file:
            # On a full disk torch's own writing ends in a RuntimeError that does not
            # say so.
            content = io.BytesIO()
            torch.save(self.content, content)
            file.write(content.getbuffer())
        self.written_at = time.monotonic()
        self.seconds_to_write = self.written_at - begun_at

    def _random_state(self) -> dict[str, Tensor]:
        """Return the state of the generators that training draws from."""
        state = {"cpu": torch.get_rng_state()}
        if self.device.type == "cuda":
            state["device"] = torch.cuda.get_rng_state(self.device)
        return state

    def _set_random_state(self, state: Mapping[str, Tensor]) -> None:
        """Put generators back; one of a device that was not there keeps its state."""
        torch.set_rng_state(state["cpu"])
        if self.device.type == "cuda" and "device" in state:
            torch.cuda.set_rng_state(state["device"], self.device)


class _KeepEpochs(Callback):
    """Put a stage back when it begins, and keep it after every epoch.

    Parameters
    ----------
    checkpoint : Checkpoint or None
        None when the stage is over: skorch keeps its callbacks, and they are pickled.
    """

    def __init__(self, checkpoint: Any) -> None:
        self.checkpoint = checkpoint

    def on_train_begin(
        self, net: NeuralNet, X: Any = None, y: Any = None, **kwargs: Any
    ) -> None:
        """Go on where the stage stood."""
        self.checkpoint.restore(net, X)

    def on_epoch_end(
        self, net: NeuralNet, dataset_train: Any = None, **kwargs: Any
    ) -> None:
        """Keep what was learned."""
        self.checkpoint.keep(net, dataset_train)

    def on_train_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Let go of what was kept."""
        self.checkpoint = None


def _scheduler(net: NeuralNet) -> Any:
    """Return the scheduler of the learning rate."""
    return dict(net.callbacks_)["schedule"].lr_scheduler_


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """Copy a row of skorch's history without its batches, in Python's own types."""
    return {
        name: value.item() if isinstance(value, np.generic) else value
        for name, value in row.items()
        if name != "batches"
    }


def _read(path: str | os.PathLike[str]) -> dict[str, Any] | None:
    """Read a checkpoint, if there is one."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        return None
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError) as error:
        raise ValueError(_refuse(path, f"cannot be read ({error})")) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ValueError(_refuse(path, f"is not of the format {FORMAT!r}"))
    return content


def _refuse(path: str | os.PathLike[str], reason: str) -> str:
    """Say that a file is no checkpoint."""
    return (
        f"checkpoint={os.fspath(path)!r} is there, but {reason}. Name another file, or "
        "remove it to begin afresh."
    )


def _check_identity(
    path: str | os.PathLike[str], kept: dict[str, str], wanted: dict[str, str]
) -> None:
    """Raise if a checkpoint is of another training."""
    changes = [
        f"{name} was {kept.get(name, 'missing')}, now {wanted.get(name, 'missing')}"
        for name in sorted(kept.keys() | wanted.keys())
        if kept.get(name) != wanted.get(name)
    ]
    if changes:
        raise ValueError(
            f"checkpoint={os.fspath(path)!r} holds another training: "
            f"{'; '.join(changes)}. Fit with what it was begun with to go on, name "
            "another file, or remove it to begin afresh."
        )
