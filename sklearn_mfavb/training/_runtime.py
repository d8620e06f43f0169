"""Where and how a network runs: device, arithmetic, randomness."""

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sklearn_mfavb.distributed import n_processes
from sklearn_mfavb.parallel import map_parts
from sklearn_mfavb.training._batches import BatchLoader, count_batches, to_device
from sklearn_mfavb.views import View

_EPOCHS, _LEAST_EPOCHS = 40, 10
_MOST_REPEATS = 10  # fewer than ten epochs if they make ten times the steps wanted
# With features, by whether pixels are looked at too. Five seeds of rsscn7 spread over
# 0.82 to 0.87 ACC after 400 steps, three over 0.868 to 0.873 after 900.
_STEPS_WITH_FEATURES = {True: 400, False: 900}
_LARGEST_BATCH = 256  # images; ``"auto"`` does not go beyond


@dataclass(frozen=True)
class Runtime:
    """Where a network runs, in which arithmetic, and on how many images at once.

    Attributes
    ----------
    device : torch.device
        Where the network is.
    autocast_dtype : torch.dtype or None
        Type of the matrix products; None for float32.
    batch_size : int
        Largest number of images in a batch.
    """

    device: torch.device
    autocast_dtype: torch.dtype | None
    batch_size: int


def auto_batch_size(n_samples: int, n_clusters: int, n_pairs: int = 1) -> int:
    """Return an eighth of the images, at least 8 per cluster and at most 256.

    Two pairs of views of an image are as many views as two images. Several processes
    share a batch, so that they train as one does.
    """
    size = min(_LARGEST_BATCH, max(math.ceil(n_samples / 8), 8 * n_clusters))
    return math.ceil(size / (n_pairs * n_processes()))


def auto_epochs(dataset: Any, runtime: Runtime, n_steps: int | None = None) -> int:
    """Return 40 epochs, or with features as many as a number of steps takes."""
    if dataset.features is None:
        return _EPOCHS
    wanted = n_steps or _STEPS_WITH_FEATURES[dataset.size is not None]
    steps_per_epoch = count_batches(len(dataset), runtime.batch_size)
    enough = math.ceil(_MOST_REPEATS * wanted / steps_per_epoch)
    return max(min(_LEAST_EPOCHS, enough), math.ceil(wanted / steps_per_epoch))


def resolve_runtime(
    device: str | torch.device,
    precision: Literal["auto", "float32", "bfloat16"],
    batch_size: int | Literal["auto"],
) -> Runtime:
    """Return how a network is run to embed, from an estimator's parameters."""
    place = resolve_device(device)
    n_images = _LARGEST_BATCH if batch_size == "auto" else batch_size
    return Runtime(place, resolve_autocast(precision, place), n_images)


def resolve_device(device: str | torch.device) -> torch.device:
    """Replace ``"auto"`` by the first CUDA device, or the CPU without one.

    ValueError is raised if torch does not know the device or cannot reach it here.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        resolved = torch.device(device)
        torch.empty(0, device=resolved).cpu()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        # torch's first sentence tells why; for a missing backend pages follow.
        reason = str(error).splitlines()[0].partition(". ")[0]
        raise ValueError(
            f"device={device!r} cannot be used here: {reason}. Use 'auto', 'cpu' or a "
            "device that torch reports as available."
        ) from error
    return resolved


def resolve_autocast(
    precision: Literal["auto", "float32", "bfloat16"], device: torch.device
) -> torch.dtype | None:
    """Return the type of the matrix products of a network; None means float32.

    ``"auto"`` takes bfloat16 on devices that multiply it natively, CUDA devices and
    x86 CPUs alike, float16 on older CUDA devices with tensor cores (V100, T4), and
    float32 elsewhere.
    """
    if precision == "bfloat16" or (
        precision == "auto" and _multiplies_bfloat16(device)
    ):
        return torch.bfloat16
    is_older = precision == "auto" and device.type == "cuda"
    has_cores = is_older and torch.cuda.get_device_capability(device) >= (7, 0)
    return torch.float16 if has_cores else None


def autocast(device: torch.device, dtype: torch.dtype | None) -> torch.autocast:
    """Let matrix products run in the type that `resolve_autocast` says."""
    return torch.autocast(device.type, dtype=dtype, enabled=dtype is not None)


def _multiplies_bfloat16(device: torch.device) -> bool:
    """Whether a device has instructions for bfloat16; others emulate them, slowly.

    Measured on two cores with AVX512_BF16: a training step of 256 images of 32 pixels
    takes 0.68 s instead of 1.33 s; a ViT-B/16 without gradients embeds 8.8 images per
    second and core instead of 2.6.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    tell: Any = getattr(torch.cpu, "get_capabilities", dict)
    capabilities = tell()
    is_native = capabilities.get("avx512_bf16") or capabilities.get("amx_bf16")
    return device.type == "cpu" and bool(is_native)


