"""Where a network runs: device, arithmetic, randomness, batches of clean images."""

import threading

import numpy as np
import pytest
import torch

from sklearn_mfavb.images import ImageDataset, open_images
from sklearn_mfavb.training import (
    Runtime,
    apply_to_views,
    auto_batch_size,
    auto_epochs,
    embed_images,
    isolated,
    resolve_autocast,
    resolve_device,
    split_evenly,
)

CPU = torch.device("cpu")


def test_isolated_draws_follow_the_seed_and_leave_no_trace():
    """Draws inside follow the seed; draws outside continue as if nothing was."""
    torch.manual_seed(7)
    expected = torch.rand(2)
    torch.manual_seed(7)
    with torch.no_grad(), isolated(1, CPU):
        first = torch.rand(3)
        assert torch.is_grad_enabled()
    assert torch.equal(torch.rand(2), expected)
    with isolated(1, CPU):
        assert torch.equal(torch.rand(3), first)


def test_isolated_learns_whatever_the_caller_has_set():
    """Gradients are recorded and tensors are float32; after an error all is as was."""
    torch.set_default_dtype(torch.float64)
    try:
        with torch.inference_mode(), pytest.raises(KeyError), isolated(0, CPU):
            weight = torch.ones(1, requires_grad=True)
            (2 * weight).backward()
            assert weight.grad.dtype == torch.float32
            raise KeyError
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)


def test_isolated_seeds_no_other_device(monkeypatch):
    """On the CPU nothing is asked of CUDA, which would start it."""

    def refuse(*args, **kwargs):
        raise AssertionError("CUDA was seeded")

    for name in ("manual_seed", "manual_seed_all", "get_rng_state", "set_rng_state"):
        monkeypatch.setattr(torch.cuda, name, refuse)
    with isolated(1, CPU):
        pass


@pytest.mark.gpu
def test_isolated_seeds_its_own_gpu():
    """Draws on the device follow the seed, and its state is as it was."""
    device = torch.device("cuda", 0)
    torch.cuda.manual_seed(7)
    expected = torch.rand(2, device=device)
    torch.cuda.manual_seed(7)
    drawn = []
    for _ in range(2):
        with isolated(1, device):
            drawn.append(torch.rand(3, device=device))
    assert torch.equal(*drawn)
    assert torch.equal(torch.rand(2, device=device), expected)


def test_a_second_thread_waits():
    """Two fits in two threads draw as if they were alone; one may nest another."""
    entered, draws = threading.Event(), {}

    def draw():
        with isolated(1, CPU):
            entered.set()
            draws["other"] = torch.rand(3)

    with isolated(1, CPU), isolated(1, CPU):
        other = threading.Thread(target=draw)
        other.start()
        assert not entered.wait(0.05)
        mine = torch.rand(3)
    other.join(10)
    assert torch.equal(draws["other"], mine)


def test_devices_are_resolved_or_refused_by_name():
    """A device is found for "auto"; of what torch says there is the first sentence."""
    assert resolve_device("auto").type in {"cpu", "cuda"}
    assert resolve_device(CPU) == CPU
    missing = "meta:no" if torch.backends.mps.is_available() else "mps"
    for name in ("abacus", missing):
        with pytest.raises(ValueError, match=f"device='{name}' cannot be") as caught:
            resolve_device(name)
        assert len(str(caught.value)) < 400


@pytest.mark.parametrize("capability", ["avx512_bf16", "amx_bf16", None])
def test_precision_is_resolved_by_device(capability, monkeypatch):
    """On a CPU "auto" is bfloat16 if there are instructions for it, else float32."""
    found = {} if capability is None else {capability: True}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: found, raising=False)
    expected = None if capability is None else torch.bfloat16
    assert resolve_autocast("auto", CPU) is expected
    assert resolve_autocast("float32", CPU) is None
    assert resolve_autocast("bfloat16", CPU) is torch.bfloat16


def test_automatic_batches_and_epochs():
    """Several steps for few images; with features epochs go by the steps."""
    sizes = [auto_batch_size(n, 3) for n in (5, 400, 100_000)]
    assert sizes == [24, 50, 256]
    runtime = Runtime(CPU, None, 10)
    images = np.zeros((100, 8, 8), dtype=np.uint8)
    source, features = open_images(images), np.zeros((100, 3), dtype=np.float32)
    for size, rows, n_epochs in [
        ((8, 8), None, 40),
        (None, features, 90),
        ((8, 8), features, 40),
    ]:
        assert auto_epochs(ImageDataset(source, size, None, rows), runtime) == n_epochs
    many_steps = Runtime(CPU, None, 1)
    assert auto_epochs(ImageDataset(None, None, None, features), many_steps) == 10
    # Of so many images one epoch has ten times the steps of 350 that are asked for.
    million = ImageDataset(None, None, None, np.zeros((1_000_000, 1), dtype=np.float16))
    assert auto_epochs(million, Runtime(CPU, None, 256), 350) == 1


@pytest.mark.parametrize(("n", "most", "sizes"), [(10, 4, [4, 3, 3]), (0, 4, [0])])
def test_rows_are_split_evenly(n, most, sizes):
    """The fewest parts, of nearly equal size; no rows make one empty part."""
    parts = split_evenly(n, most)
    assert [len(part) for part in parts] == sizes
    assert np.concatenate(parts).tolist() == list(range(n))


@pytest.mark.parametrize("dtype", [None, torch.bfloat16])
def test_embeddings_come_in_order_and_in_float32(make_network, dataset, dtype):
    """In evaluation mode, without gradients, whatever the batches."""
    network = make_network().train()
    network.backbone.register_forward_hook(
        lambda module, inputs, output: output.to(dtype or torch.float32)
    )
    runtime = Runtime(CPU, dtype, 3)
    embedding = embed_images(network, dataset, runtime)
    assert embedding.dtype == np.float32
    assert not network.training
    np.testing.assert_allclose(embedding, dataset.features.numpy(), rtol=1e-2)
    numbers = apply_to_views(lambda view: view.features.argmax(1), dataset, runtime)
    assert numbers.dtype == np.int64


@pytest.mark.parametrize(
    ("capability", "expected"),
    [((6, 1), None), ((7, 0), torch.float16), ((9, 0), torch.bfloat16)],
)
def test_half_precision_of_a_gpu_is_what_it_multiplies(
    monkeypatch, capability, expected
):
    """Cards before Ampere have no bfloat16, and those before Volta no tensor cores."""

    def is_bf16_supported(including_emulation=True):
        return including_emulation or capability >= (8, 0)

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", is_bf16_supported)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda place: capability)
    assert resolve_autocast("auto", torch.device("cuda")) is expected
