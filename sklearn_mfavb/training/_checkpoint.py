"""Training kept in a file, so that an interrupted fit can be resumed."""

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

from sklearn_mfavb.distributed import agree, draw_apart, rank
from sklearn_mfavb.files import replace_file
from sklearn_mfavb.training._identity import describe_training

FORMAT = "sklearn_mfavb checkpoint 4"
# After an epoch the file is written if the last writing took less than this share of
# the time since.
_SHARE_OF_TIME = 0.05

Rows = list[dict[str, Any]]


class Checkpoint(Callback):
    """Restore a stage of training when it begins, and keep it after every epoch.

    The file is written by `torch.save` and read with ``weights_only=True``: nothing in
    it is executed.

    Parameters
    ----------
    path : str or path-like
        The file. It is replaced as a whole, never half written.
    identity : mapping of str to str
        Parameters and images of the training.
    seed : int
        Seed of the fit; the seed in the file takes precedence, if there is one.
    device : torch.device
        Where the network runs; its random state is kept too.
    continues : bool, default=False
        Whether the training goes on with the network of an earlier fit; what the file
        says takes precedence.

    Raises
    ------
    ValueError
        If the file is not a checkpoint, or that of another training.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        identity: Mapping[str, str],
        *,
        seed: int,
        device: torch.device,
        continues: bool = False,
    ) -> None:
        self.path = path
        self.identity = dict(identity)
        self.device = device
        self.kept = agree(None if rank() else _read(path))
        if self.kept is not None:
            _check_identity(path, self.kept["identity"], self.identity)
        known = self.kept or {"seed": seed, "continues": continues}
        self.seed: int = known["seed"]
        self.continues = bool(known["continues"])
        self.is_complete = False
        self.written_at = time.monotonic()
        self.seconds_to_write = 0.0

    @property
    def stage(self) -> int | None:
        """Number of the stage to resume; None if nothing was kept."""
        return None if self.kept is None else self.kept["stage"]

    def past_epochs(self) -> Rows:
        """Return the epochs of the stages before the one to resume."""
        return [] if self.kept is None else list(self.kept["past"])

    def begin_stage(self, number: int, past: Rows) -> int:
        """Keep this stage from now on; return how many of its epochs are kept."""
        self.number, self.past = number, past
        self.resumed = self.kept if self.stage == number else None
        return 0 if self.resumed is None else len(self.resumed["rows"])

    def close(self) -> None:
        """Remove the file after a complete training."""
        if self.is_complete and not rank() and os.path.exists(self.path):
            os.remove(os.path.realpath(self.path))

    def on_train_begin(
        self, net: NeuralNet, X: Any = None, y: Any = None, **kwargs: Any
    ) -> None:
        """Restore what was kept of the stage."""
        if self.resumed is None:
            return
        for name, part in _parts(net).items():
            # The scaler of a device that has bfloat16 has no state.
            if state := self.resumed[name]:
                part.load_state_dict(state)
        for row in self.resumed["rows"]:
            net.history.append({**row, "batches": []})
        neighbors = self.resumed["neighbors"]
        X.neighbors = None if neighbors is None else neighbors.numpy()
        random = self.resumed["random"]
        torch.set_rng_state(random["cpu"])
        if self.device.type == "cuda" and "device" in random:
            torch.cuda.set_rng_state(random["device"], self.device)
        draw_apart(self.device)

    def on_epoch_end(
        self, net: NeuralNet, dataset_train: Any = None, **kwargs: Any
    ) -> None:
        """Keep what was learned, unless writing would take too much time."""
        started_at = time.monotonic()
        if rank():
            return
        if self.seconds_to_write > _SHARE_OF_TIME * (started_at - self.written_at):
            return
        random = {"cpu": torch.get_rng_state()}
        if self.device.type == "cuda":
            random["device"] = torch.cuda.get_rng_state(self.device)
        neighbors = dataset_train.neighbors
        state = {
            "format": FORMAT,
            "identity": self.identity,
            "seed": self.seed,
            "continues": self.continues,
            "stage": self.number,
            "past": self.past,
            "rows": [_plain(row) for row in net.history],
            **{name: part.state_dict() for name, part in _parts(net).items()},
            "neighbors": None if neighbors is None else torch.from_numpy(neighbors),
            "random": random,
        }
        # On a full disk torch's own writing ends in a RuntimeError that does not name
        # the disk.
        content = io.BytesIO()
        torch.save(state, content)
        with replace_file(self.path) as file:
            file.write(content.getbuffer())
        self.written_at = time.monotonic()
        self.seconds_to_write = self.written_at - started_at


def open_checkpoint(
    parameters: Mapping[str, Any],
    dataset: Any,
    seed: int,
    device: torch.device,
    *,
    continues: bool = False,
) -> Checkpoint | None:
    """Open the checkpoint that parameters of ``get_params(deep=True)`` ask for."""
    path = parameters["training__checkpoint"]
    if path is None:
        return None
    identity = describe_training(parameters, dataset)
    return Checkpoint(path, identity, seed=seed, device=device, continues=continues)


def _parts(net: NeuralNet) -> dict[str, Any]:
    """Return what has a state, by its name in the file."""
    return {
        "network": net.module_,
        "objective": net.criterion_,
        "optimizer": net.optimizer_,
        "scaler": net.scaler,
        "schedule": dict(net.callbacks_)["schedule"].lr_scheduler_,
    }


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
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise pickle.UnpicklingError(f"its format is not {FORMAT!r}")
    except FileNotFoundError:
        return None
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError) as error:
        raise ValueError(
            f"checkpoint={os.fspath(path)!r} exists, but cannot be read ({error}). "
            "Choose another file, or remove it to start over."
        ) from error
    return content


def _check_identity(
    path: str | os.PathLike[str], kept: dict[str, str], wanted: dict[str, str]
) -> None:
    """Raise for the checkpoint of another training."""
    changes = [
        f"{name} was {kept.get(name, 'missing')}, now {wanted.get(name, 'missing')}"
        for name in sorted(kept.keys() | wanted.keys())
        if kept.get(name) != wanted.get(name)
    ]
    if changes:
        raise ValueError(
            f"checkpoint={os.fspath(path)!r} belongs to another training: "
            f"{'; '.join(changes)}. To resume it, fit with the original parameters and "
            "images. To start over, remove it or choose another file."
        )