# Training draws from torch's global generators: dropout and the initial weights of
# layers know no others. One fit at a time may use them.
_GLOBAL_STATE = threading.RLock()


@contextmanager
def isolated(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch inside the block, and leave the state of the process as it was.

    Inside, gradients are recorded and new tensors are float32, whatever the caller has
    set. The CPU and the device are seeded. A second thread waits until the block ends.
    """
    devices = [device] if device.type == "cuda" else []
    with (
        _GLOBAL_STATE,
        torch.random.fork_rng(devices=devices),
        torch.inference_mode(mode=False),
        torch.enable_grad(),
    ):
        default_dtype = torch.get_default_dtype()
        try:
            torch.set_default_dtype(torch.float32)
            torch.default_generator.manual_seed(seed)
            for each in devices:
                with torch.cuda.device(each):
                    torch.cuda.manual_seed(seed)
            yield
        finally:
            torch.set_default_dtype(default_dtype)


def split_evenly(n_samples: int, batch_size: int) -> list[NDArray[np.int64]]:
    """Split positions into the fewest batches, of nearly equal size."""
    n_batches = max(1, math.ceil(n_samples / batch_size))
    return np.array_split(np.arange(n_samples), n_batches)


class Embedder(nn.Module):
    """Embed clean views with a network, in the arithmetic of training."""

    def __init__(self, network: Any, runtime: Runtime) -> None:
        super().__init__()
        self.network = network.eval()
        self.runtime = runtime

    def forward(self, view: View) -> Tensor:
        """Return embeddings in float32, (n_images, embed_dim)."""
        with autocast(self.runtime.device, self.runtime.autocast_dtype):
            return self.network.embed(view).float()


def apply_to_views(
    function: Callable[[View], Tensor], dataset: Any, runtime: Runtime
) -> NDArray[Any]:
    """Apply a function to a clean view of every image of an `ImageDataset`.

    The function, which may be a module on the device of `runtime`, makes a tensor with
    one row per image of the views of a batch. They are returned together, (n_samples,
    ...), floats as float32. Batches are divided among the workers of joblib.
    """
    batches = split_evenly(len(dataset), runtime.batch_size)
    outputs: Any = None
    n_done = 0
    for rows in map_parts(_Application(function, runtime.device), dataset, batches):
        if outputs is None:  # parts that are joined at the end would be there twice
            outputs = np.empty((len(dataset), *rows.shape[1:]), rows.dtype)
        outputs[n_done : n_done + len(rows)] = rows
        n_done += len(rows)
    return outputs


def embed_images(network: Any, dataset: Any, runtime: Runtime) -> NDArray[np.float32]:
    """Embed every clean image of an `ImageDataset`, (n_samples, embed_dim).

    The network is put into evaluation mode, and stays in it.
    """
    return apply_to_views(Embedder(network, runtime), dataset, runtime)


@dataclass(frozen=True)
class _Application:
    """A function of views, applied to batches of a data set."""

    function: Callable[[View], Tensor]
    device: torch.device

    @torch.no_grad()
    def __call__(
        self, dataset: Any, batches: Sequence[NDArray[np.int64]]
    ) -> Iterator[NDArray[Any]]:
        # torch draws seeds of workers that there are not; not from the user's numbers.
        unused = torch.Generator()
        for batch in BatchLoader(dataset, batches, self.device, generator=unused):
            there = to_device(batch, self.device)
            output = self.function(View(there.get("images"), there.get("features")))
            output = output.float() if output.is_floating_point() else output
            yield output.cpu().numpy()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle networks on the CPU: those that arrive move to a worker's device."""
        function: Any = self.function
        if isinstance(function, nn.Module) and self.device.type != "cpu":
            function = deepcopy(function).cpu()
        return _on_device, (function, self.device)


def _on_device(function: Any, device: torch.device) -> _Application:
    """Restore what was pickled."""
    device = resolve_device(device)
    is_module = isinstance(function, nn.Module)
    return _Application(function.to(device) if is_module else function, device)
