"""Networks as tensors, and back."""

import pytest
import torch
from torch import nn

from sklearn_mfavb.persistence._modules import LimitedMemory, fill, gather


def make_layers(width=3):
    """Build a small network with parameters and buffers of several types."""
    return nn.Sequential(nn.Linear(2, width), nn.BatchNorm1d(width))


def test_state_comes_back():
    """A network that was built anew is equal after it is filled."""
    network, other = make_layers(), make_layers()
    tensors = {**gather(network, "a."), **gather(other, "b.")}
    again = make_layers()
    fill(again, tensors, "a.")
    states = network.state_dict(), again.state_dict()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert tensors.keys() == {f"b.{name}" for name in other.state_dict()}


def test_tensors_that_are_shared_are_written_twice():
    """Each has its own memory, as safetensors wants it."""
    network = nn.ModuleDict({"first": nn.Linear(2, 2), "second": nn.Linear(2, 2)})
    network["second"].weight = network["first"].weight
    tensors = gather(network, "")
    places = {tensor.data_ptr() for tensor in tensors.values()}
    assert len(places) == len(tensors) == 4
    assert torch.equal(tensors["first.weight"], tensors["second.weight"])


def test_views_are_written_whole():
    """What lies otherwise in memory has the same values."""
    network = nn.Linear(3, 2)
    network.weight.data = torch.arange(6.0).reshape(3, 2).t()
    tensors = gather(network, "")
    assert tensors["weight"].is_contiguous()
    assert torch.equal(tensors["weight"], network.weight)


def test_networks_that_do_not_fit_stay_as_they_are():
    """The first few differences are listed; nothing is half loaded."""
    network = make_layers(width=4)
    before = gather(network, "")
    before = {name: tensor.clone() for name, tensor in before.items()}
    told = r"0\.bias \(float32 \(3,\) saved, float32 \(4,\) built\).* and 1 more"
    with pytest.raises(ValueError, match=told):
        fill(network, gather(make_layers(), ""), "")
    assert all(torch.equal(network.state_dict()[name], before[name]) for name in before)


class Odd(nn.Module):
    """A network whose state is more than tensors."""

    def get_extra_state(self):
        return {"code": len}

    def set_extra_state(self, state):
        raise AssertionError("nothing but tensors should come back")


def test_states_that_are_no_tensors_are_refused():
    """They would need pickle."""
    with pytest.raises(TypeError, match="_extra_state is a dict, no tensor"):
        gather(Odd(), "")


def test_memory_is_limited():
    """Small networks pass, whatever they throw away; large ones are stopped early."""
    with LimitedMemory(1000):
        nn.Linear(1000, 1000)
    told = "far larger than the 1,000 numbers"
    with pytest.raises(ValueError, match=told), LimitedMemory(1000):
        nn.Linear(10**6, 10**6)
    with pytest.raises(ValueError, match=told), LimitedMemory(1000):
        nn.Sequential(*(nn.Linear(1, 1) for _ in range(10**6)))
    nn.Linear(10**4, 10**4, device="meta")
