"""Training kept in a file, so that an interrupted fit can be resumed."""

import hashlib
import io
import os
import pickle
import time
from collections.abc import Mapping
from numbers import Number
from typing import Any

import numpy as np
import torch
from joblib.hashing import NumpyHasher
from skorch import NeuralNet
from skorch.callbacks import Callback
from torch import Tensor

from sklearn_mfavb.files import replace_file

FORMAT = "sklearn_mfavb checkpoint 3"
# After an epoch the file is written if the last writing took less than this share of
# the time since.
_SHARE_OF_TIME = 0.05
# Parameters that do not change the result of a training.
_WITHOUT_EFFECT = {
    *("cache_dir", "callbacks", "checkpoint", "device", "on_error", "verbose"),
    "encoder__batch_size",
}
_SAMPLE = 256  # images whose pixels are compared

Rows = list[dict[str, Any]]


class Checkpoint:
    """A file with the state of a training after an epoch.

    It is written by `torch.save` and read with ``weights_only=True``: nothing in it is
    executed.

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
    ) -> None:
        self.path = path
        self.identity = dict(identity)
        self.device = device
        self.kept = _read(path)
        if self.kept is not None:
            _check_identity(path, self.kept["identity"], self.identity)
        self.seed: int = seed if self.kept is None else self.kept["seed"]
        self.continues = self.kept is not None and bool(self.kept["continues"])
        self.is_complete = False
        self.written_at = time.monotonic()
        self.seconds_to_write = 0.0

    @property
    def stage(self) -> int | None:
        """Number of the stage to resume; None if nothing was kept."""
        return None if self.kept is None else self.kept["stage"]

    def continues_by(self, before: Any) -> bool:
        """Whether the training that is kept, or a new one, continues an earlier fit."""
        if self.kept is None:
            self.continues = before is not None
        return self.continues

    def past_epochs(self) -> Rows:
        """Return the epochs of the stages before the one to resume."""
        return [] if self.kept is None else list(self.kept["past"])

    def callbacks(self, stage: int, past: Rows) -> list[tuple[str, Callback]]:
        """Make the callback that keeps, and resumes, one stage."""
        return [("checkpoint", _KeepStage(self, stage, past))]

    def close(self) -> None:
        """Remove the file after a complete training."""
        if self.is_complete and os.path.exists(self.path):
            os.remove(os.path.realpath(self.path))

    def write(self, state: dict[str, Any]) -> None:
        """Write the state of a training, unless writing would take too much time."""
        since = time.monotonic() - self.written_at
        if self.seconds_to_write > _SHARE_OF_TIME * since:
            return
        about = {
            "format": FORMAT,
            "identity": self.identity,
            "seed": self.seed,
            "continues": self.continues,
        }
        started_at = time.monotonic()
        with replace_file(self.path) as file:
            # On a full disk torch's own writing ends in a RuntimeError that does not
            # name the disk.
            content = io.BytesIO()
            torch.save({**about, **state, "random": self._random_state()}, content)
            file.write(content.getbuffer())
        self.written_at = time.monotonic()
        self.seconds_to_write = self.written_at - started_at

    def _random_state(self) -> dict[str, Tensor]:
        """Return the state of the generators that training draws from."""
        state = {"cpu": torch.get_rng_state()}
        if self.device.type == "cuda":
            state["device"] = torch.cuda.get_rng_state(self.device)
        return state

    def restore_random_state(self, state: Mapping[str, Tensor]) -> None:
        """Restore the generators; one of a device that was missing keeps its state."""
        torch.set_rng_state(state["cpu"])
        if self.device.type == "cuda" and "device" in state:
            torch.cuda.set_rng_state(state["device"], self.device)


def open_checkpoint(
    parameters: Mapping[str, Any], dataset: Any, seed: int, device: torch.device
) -> Checkpoint | None:
    """Open the checkpoint that an estimator's parameters ask for, if they do.

    Parameters are those that ``get_params(deep=True)`` returns.
    """
    path = parameters["training__checkpoint"]
    if path is None:
        return None
    identity = describe_training(parameters, dataset)
    return Checkpoint(path, identity, seed=seed, device=device)


class _KeepStage(Callback):
    """Restore a stage when it begins, and keep it after every epoch."""

    def __init__(self, checkpoint: Checkpoint, stage: int, past: Rows) -> None:
        self.checkpoint = checkpoint
        self.stage = stage
        self.past = past
        self.kept = checkpoint.kept if checkpoint.stage == stage else None
        self.n_kept = 0 if self.kept is None else len(self.kept["rows"])

    def on_train_begin(
        self, net: NeuralNet, X: Any = None, y: Any = None, **kwargs: Any
    ) -> None:
        """Restore what was kept of the stage."""
        if self.kept is None:
            return
        net.module_.load_state_dict(self.kept["network"])
        net.criterion_.load_state_dict(self.kept["objective"])
        net.optimizer_.load_state_dict(self.kept["optimizer"])
        _scheduler(net).load_state_dict(self.kept["schedule"])
        for row in self.kept["rows"]:
            net.history.append({**row, "batches": []})
        neighbors = self.kept["neighbors"]
        X.neighbors = None if neighbors is None else neighbors.numpy()
        self.checkpoint.restore_random_state(self.kept["random"])

    def on_epoch_end(
        self, net: NeuralNet, dataset_train: Any = None, **kwargs: Any
    ) -> None:
        """Keep what was learned."""
        neighbors = dataset_train.neighbors
        self.checkpoint.write(
            {
                "stage": self.stage,
                "past": self.past,
                "rows": [_plain(row) for row in net.history],
                "network": net.module_.state_dict(),
                "objective": net.criterion_.state_dict(),
                "optimizer": net.optimizer_.state_dict(),
                "schedule": _scheduler(net).state_dict(),
                "neighbors": None if neighbors is None else torch.from_numpy(neighbors),
            }
        )


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
    advice = "Choose another file, or remove it to start over."
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        return None
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError) as error:
        raise ValueError(
            f"checkpoint={os.fspath(path)!r} exists, but cannot be read ({error}). "
            f"{advice}"
        ) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ValueError(
            f"checkpoint={os.fspath(path)!r} exists, but is not of the format "
            f"{FORMAT!r}. {advice}"
        )
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


class _Hasher(NumpyHasher):
    """Hash values as `joblib.hash` does, and tensors by what they hold.

    The pickle of a tensor tells where it is in memory, too.
    """

    def save(self, obj: Any) -> None:
        """Add a value to the hash."""
        if isinstance(obj, torch.Tensor):
            content = obj.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
            obj = ("tensor", str(obj.dtype), tuple(obj.shape), content.numpy())
        super().save(obj)


def describe_training(parameters: Mapping[str, Any], dataset: Any) -> dict[str, str]:
    """Describe a training, so that the checkpoint of another one is recognized.

    Parameters come by name, as ``get_params(deep=True)`` returns them; one that cannot
    be told from others, such as a lambda, raises ValueError. Images come as a
    fingerprint: their files, their features and the pixels of 256 of them, spread
    evenly.
    """
    images = f"{len(dataset)} with the fingerprint {_fingerprint(dataset)}"
    return {**_describe_all(parameters), "images": images}


def _describe_all(parameters: Mapping[str, Any]) -> dict[str, str]:
    """Describe the parameters that change the result of a training."""
    return {
        name: _describe(name, value)
        for name, value in parameters.items()
        if not {name, name.rpartition("__")[2]} & _WITHOUT_EFFECT
    }


def _describe(name: str, value: Any) -> str:
    """Write a value so that equal values have equal texts, and others do not."""
    if hasattr(value, "get_params") and not isinstance(value, type):
        return type(value).__name__  # its parameters are described one by one
    if isinstance(value, list | tuple):
        items = [_describe_item(name, item) for item in value]
        return f"{type(value).__name__} of {', '.join(items)}"
    if value is None or isinstance(value, str | bool | Number):
        return repr(value.item() if isinstance(value, np.generic) else value)
    try:
        return f"{type(value).__name__} {_Hasher('md5').hash(value)}"
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise ValueError(
            f"checkpoint needs to know {name} again, but {value!r} cannot be told from "
            "other functions of its kind: define it in a module, or set "
            "checkpoint=None."
        ) from error


def _describe_item(name: str, item: Any) -> str:
    """Describe an item of a list, whose own parameters are listed nowhere else."""
    if not hasattr(item, "get_params") or isinstance(item, type):
        return _describe(name, item)
    nested = {f"{name}__{key}": value for key, value in item.get_params().items()}
    return f"{type(item).__name__} of {_describe_all(nested)}"


def _fingerprint(dataset: Any) -> str:
    """Hash paths, features and a sample of the pixels."""
    digest = hashlib.sha256()
    if dataset.source is not None:
        paths = dataset.source.paths or ()
        digest.update("\n".join(paths).encode(errors="surrogateescape"))
    if dataset.size is not None:
        spread = np.linspace(0, len(dataset) - 1, min(_SAMPLE, len(dataset)))
        sample = dataset.indices[spread.astype(np.int64)]
        digest.update(dataset.source.read(sample, dataset.size).numpy().tobytes())
    if dataset.features is not None:
        digest.update(dataset.features.numpy().tobytes())
    return digest.hexdigest()[:16]
