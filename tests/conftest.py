"""Fixtures shared by all tests."""

import pytest
import torch

# Tiny tensors are slower on two threads, and several test processes would fight.
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def fixed_global_seed():
    """Start every test from one global seed, so that a failure can be replayed."""
    torch.manual_seed(0)
